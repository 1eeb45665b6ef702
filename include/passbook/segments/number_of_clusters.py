"""How many clusters: cost, silhouette, stability and smallest share of each k, and one rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.metrics import adjusted_rand_score

from passbook.errors import TooFewCustomersError
from passbook.segments.initial_prototypes import Prototypes
from passbook.segments.k_prototypes import KPrototypes, two_nearest

SAMPLE_ROWS: Final = 100_000
SILHOUETTE_ROWS: Final = 2_500
STARTS: Final = 4
STABLE: Final = 0.8
"""Adjusted Rand index over which two clusterings count as the same."""

NEAR_BEST: Final = 0.75
"""Share of the best silhouette that the elbow's k must reach. Silhouettes favour few and coarse
clusters, so the elbow of those that repeat comes first."""

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Trial:
    """What one k gave.

    Attributes
    ----------
    clusters : int
    cost : float
        Mean distance to the prototype.
    elbow : float
        How far the cost curve sags under its chord at this k, of 1; the largest is the elbow.
    silhouette : float
        -1 to 1, on a stratified sample.
    across_starts, across_halves : float
        Stability, as adjusted Rand indices: of the two best of the random starts, and of
        clusterings learnt on two halves of the customers.
    smallest_share : float
        Share of customers in the smallest cluster.
    seconds : float
    prototypes : (numeric centroids, categorical modes)
        The best start's, from which a fit to all customers is near its end.
    """

    clusters: int
    cost: float
    elbow: float
    silhouette: float
    across_starts: float
    across_halves: float
    smallest_share: float
    seconds: float
    prototypes: Prototypes = field(repr=False, compare=False)

    @property
    def stability(self) -> float:
        """The lower of the two adjusted Rand indices."""
        return min(self.across_starts, self.across_halves)

    @property
    def metrics(self) -> dict[str, float]:
        """The figures that are the same whenever the trial is repeated."""
        return {
            "cost": self.cost,
            "elbow": self.elbow,
            "silhouette": self.silhouette,
            "across_starts": self.across_starts,
            "across_halves": self.across_halves,
            "smallest_share": self.smallest_share,
        }


@dataclass(frozen=True)
class Choice:
    """The chosen number of clusters and why."""

    clusters: int
    reason: str


def try_cluster_counts(
    X: Floats, codes: Codes, gamma: Floats, counts: Sequence[int], *, seed: int
) -> list[Trial]:
    """Cluster a sample of the rows for each k and measure what came out.

    Parameters
    ----------
    X : (n, p) float32
    codes : (n, q) int32
    gamma : (q,) float32
    counts : sequence of int
        Each k to try; those above the number of distinct rows are left out.
    seed : int

    Raises
    ------
    TooFewCustomersError
        E302 when no k can be tried.
    """
    rng = np.random.default_rng(seed)
    rows = _sorted_sample(rng, len(X), SAMPLE_ROWS)
    X, codes = X[rows], codes[rows]
    distinct = len(np.unique(np.hstack([X, codes.astype(np.float32)]), axis=0))
    possible = sorted({k for k in counts if 2 <= k <= distinct})
    if not possible:
        raise TooFewCustomersError(f"{distinct} distinct customers allow none of k = {counts}.")
    trials = [_try(X, codes, gamma, k, seed) for k in possible]
    sags = elbow_sags([trial.cost for trial in trials])
    return [replace(trial, elbow=sag) for trial, sag in zip(trials, sags, strict=True)]


def elbow_sags(costs: Sequence[float]) -> list[float]:
    """Return how far each point of a falling curve lies under its chord, on the unit square.

    References
    ----------
    V. Satopää et al., "Finding a kneedle in a haystack", 2011.
    """
    curve = np.asarray(costs, dtype=np.float64)
    height = curve[0] - curve[-1]
    if len(curve) < 3 or height <= 0:
        return [0.0] * len(curve)
    fallen = (curve[0] - curve) / height
    return [float(sag) for sag in fallen - np.linspace(0, 1, len(curve))]


def choose_cluster_count(trials: Sequence[Trial], *, smallest_share: float) -> Choice:
    """Pick one k of the trials.

    Clusterings with a cluster under `smallest_share` or that do not repeat are left out (all
    count when none remains). Of the rest the elbow wins if its silhouette is near the best, else
    the best silhouette.
    """
    left = [trial for trial in trials if trial.smallest_share >= smallest_share] or list(trials)
    why = []
    if len(left) < len(trials):
        why.append(f"{len(trials) - len(left)} left out for a cluster under {smallest_share:.1%}")
    stable = [trial for trial in left if trial.stability >= STABLE]
    if len(stable) < len(left):
        why.append(f"{len(left) - len(stable)} of {len(left)} do not repeat")
    left = stable or [max(left, key=lambda trial: trial.stability)]
    best = max(left, key=lambda trial: trial.silhouette)
    elbow = max(left, key=lambda trial: trial.elbow)
    if elbow.silhouette >= NEAR_BEST * best.silhouette and elbow.elbow > 0:
        why.append(f"the cost curve bends most at {elbow.clusters}")
        return Choice(elbow.clusters, "; ".join(why))
    why.append(f"the silhouette is best at {best.clusters}")
    return Choice(best.clusters, "; ".join(why))


def silhouette(X: Floats, codes: Codes, gamma: Floats, labels: npt.NDArray[Any]) -> float:
    """Return the mean of `silhouettes`."""
    return float(silhouettes(X, codes, gamma, labels).mean())


def silhouettes(
    X: Floats, codes: Codes, gamma: Floats, labels: npt.NDArray[Any]
) -> npt.NDArray[np.floating[Any]]:
    """Return the silhouette of each row under the square root of the mixed distance.

    A row alone in its cluster counts as 0.

    References
    ----------
    P. Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster
    analysis", 1987.
    """
    names, inverse = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        return np.zeros(len(X))
    members = np.bincount(inverse)
    indicator = np.eye(len(names), dtype=np.float32)[inverse]
    to_clusters = np.sqrt(_all_distances(X, codes, gamma)) @ indicator
    own = np.arange(len(X)), inverse
    within = to_clusters[own] / np.maximum(members[inverse] - 1, 1)
    to_clusters /= members
    to_clusters[own] = np.inf
    nearest = to_clusters.min(axis=1)
    larger = np.maximum(np.maximum(within, nearest), np.finfo(np.float32).tiny)
    return np.where(members[inverse] > 1, (nearest - within) / larger, 0.0)


def stratified_sample(
    labels: npt.NDArray[Any], rows: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return sorted row numbers, about `rows`, from each label as many as its share, at least 2."""
    if len(labels) <= rows:
        return np.arange(len(labels))
    picked = []
    for label in np.unique(labels):
        of_label = np.flatnonzero(labels == label)
        wanted = max(2, round(rows * len(of_label) / len(labels)))
        picked.append(rng.choice(of_label, min(wanted, len(of_label)), replace=False))
    return np.sort(np.concatenate(picked))


