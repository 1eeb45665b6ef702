"""k-prototypes: k-means for rows of numbers and categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from passbook.errors import InputError, TooFewCustomersError
from passbook.segments import k_prototypes_kernels as kernels
from passbook.segments.initial_prototypes import Prototypes, draw_huang, draw_plus_plus

LARGEST_NUMBER: Final = 1e15
"""Squares of larger numbers leave the range of float32."""

_DRAWS: Final = {"huang": draw_huang, "k-means++": draw_plus_plus}

Gamma = str | float | Sequence[float] | npt.NDArray[np.float32]
Init = str | tuple[npt.ArrayLike, npt.ArrayLike]


class KPrototypes(BaseEstimator):  # type: ignore[misc]
    """Partition rows of numbers and categories around means and modes.

    The distance of a row to a prototype is the squared Euclidean distance of the numbers plus
    `gamma` for each category that differs. Lloyd's iterations run until no label changes.

    Parameters
    ----------
    n_clusters : int
    gamma : "auto", float or (q,) floats
        Price of a differing category; "auto" is half the mean standard deviation of the numeric
        columns (Huang 1997), a sequence prices each categorical column on its own.
    init : "huang", "k-means++" or (numeric_centroids, categorical_modes)
    n_init : int
        Starts, of which the one with the lowest cost is kept. Given prototypes start once.
    max_iter : int
    random_state : int, optional
        Seed. The same seed gives the same labels for any number of threads.

    Attributes
    ----------
    numeric_centroids_ : (k, p) float32
    categorical_modes_ : (k, q) int32
    gamma_ : (q,) float32
    labels_ : (n,) int32
    cost_ : float
        Sum of the distances of all rows to their prototypes.
    n_iter_ : int
        Passes over the rows, the one that changed no label included.

    References
    ----------
    Z. Huang, "Extensions to the k-means algorithm for clustering large data sets with categorical
    values", Data Mining and Knowledge Discovery 2, 1998.
    """

    def __init__(
        self,
        n_clusters: int,
        *,
        gamma: Gamma = "auto",
        init: Init = "huang",
        n_init: int = 1,
        max_iter: int = 100,
        random_state: int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.gamma = gamma
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X_numeric: npt.ArrayLike, X_categorical: npt.ArrayLike) -> Self:
        """Cluster the rows.

        Parameters
        ----------
        X_numeric : (n, p) float32
            Finite. `p` may be 0.
        X_categorical : (n, q) integers
            Codes from 0. `q` may be 0.

        Raises
        ------
        InputError
            E803: shapes that differ, numbers that are not finite, codes below 0, wrong parameters.
        TooFewCustomersError
            E302: fewer distinct rows than clusters.
        """
        X, codes = _checked(X_numeric, X_categorical)
        if codes.size and codes.min() < 0:
            raise InputError("Category codes must be 0 or larger; give missing values a code.")
        self._check_parameters(len(X))
        self.gamma_ = _gamma(self.gamma, X, codes.shape[1])
        with kernels.threads_for(len(X)):
            best = self._best_of_starts(X, codes)
        self.numeric_centroids_, self.categorical_modes_ = best.prototypes
        self.labels_, self.cost_, self.n_iter_ = best.labels, best.cost, best.iterations
        self.n_features_in_ = X.shape[1] + codes.shape[1]
        return self

    def predict(self, X_numeric: npt.ArrayLike, X_categorical: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the nearest prototype of each row, (n,) int32.

        A code that was never seen differs from every mode, so the other columns decide.
        """
        return self.two_nearest(X_numeric, X_categorical)[0][:, 0]

    def two_nearest(
        self, X_numeric: npt.ArrayLike, X_categorical: npt.ArrayLike
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Return the nearest and second nearest prototype of each row and the distances, (n, 2)."""
        X, codes = _checked(X_numeric, X_categorical)
        prototypes = self.numeric_centroids_, self.categorical_modes_
        return two_nearest(X, codes, prototypes, self.gamma_)

    def _check_parameters(self, rows: int) -> None:
        if self.n_clusters < 1 or self.n_init < 1 or self.max_iter < 1:
            raise InputError("n_clusters, n_init and max_iter must be 1 or larger.")
        if isinstance(self.init, str) and self.init not in _DRAWS:
            raise InputError(f"init is one of {', '.join(_DRAWS)}, or a pair of arrays.")
        if rows < self.n_clusters:
            raise TooFewCustomersError(f"{rows} rows cannot form {self.n_clusters} clusters.")

    def _best_of_starts(self, X: npt.NDArray[np.float32], codes: npt.NDArray[Any]) -> _Solution:
        rows = _Rows.of(X, codes)
        seeds = np.random.SeedSequence(self.random_state).spawn(self.n_init)
        starts = seeds[:1] if isinstance(self.init, tuple) else seeds
        solutions = (
            _lloyd(rows, self._start(X, codes, np.random.default_rng(seed)), self.gamma_,
                   self.max_iter)
            for seed in starts
        )  # fmt: skip
        return min(solutions, key=lambda solution: solution.cost)

    def _start(
        self, X: npt.NDArray[np.float32], codes: npt.NDArray[Any], rng: np.random.Generator
    ) -> Prototypes:
        if isinstance(self.init, str):
            return _DRAWS[self.init](X, codes, self.gamma_, self.n_clusters, rng)
        centroids = np.array(self.init[0], dtype=np.float32)
        modes = np.array(self.init[1], dtype=np.int32)
        wanted = (self.n_clusters, X.shape[1]), (self.n_clusters, codes.shape[1])
        if (centroids.shape, modes.shape) != wanted:
            raise InputError(f"Initial prototypes must have the shapes {wanted[0]}, {wanted[1]}.")
        return centroids, modes


def two_nearest(
    X: npt.NDArray[np.float32],
    codes: npt.NDArray[Any],
    prototypes: Prototypes,
    gamma: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return the nearest and second nearest prototype of each row and the distances, (n, 2).

    A block function: it needs nothing but the block and the model.
    """
    labels = np.empty((len(X), 2), dtype=np.int32)
    distances = np.empty((len(X), 2), dtype=np.float32)
    centroids, modes = prototypes
    known = modes.max(initial=0)
    seen = np.where((codes < 0) | (codes > known), known + 1, codes)
    with kernels.threads_for(len(X)):
        tiled = kernels.in_tiles(X), kernels.in_tiles(_narrow(seen, known + 1))
        kernels.two_nearest(*tiled, centroids, modes.astype(np.int32), gamma, labels, distances)
    return labels, distances


@dataclass(frozen=True)
class _Rows:
    """Rows in the layout of the kernels."""

    X: npt.NDArray[np.float32]
    codes: npt.NDArray[Any]
    count: int
    first_code: npt.NDArray[np.int64]
    code_count: int

    @classmethod
    def of(cls, X: npt.NDArray[np.float32], codes: npt.NDArray[Any]) -> _Rows:
        sizes = codes.max(axis=0).astype(np.int64) + 1 if codes.size else np.zeros(0, np.int64)
        narrow = _narrow(codes, sizes.max(initial=1) - 1)
        first = np.concatenate([[0], np.cumsum(sizes)[:-1]]) if len(sizes) else sizes
        tiled = kernels.in_tiles(X), kernels.in_tiles(narrow)
        return cls(*tiled, len(X), first.astype(np.int64), int(sizes.sum()))

    def row(self, number: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[Any]]:
        tile, inside = divmod(number, kernels.TILE)
        return self.X[tile, :, inside], self.codes[tile, :, inside]


@dataclass(frozen=True)
class _Solution:
    prototypes: Prototypes
    labels: npt.NDArray[np.int32]
    cost: float
    iterations: int


def _lloyd(
    rows: _Rows, start: Prototypes, gamma: npt.NDArray[np.float32], max_iter: int
) -> _Solution:
    """Alternate between assigning rows and moving prototypes until no label changes."""
    k, p = start[0].shape
    bounds = kernels.slice_bounds(rows.X.shape[0])
    slices = len(bounds) - 1
    labels = np.full(rows.count, -1, dtype=np.int32)
    distances = np.empty(rows.count, dtype=np.float32)
    sizes = np.zeros((slices, k), dtype=np.int64)
    sums = np.zeros((slices, k, p))
    counts = np.zeros((slices, k, rows.code_count), dtype=np.int32)
    prototypes, iteration = start, 0
    while True:
        iteration += 1
        centroids, modes = prototypes[0], prototypes[1].astype(np.int32)
        changed, cost = kernels.lloyd_pass(
            rows.X, rows.codes, centroids, modes, gamma, rows.first_code, bounds,
            labels, distances, sizes, sums, counts,
        )  # fmt: skip
        members = sizes.sum(axis=0)
        # The pass after the last move only labels the rows by the final prototypes.
        if (changed.sum() == 0 and members.all()) or iteration > max_iter:
            return _Solution((centroids, modes), labels, float(cost.sum()), iteration)
        moved = _means_and_modes(members, sums.sum(axis=0), counts.sum(axis=0), rows, prototypes)
        prototypes = _reseed(moved, members, distances, rows)


def _means_and_modes(
    members: npt.NDArray[np.int64],
    sums: npt.NDArray[np.float64],
    counts: npt.NDArray[np.int64],
    rows: _Rows,
    before: Prototypes,
) -> Prototypes:
    """Return the mean and the most frequent codes (the lowest of equals) of each cluster."""
    filled = members > 0
    centroids, modes = before[0].copy(), before[1].astype(np.int32)
    centroids[filled] = sums[filled] / members[filled, None]
    edges = [*rows.first_code, rows.code_count]
    for j in range(modes.shape[1]):
        modes[filled, j] = counts[filled, edges[j] : edges[j + 1]].argmax(axis=1)
    return centroids, modes


def _reseed(
    prototypes: Prototypes,
    members: npt.NDArray[np.int64],
    distances: npt.NDArray[np.float32],
    rows: _Rows,
) -> Prototypes:
    """Put prototypes without members on the rows farthest from theirs."""
    empty = np.flatnonzero(members == 0)
    if not len(empty):
        return prototypes
    centroids, modes = prototypes
    farthest = np.argsort(-distances, kind="stable")[: len(empty)]
    if distances[farthest[0]] == 0:
        distinct = len(members) - len(empty)
        raise TooFewCustomersError(f"{distinct} distinct rows cannot form {len(members)} clusters.")
    for cluster, row in zip(empty, farthest, strict=True):
        centroids[cluster], modes[cluster] = rows.row(int(row))
    return centroids, modes


def _checked(
    X_numeric: npt.ArrayLike, X_categorical: npt.ArrayLike
) -> tuple[npt.NDArray[np.float32], npt.NDArray[Any]]:
    X = np.ascontiguousarray(X_numeric, dtype=np.float32)
    codes = np.ascontiguousarray(X_categorical)
    if X.ndim != 2 or codes.ndim != 2 or len(X) != len(codes):
        raise InputError("Numbers and categories must be two tables with the same rows.")
    if codes.size and not np.issubdtype(codes.dtype, np.integer):
        raise InputError(f"Categories must be integer codes, not {codes.dtype}.")
    if not len(X):
        raise TooFewCustomersError("There are no rows.")
    # The largest magnitude also tells NaN and infinity, without a table of flags.
    for j in range(X.shape[1]):
        if not np.abs(X[:, j]).max() <= LARGEST_NUMBER:
            raise InputError(
                f"Numeric column {j} holds NaN, infinity or a number above {LARGEST_NUMBER:.0e}; "
                "fill and scale it first."
            )
    return X, codes if codes.size else codes.astype(np.uint8)


def _narrow(codes: npt.NDArray[Any], largest: int) -> npt.NDArray[Any]:
    """Return the codes in a byte where they fit one, which is nearly always."""
    return codes.astype(np.uint8 if largest < 256 else np.int32, copy=False)


def _gamma(gamma: Gamma, X: npt.NDArray[np.float32], q: int) -> npt.NDArray[np.float32]:
    if isinstance(gamma, str):
        if gamma != "auto":
            raise InputError('gamma is "auto", a number or one number for each category column.')
        # Without numbers any price gives the same clusters.
        value = 0.5 * float(X.std(axis=0, dtype=np.float64).mean()) if X.shape[1] else 1.0
        return np.full(q, value, dtype=np.float32)
    prices = np.asarray(gamma, dtype=np.float32)
    if prices.ndim == 0:
        prices = np.full(q, prices, dtype=np.float32)
    if prices.shape != (q,) or not np.all(np.isfinite(prices)) or np.any(prices < 0):
        raise InputError(f"gamma must be finite, not negative, and one or {q} numbers.")
    return prices
