"""What separates the clusters, and whether age and sex alone would have done.

A clustering that repeats the age pyramid tells nobody anything new, and one that overlooks the
balance is of no use to a bank: both are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score
from sklearn.tree import DecisionTreeClassifier

from passbook.segments.features import Columns, Scaling

DEMOGRAPHICS: Final = ("sex", "age_band")
TREE_DEPTH: Final = 4
TREE_ROWS: Final = 200_000
MOST_DEMOGRAPHIC: Final = 0.4
"""Share of the labels, beyond naming the largest cluster, that age and sex may recover."""

LEADING_RANK: Final = 5
"""A feature that must lead is one of so many that separate best."""

Labels = npt.NDArray[Any]


@dataclass(frozen=True)
class Separation:
    """How much one feature separates the clusters.

    Attributes
    ----------
    feature, group : str
    statistic : str
        ``eta_squared`` of a number on its tamed scale, ``cramers_v`` of a category.
    value : float
        Of 1.
    strength : float
        Share of variation explained, which ranks both kinds: η², or V².
    """

    feature: str
    group: str
    statistic: str
    value: float
    strength: float


@dataclass(frozen=True)
class Audit:
    """The audit of a clustering.

    Attributes
    ----------
    separations : tuple[Separation, ...]
        The strongest first.
    demographic_share : float
        Share of the labels beyond the largest cluster's that age and sex alone recover.
    required_rank : int
        Best rank among the features of which one must lead; 0 when none must.
    """

    separations: tuple[Separation, ...]
    demographic_share: float
    required_rank: int

    @property
    def faults(self) -> list[str]:
        """Why the clustering is refused; empty when it passes."""
        found = []
        if self.demographic_share > MOST_DEMOGRAPHIC:
            found.append(
                f"age and sex alone recover {self.demographic_share:.0%} of the labels, "
                f"more than {MOST_DEMOGRAPHIC:.0%}"
            )
        if self.required_rank > LEADING_RANK:
            found.append(f"the feature that must lead is number {self.required_rank}")
        return found

    @property
    def metrics(self) -> dict[str, float]:
        """The figures that promotion bounds."""
        return {
            "demographic_share": self.demographic_share,
            "required_rank": float(self.required_rank),
        }


def audit_clusters(
    table: Columns, scaling: Scaling, labels: Labels, *, must_lead: Sequence[str] = ()
) -> Audit:
    """Audit a clustering.

    Parameters
    ----------
    table : pyarrow.Table
        The features' columns, n rows; sex and age_band are among them or nothing is demographic.
    scaling : Scaling
    labels : (n,) int
    must_lead : sequence of str
        Features of which one has to be among the leading ones.
    """
    separations = sorted(
        (*_numbers(table, scaling, labels), *_categories(table, scaling, labels)),
        key=lambda separation: (-separation.strength, separation.feature),
    )
    ranks = [rank for rank, found in enumerate(separations, 1) if found.feature in must_lead]
    return Audit(
        tuple(separations),
        recovered_share(_demographic_codes(table, scaling), labels),
        min(ranks, default=0),
    )


def eta_squared(values: npt.NDArray[np.float64], labels: Labels) -> float:
    """Return the share of a number's variance that lies between the clusters; 0 for a constant."""
    sizes = np.bincount(labels)
    means = np.bincount(labels, weights=values) / np.maximum(sizes, 1)
    total = float(np.square(values - values.mean()).sum())
    between = float((sizes * np.square(means - values.mean())).sum())
    return between / total if total > 0 else 0.0


def cramers_v(codes: npt.NDArray[np.int64], labels: Labels) -> float:
    """Return Cramér's V of a category and the clusters; 0 where either takes one value only."""
    counts = np.bincount(labels * (int(codes.max()) + 1) + codes,
                         minlength=(int(labels.max()) + 1) * (int(codes.max()) + 1))  # fmt: skip
    crossed = counts.reshape(int(labels.max()) + 1, -1).astype(np.float64)
    crossed = crossed[crossed.sum(axis=1) > 0][:, crossed.sum(axis=0) > 0]
    smaller = min(crossed.shape) - 1
    if smaller < 1:
        return 0.0
    expected = np.outer(crossed.sum(axis=1), crossed.sum(axis=0)) / crossed.sum()
    chi_squared = float((np.square(crossed - expected) / expected).sum())
    return float(np.sqrt(chi_squared / crossed.sum() / smaller))


def recovered_share(codes: npt.NDArray[np.int64], labels: Labels) -> float:
    """Return how much of the labels a shallow tree on `codes` recovers, beyond the largest cluster.

    0 is what naming the largest cluster for everybody achieves, 1 is every label. Learnt on one
    half of the rows (of at most 200,000), measured on the other. Codes are taken in their order,
    as those of age bands are.
    """
    if not codes.shape[1] or len(labels) < 4:
        return 0.0
    rows = np.random.default_rng(0).permutation(len(labels))[:TREE_ROWS]
    learn, measure = rows[::2], rows[1::2]
    tree = DecisionTreeClassifier(max_depth=TREE_DEPTH, random_state=0)
    tree.fit(codes[learn], labels[learn])
    hit = accuracy_score(labels[measure], tree.predict(codes[measure]))
    largest = float(np.bincount(labels[measure]).max() / len(measure))
    return max(0.0, float((hit - largest) / (1 - largest))) if largest < 1 else 0.0


def _numbers(table: Columns, scaling: Scaling, labels: Labels) -> list[Separation]:
    values = {number: eta_squared(number.standard(number.read(table)), labels)
              for number in scaling.numbers}  # fmt: skip
    return [Separation(n.name, n.group, "eta_squared", eta, eta) for n, eta in values.items()]


def _categories(table: Columns, scaling: Scaling, labels: Labels) -> list[Separation]:
    values: Mapping[Any, float] = {
        category: cramers_v(category.encode(table[category.name]).astype(np.int64), labels)
        for category in scaling.categories
    }
    return [Separation(c.name, c.group, "cramers_v", v, v * v) for c, v in values.items()]


def _demographic_codes(table: Columns, scaling: Scaling) -> npt.NDArray[np.int64]:
    codes = [c.encode(table[c.name]) for c in scaling.categories if c.name in DEMOGRAPHICS]
    return np.stack(codes, axis=1).astype(np.int64) if codes else np.empty((len(table), 0), int)
