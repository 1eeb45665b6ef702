"""A scorecard: whole points for each range of each feature, added up.

The transparent alternative to boosted trees: it fits on a page, and in SQL.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from passbook.credit.evaluation import check_outcomes
from passbook.credit.index import IndexScale


@dataclass(frozen=True)
class ScorecardSettings:
    """Settings of the scorecard."""

    most_ranges: int = 8
    smallest_share: float = 0.02
    """Smallest share of the customers in a range."""
    least_information: float = 0.02
    """Information value below which a feature is left out."""
    regularisation: float = 1.0
    """scikit-learn's C of the logistic regression on weights of evidence."""


@dataclass(frozen=True)
class Characteristic:
    """A feature's ranges and their points.

    Attributes
    ----------
    name : str
    edges : tuple of float
        Ascending; range ``i`` reaches up to and with ``edges[i]``, the last one beyond them.
    points : tuple of int, length of edges + 1
    missing_points : int
    average : float
        Mean points of the training customers, against which a customer's points are a reason.
    information : float
        Information value, how much the feature tells good from bad on its own.
    """

    name: str
    edges: tuple[float, ...]
    points: tuple[int, ...]
    missing_points: int
    average: float
    information: float

    def of(self, column: np.ndarray) -> np.ndarray:
        """Return the points of each value of a float32 column, shape (rows,)."""
        place = np.searchsorted(np.array(self.edges, np.float32), column, side="left")
        table = np.array([*self.points, self.missing_points])
        return table[np.where(np.isnan(column), len(self.points), place)]