def _try(X: Floats, codes: Codes, gamma: Floats, k: int, seed: int) -> Trial:
    start = perf_counter()
    fits = [_fit(X, codes, gamma, k, seed + start_seed) for start_seed in range(STARTS)]
    best = min(fits, key=lambda fit: float(fit.cost_))
    sample = stratified_sample(best.labels_, SILHOUETTE_ROWS, np.random.default_rng(seed))
    close = silhouette(X[sample], codes[sample], gamma, best.labels_[sample])
    sizes = np.bincount(best.labels_, minlength=k)
    return Trial(
        clusters=k,
        cost=best.cost_ / len(X),
        elbow=0.0,
        silhouette=close,
        across_starts=_across_starts(fits, best),
        across_halves=_across_halves(X, codes, gamma, k, seed),
        smallest_share=float(sizes.min() / len(X)),
        seconds=perf_counter() - start,
        prototypes=(best.numeric_centroids_, best.categorical_modes_),
    )


def _across_starts(fits: Sequence[KPrototypes], best: KPrototypes) -> float:
    """Return how well the runner-up among the starts agrees with the best one."""
    others = sorted((fit for fit in fits if fit is not best), key=lambda fit: float(fit.cost_))
    return float(adjusted_rand_score(best.labels_, others[0].labels_))


def _across_halves(X: Floats, codes: Codes, gamma: Floats, k: int, seed: int) -> float:
    """Return how well clusterings learnt on two random halves agree on all rows."""
    half = np.random.default_rng(seed).permutation(len(X)) < len(X) // 2
    if min(half.sum(), (~half).sum()) < k:
        return 0.0
    labels = []
    for rows in (half, ~half):
        try:
            fit = _fit(X[rows], codes[rows], gamma, k, seed, starts=2)
        except TooFewCustomersError:
            return 0.0  # a half with fewer distinct rows than k repeats nothing
        prototypes = fit.numeric_centroids_, fit.categorical_modes_
        labels.append(two_nearest(X, codes, prototypes, gamma)[0][:, 0])
    return float(adjusted_rand_score(labels[0], labels[1]))


def _fit(
    X: Floats, codes: Codes, gamma: Floats, k: int, seed: int, *, starts: int = 1
) -> KPrototypes:
    return KPrototypes(k, gamma=gamma, init="k-means++", n_init=starts, random_state=seed).fit(
        X, codes
    )


def _all_distances(X: Floats, codes: Codes, gamma: Floats) -> Floats:
    """Return the mixed distances of all pairs, (n, n)."""
    squares = np.square(X).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares[None, :] - 2 * (X @ X.T), 0)
    np.fill_diagonal(distances, 0)
    for j, price in enumerate(gamma):
        distances += price * (codes[:, j, None] != codes[None, :, j])
    return np.asarray(distances, dtype=np.float32)


def _sorted_sample(rng: np.random.Generator, rows: int, size: int) -> npt.NDArray[np.int64]:
    if rows <= size:
        return np.arange(rows)
    return np.sort(rng.choice(rows, size, replace=False))
