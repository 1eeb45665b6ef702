"""k-prototypes: k-means for rows of numbers and categories."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from passbook.errors import InputError, TooFewCustomersError
from passbook.segments import k_prototypes_kernels as kernels
from passbook.segments.block_sums import iterate_blocks, survey
from passbook.segments.checked_rows import CheckedRows, check_rows
from passbook.segments.initial_prototypes import (
    Prototypes,
    draw_huang,
    draw_plus_plus,
    sample_rows,
)
from passbook.segments.lloyd import Rows, iterate, narrow_type

DRAWS: Final = {"huang": draw_huang, "k-means++": draw_plus_plus}
TIGHT_ROWS: Final = 50_000
TIGHT_STARTS: Final = 4

Gamma = str | float | Sequence[float] | npt.NDArray[np.float32]
Block = tuple[npt.ArrayLike, npt.ArrayLike]
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
    init : "huang", "k-means++", "sample" or (numeric_centroids, categorical_modes)
        "huang" draws prototypes column by column, "k-means++" draws rows far from each other, both
        from 20,000 rows; "sample" is tight: the best of four fits to 50,000 rows, from which
        millions of rows need few iterations.
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
        given = check_rows(X_numeric, X_categorical)
        self._check_parameters(len(given.X))
        rows = Rows.of(given.X, given.codes, given.code_counts())
        self.gamma_ = _gamma(self.gamma, given.codes.shape[1], given.moments.deviations)
        starts = (self._start(given.X, given.codes, seed) for seed in self._seeds())
        solutions = (iterate(rows, start, self.gamma_, self.max_iter) for start in starts)
        best = min(solutions, key=lambda solution: solution.cost)
        self._keep(best.prototypes, best.cost, best.iterations)
        self.labels_ = best.labels
        return self

    def fit_blocks(self, read: Callable[[], Iterable[Block]]) -> Self:
        """Cluster rows that are read block by block, once for every iteration.

        The iterations are those of `fit` but for rounding, in the memory of a block. Starts are
        drawn from a sample of all blocks. There are no `labels_`: predict the blocks.

        Parameters
        ----------
        read : callable
            Returns the blocks, (X_numeric, X_categorical) as in `fit`, the same each time.

        Raises
        ------
        InputError
            E803: as in `fit`, or blocks that differ when they are read again.
        TooFewCustomersError
            E302: fewer distinct rows than clusters.
        """

        def blocks() -> Iterable[CheckedRows]:
            return (check_rows(*block) for block in read())

        known = survey(blocks(), TIGHT_ROWS, np.random.default_rng(self.random_state))
        self._check_parameters(known.moments.rows)
        self.gamma_ = _gamma(self.gamma, len(known.code_counts), known.moments.deviations)
        starts = (self._start(*known.sample, seed) for seed in self._seeds())
        solutions = (
            iterate_blocks(blocks, known, start, self.gamma_, self.max_iter) for start in starts
        )
        best = min(solutions, key=lambda solution: solution.cost)
        self._keep(best.prototypes, best.cost, best.iterations)
        return self

    def fit_predict(
        self, X_numeric: npt.ArrayLike, X_categorical: npt.ArrayLike
    ) -> npt.NDArray[Any]:
        """Cluster the rows and return their labels, (n,) int32; see `fit`."""
        return self.fit(X_numeric, X_categorical).labels_

    def predict(self, X_numeric: npt.ArrayLike, X_categorical: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the nearest prototype of each row, (n,) int32.

        A code that was never seen differs from every mode, so the other columns decide.
        """
        return self.two_nearest(X_numeric, X_categorical)[0][:, 0]

    def two_nearest(
        self, X_numeric: npt.ArrayLike, X_categorical: npt.ArrayLike
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Return the nearest and second nearest prototype of each row and the distances, (n, 2).

        Raises
        ------
        InputError
            E803: as in `fit`, or other columns than the model was fitted on.
        """
        check_is_fitted(self)
        given = check_rows(X_numeric, X_categorical)
        prototypes = self.numeric_centroids_, self.categorical_modes_
        found = given.X.shape[1], given.codes.shape[1]
        wanted = tuple(table.shape[1] for table in prototypes)
        if found != wanted:  # compiled loops would read beside the rows
            raise InputError(f"There are {found} numbers and categories a row, needed {wanted}.")
        return two_nearest(given.X, given.codes, prototypes, self.gamma_)

    def _check_parameters(self, rows: int) -> None:
        if self.n_clusters < 1 or self.n_init < 1 or self.max_iter < 1:
            raise InputError("n_clusters, n_init and max_iter must be 1 or larger.")
        if isinstance(self.init, str) and self.init not in (*DRAWS, "sample"):
            raise InputError(f"init is one of {', '.join(DRAWS)}, sample, or a pair of arrays.")
        if rows < self.n_clusters:
            raise TooFewCustomersError(f"{rows} rows cannot form {self.n_clusters} clusters.")

    def _seeds(self) -> list[np.random.SeedSequence]:
        seeds = np.random.SeedSequence(self.random_state).spawn(self.n_init)
        return seeds[:1] if isinstance(self.init, tuple) else seeds

    def _start(
        self, X: npt.NDArray[np.float32], codes: npt.NDArray[Any], seed: np.random.SeedSequence
    ) -> Prototypes:
        rng = np.random.default_rng(seed)
        if self.init == "sample":
            return self._tight_start(X, codes, rng)
        if isinstance(self.init, str):
            return DRAWS[self.init](X, codes, self.gamma_, self.n_clusters, rng)
        centroids = np.array(self.init[0], dtype=np.float32)
        modes = np.array(self.init[1], dtype=np.int32)
        wanted = (self.n_clusters, X.shape[1]), (self.n_clusters, codes.shape[1])
        if (centroids.shape, modes.shape) != wanted:
            raise InputError(f"Initial prototypes must have the shapes {wanted[0]}, {wanted[1]}.")
        return centroids, modes

    def _tight_start(
        self, X: npt.NDArray[np.float32], codes: npt.NDArray[Any], rng: np.random.Generator
    ) -> Prototypes:
        first = KPrototypes(
            self.n_clusters, gamma=self.gamma_, init="k-means++", n_init=TIGHT_STARTS,
            max_iter=self.max_iter, random_state=int(rng.integers(2**31)),
        )  # fmt: skip
        try:
            first.fit(*sample_rows(X, codes, TIGHT_ROWS, rng))
        except TooFewCustomersError:  # of the sample, which may lack a rare row
            return draw_plus_plus(X, codes, self.gamma_, self.n_clusters, rng)
        return first.numeric_centroids_, first.categorical_modes_

    def _keep(self, prototypes: Prototypes, cost: float, iterations: int) -> None:
        self.numeric_centroids_, self.categorical_modes_ = prototypes
        self.cost_, self.n_iter_ = cost, iterations
        self.n_features_in_ = sum(table.shape[1] for table in prototypes)


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
    like = np.empty(0, narrow_type(int(prototypes[1].max(initial=0)) + 2))
    bounds = kernels.slice_bounds(kernels.tiles_of(len(X)))
    kernels.on_threads(
        kernels.two_nearest, len(X), X, codes, bounds, like, *prototypes, gamma, labels, distances
    )
    return labels, distances


def _gamma(gamma: Gamma, q: int, deviations: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    if isinstance(gamma, str):
        if gamma != "auto":
            raise InputError('gamma is "auto", a number or one number for each category column.')
        # Without numbers any price gives the same clusters.
        value = 0.5 * float(deviations.mean()) if len(deviations) else 1.0
        return np.full(q, value, dtype=np.float32)
    prices = np.asarray(gamma, dtype=np.float32)
    if prices.ndim == 0:
        prices = np.full(q, prices, dtype=np.float32)
    if prices.shape != (q,) or not np.all(np.isfinite(prices)) or np.any(prices < 0):
        raise InputError(f"gamma must be finite, not negative, and one or {q} numbers.")
    return prices