@dataclass(frozen=True)
class Scorecard:
    """A fitted scorecard.

    Attributes
    ----------
    names : tuple of str
        Columns of the feature matrix.
    start : int
        Points that every customer starts with.
    characteristics : tuple of Characteristic
    scale : IndexScale
    """

    names: tuple[str, ...]
    start: int
    characteristics: tuple[Characteristic, ...]
    scale: IndexScale

    def points(self, matrix: np.ndarray) -> np.ndarray:
        """Return unclipped whole points, shape (rows,)."""
        total = np.full(len(matrix), self.start)
        for characteristic in self.characteristics:
            total += characteristic.of(matrix[:, self.names.index(characteristic.name)])
        return total

    def log_odds(self, matrix: np.ndarray) -> np.ndarray:
        """Return log-odds of default, shape (rows,)."""
        return self._as_log_odds(self.points(matrix))

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """Return additive contributions to the log-odds, each against the average customer's.

        Returns
        -------
        numpy.ndarray, shape (rows, features + 1)
            The last column is what every customer starts with. A row sums to its log-odds.
        """
        found = np.zeros((len(matrix), len(self.names) + 1))
        for characteristic in self.characteristics:
            place = self.names.index(characteristic.name)
            against = characteristic.of(matrix[:, place]) - characteristic.average
            found[:, place] = -against / self.scale.factor
        average = self.start + sum(c.average for c in self.characteristics)
        found[:, -1] = self._as_log_odds(np.array(average))
        return found

    def to_files(self) -> dict[str, bytes]:
        """Return the scorecard as a JSON file."""
        return {"scorecard.json": json.dumps(asdict(self), indent=1).encode()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Scorecard:
        """Read what `to_files` gave."""
        described = json.loads(files["scorecard.json"])
        characteristics = tuple(
            Characteristic(
                **{**item, "edges": tuple(item["edges"]), "points": tuple(item["points"])}
            )
            for item in described["characteristics"]
        )
        scale = IndexScale(**described["scale"])
        return cls(tuple(described["names"]), described["start"], characteristics, scale)

    def _as_log_odds(self, points: np.ndarray) -> np.ndarray:
        return (self.scale.base - points) / self.scale.factor - math.log(self.scale.base_odds)


@dataclass(frozen=True)
class _Binned:
    """A feature in ranges: each row's range, and each range's weight of evidence."""

    name: str
    edges: tuple[float, ...]
    place: np.ndarray
    weights: np.ndarray
    information: float


def fit(
    matrix: np.ndarray,
    defaulted: np.ndarray,
    *,
    names: Sequence[str],
    risk: Sequence[int],
    settings: ScorecardSettings,
    scale: IndexScale,
) -> Scorecard:
    """Fit a scorecard: ranges by a small monotone tree a feature, then a logistic regression.

    Parameters
    ----------
    matrix : numpy.ndarray of float32, shape (rows, features)
        Missing is NaN; it gets points of its own.
    defaulted : numpy.ndarray of bool, shape (rows,)
    names : sequence of str, length features
    risk : sequence of int, length features
        1: more never gives more points, -1: more never gives fewer, 0: either.
    settings : ScorecardSettings
    scale : IndexScale

    Raises
    ------
    OutcomeError
        E501 when one of the outcomes is too rare.

    Notes
    -----
    N. Siddiqi, "Credit Risk Scorecards", 2006: weight of evidence, information value, points.
    """
    bad = check_outcomes(defaulted)
    binned = [
        found
        for column, name, sign in zip(matrix.T, names, risk, strict=True)
        if (found := _binned(column, bad, name, sign, settings)).information
        >= settings.least_information
    ]
    binned, slopes, intercept = _regressed(binned, bad, settings)
    characteristics = tuple(
        _characteristic(b, slope * scale.factor) for b, slope in zip(binned, slopes, strict=True)
    )
    start = scale.base - scale.factor * (intercept + math.log(scale.base_odds))
    return Scorecard(tuple(names), round(start), characteristics, scale)


def _binned(
    column: np.ndarray, bad: np.ndarray, name: str, sign: int, settings: ScorecardSettings
) -> _Binned:
    known = ~np.isnan(column)
    edges: tuple[float, ...] = ()
    smallest = max(1, round(settings.smallest_share * len(column)))
    if known.sum() >= 2 * smallest:
        tree = DecisionTreeClassifier(
            max_leaf_nodes=settings.most_ranges,
            min_samples_leaf=smallest,
            monotonic_cst=[sign],
            random_state=0,
        ).fit(column[known, None], bad[known])
        cuts = tree.tree_.threshold[tree.tree_.feature >= 0]
        # Data are float32, so cuts are too: Python and SQL then compare the same numbers.
        edges = tuple(sorted({float(np.float32(cut)) for cut in cuts}))
    place = np.searchsorted(np.array(edges, np.float32), column, side="left")
    place[~known] = len(edges) + 1
    weights, information = _weights(place, bad, len(edges) + 2)
    return _Binned(name, edges, place, weights, information)


def _weights(place: np.ndarray, bad: np.ndarray, ranges: int) -> tuple[np.ndarray, float]:
    """Return each range's weight of evidence (log-odds above the average) and their information.

    Half a customer of either kind, in proportion, keeps a range without defaults finite.
    """
    rate = bad.mean()
    bads = np.bincount(place[bad], minlength=ranges) + rate
    goods = np.bincount(place[~bad], minlength=ranges) + 1 - rate
    bad_share, good_share = bads / bads.sum(), goods / goods.sum()
    weights = np.log(bad_share / good_share)
    return weights, float(((bad_share - good_share) * weights).sum())


def _regressed(
    binned: list[_Binned], bad: np.ndarray, settings: ScorecardSettings
) -> tuple[list[_Binned], np.ndarray, float]:
    """Weigh the features, dropping any whose weight would turn its own evidence around."""
    while binned:
        evidence = np.column_stack([b.weights[b.place] for b in binned])
        model = LogisticRegression(C=settings.regularisation, max_iter=1000).fit(evidence, bad)
        slopes = model.coef_[0]
        if (slopes > 0).all():
            return binned, slopes, float(model.intercept_[0])
        worst = int(slopes.argmin())
        binned = [b for number, b in enumerate(binned) if number != worst]
    return [], np.empty(0), float(np.log(bad.mean() / (1 - bad.mean())))


def _characteristic(binned: _Binned, points_per_weight: float) -> Characteristic:
    points = [round(-points_per_weight * weight) for weight in binned.weights]
    return Characteristic(
        binned.name,
        binned.edges,
        tuple(points[:-1]),
        points[-1],
        float(np.array(points)[binned.place].mean()),
        binned.information,
    )
