"""How well a recommender ranks what customers went on to buy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from passbook.errors import NoAcquisitionsError
from passbook.recommend import basket_kernels, evaluation_kernels, top_kernels
from passbook.recommend.context import Context
from passbook.recommend.holdout import Acquisitions
from passbook.recommend.interactions import Flags, Floats, Interactions
from passbook.recommend.purchases import Ints

Doubles = npt.NDArray[np.float64]
RESAMPLES = 2000


@dataclass(frozen=True)
class TestSet:
    """Customers with an acquisition in the test window, and what they could have been offered.

    Attributes
    ----------
    rows : int64 array of shape (customers,)
        Their rows in the training interactions.
    baskets : Interactions
        What they had bought by the end of training.
    segment : int32 array of shape (customers,)
    profile : int32 array of shape (customers, traits)
    candidates : bool array of shape (products,)
        Products on sale in the window that the scenario offers.
    indptr, items : arrays
        Their acquisitions, compressed by row.
    """

    __test__ = False

    rows: npt.NDArray[np.int64]
    baskets: Interactions
    segment: Ints
    profile: Ints
    candidates: Flags
    indptr: npt.NDArray[np.int64]
    items: Ints

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def context(self) -> Context:
        """Return what a recommender is told of these customers."""
        return Context(self.baskets, self.segment, self.profile)


def test_set(
    train: Interactions,
    test: Acquisitions,
    segment: Ints,
    profile: Ints,
    *,
    targets: Flags,
    candidates: Flags,
    catalogue: Flags,
) -> TestSet:
    """Pick the acquisitions of `candidates` by known customers among `targets`.

    Raises
    ------
    NoAcquisitionsError
        E401 when there are none.
    """
    wanted = test.select(targets[test.customer] & candidates[test.item])
    if len(wanted) == 0:
        raise NoAcquisitionsError("No known customer newly bought a product that was on sale.")
    unique, counts = np.unique(wanted.customer, return_counts=True)
    rows = np.asarray(unique, dtype=np.int64)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    baskets = train.take(rows).only(catalogue)
    return TestSet(rows, baskets, segment[rows], profile[rows], candidates, indptr, wanted.item)


test_set.__test__ = False  # type: ignore[attr-defined]


def ranks(scores: Floats, test: TestSet) -> Ints:
    """Return the rank of each acquisition among the candidates that its customer never bought.

    Parameters
    ----------
    scores : float32 array of shape (customers, products)
        Overwritten: owned and ineligible products become minus infinity.

    Returns
    -------
    int32 array of shape (acquisitions,)
        1 is best; of equal scores the earlier column ranks first, as when offers are made.
    """
    scores[:, ~test.candidates] = -np.inf
    basket_kernels.mask_owned(test.baskets.indptr, test.baskets.items, scores)
    out = np.empty(len(test.items), dtype=np.int32)
    evaluation_kernels.ranks_of(scores, test.indptr, test.items, out)
    return out


def customer_metrics(rank: Ints, test: TestSet, k: Sequence[int] = (1, 3, 5)) -> dict[str, Doubles]:
    """Return each customer's metrics from the ranks of what they acquired.

    ``hit_rate_k``, ``precision_k``, ``recall_k``, ``mrr_k``, ``map_k``, ``ndcg_k`` with binary
    relevance, and ``mrr``: the reciprocal rank of the best-ranked acquisition.

    Returns
    -------
    dict of str to float64 array of shape (customers,)
    """
    starts = test.indptr[:-1]
    wanted = np.diff(test.indptr)
    best = np.minimum.reduceat(rank, starts)
    metrics: dict[str, Doubles] = {"mrr": 1.0 / best}
    place = _place_within(rank, test.indptr)
    for cut in k:
        found = rank <= cut
        hits = np.add.reduceat(found.astype(np.float64), starts)
        gain = np.add.reduceat(np.where(found, 1.0 / np.log2(1.0 + rank), 0.0), starts)
        ideal = np.cumsum(1.0 / np.log2(np.arange(2, min(cut, wanted.max()) + 2)))
        precision_at_hits = np.where(found, place / rank, 0.0)
        metrics[f"hit_rate_{cut}"] = (hits > 0).astype(np.float64)
        metrics[f"precision_{cut}"] = hits / cut
        metrics[f"recall_{cut}"] = hits / wanted
        metrics[f"mrr_{cut}"] = np.where(best <= cut, 1.0 / best, 0.0)
        metrics[f"map_{cut}"] = np.add.reduceat(precision_at_hits, starts) / np.minimum(wanted, cut)
        metrics[f"ndcg_{cut}"] = gain / ideal[np.minimum(wanted, cut) - 1]
    return metrics


def list_metrics(
    scores: Floats, test: TestSet, buyers: Floats, customers: int, k: Sequence[int] = (1, 3, 5)
) -> dict[str, float]:
    """Return how much of the catalogue the best `k` products show, and how little known they are.

    ``coverage_k`` is the share of candidates that anyone is offered; ``novelty_k`` the mean
    information, in bits, of the offers: -log2 of a product's share of buyers (Zhou et al. 2010).

    Parameters
    ----------
    scores : float32 array of shape (customers, products)
        As `ranks` leaves them: minus infinity for what cannot be offered.
    buyers : float32 array of shape (products,)
        Of each product, among `customers` customers.
    """
    places = min(max(k), scores.shape[1])
    items = np.full((len(scores), places), -1, dtype=np.int32)
    best = np.full(items.shape, -np.inf, dtype=np.float32)
    same_rule = np.zeros(len(scores), dtype=np.int32)
    top_kernels.best_allowed(scores, same_rule, test.candidates[None, :], items, best)
    bits = -np.log2((buyers.astype(np.float64) + 1.0) / (customers + 1.0))
    found: dict[str, float] = {}
    for cut in k:
        named = items[:, :cut][items[:, :cut] >= 0]
        found[f"coverage_{cut}"] = len(np.unique(named)) / int(test.candidates.sum())
        found[f"novelty_{cut}"] = float(bits[named].mean()) if len(named) else 0.0
    return found


def metrics_by_segment(
    metrics: Mapping[str, Doubles], segment: Ints
) -> dict[int, dict[str, float]]:
    """Return each segment's mean metrics with ``customers``, by its number."""
    found = {}
    for number in np.unique(segment):
        inside = segment == number
        means = mean_metrics({name: values[inside] for name, values in metrics.items()})
        found[int(number)] = means | {"customers": float(inside.sum())}
    return found


def _place_within(rank: Ints, indptr: npt.NDArray[np.int64]) -> Doubles:
    """Return how many of a customer's acquisitions rank up to each one, itself included."""
    row = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    order = np.lexsort((rank, row))
    place = np.empty(len(rank))
    place[order] = np.arange(len(rank)) - indptr[row[order]] + 1
    return place


def mean_metrics(metrics: Mapping[str, Doubles]) -> dict[str, float]:
    """Return each metric's mean over customers."""
    return {name: float(values.mean()) for name, values in metrics.items()}


def bootstrap_interval(
    values: Doubles, random_state: int, level: float = 0.95, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a mean.

    Customers with equal values are drawn together, so that the cost is that of the distinct
    values: ranks leave only a few hundred.
    """
    distinct, count = np.unique(values, return_counts=True)
    rng = np.random.default_rng(random_state)
    drawn = rng.multinomial(len(values), count / len(values), size=resamples)
    means = drawn @ distinct / len(values)
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return float(low), float(high)
