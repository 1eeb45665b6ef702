"""Rows that k-prototypes accepts, and what a first look at them tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from passbook.errors import InputError, TooFewCustomersError
from passbook.segments import k_prototypes_kernels as kernels

LARGEST_NUMBER: Final = 1e15
"""Squares of larger numbers leave the range of float32."""

LARGEST_CODE: Final = 2**30


@dataclass(frozen=True)
class Moments:
    """Rows, and of each column (p,) the mean and the sum of squared differences from it."""

    rows: int
    mean: npt.NDArray[np.float64]
    squares: npt.NDArray[np.float64]

    @property
    def deviations(self) -> npt.NDArray[np.float64]:
        """Standard deviation of each column, (p,)."""
        return np.asarray(np.sqrt(np.maximum(self.squares, 0) / self.rows))

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of both sets of rows.

        References
        ----------
        T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm for
        computing sample variances", 1979.
        """
        rows = self.rows + other.rows
        apart = other.mean - self.mean
        squares = self.squares + other.squares + apart**2 * self.rows * other.rows / rows
        return Moments(rows, self.mean + apart * other.rows / rows, squares)


@dataclass(frozen=True)
class CheckedRows:
    """Finite numbers (n, p) float32 and codes (n, q) int8 or int32 of the same rows."""

    X: npt.NDArray[np.float32]
    codes: npt.NDArray[Any]
    moments: Moments

    def code_counts(self) -> npt.NDArray[np.int64]:
        """Return the number of codes of each column, (q,): one more than the largest.

        Raises
        ------
        InputError
            E803: a code below 0.
        """
        bounds = kernels.slice_bounds(kernels.tiles_of(len(self.codes)))
        ranges = np.zeros((len(bounds) - 1, 2, self.codes.shape[1]), dtype=np.int64)
        kernels.on_threads(kernels.describe_codes, len(self.codes), self.codes, bounds, ranges)
        if ranges.min(initial=0) < 0:
            raise InputError("Category codes must be 0 or larger; give missing values a code.")
        return np.asarray(ranges[:, 1].max(axis=0) + 1)


def check_rows(X_numeric: npt.ArrayLike, X_categorical: npt.ArrayLike) -> CheckedRows:
    """Check and convert what was given; nothing is copied that has the type already.

    Raises
    ------
    InputError
        E803: shapes that differ, numbers that are not finite, categories that are not integers.
    TooFewCustomersError
        E302: no rows.
    """
    X = np.ascontiguousarray(X_numeric, dtype=np.float32)
    codes = np.ascontiguousarray(X_categorical)
    if X.ndim != 2 or codes.ndim != 2 or len(X) != len(codes):
        raise InputError("Numbers and categories must be two tables with the same rows.")
    if codes.size and not np.issubdtype(codes.dtype, np.integer):
        raise InputError(f"Categories must be integer codes, not {codes.dtype}.")
    if not len(X):
        raise TooFewCustomersError("There are no rows.")
    return CheckedRows(X, _of_usual_type(codes), _finite_moments(X))


def _of_usual_type(codes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the codes as int8 if they are, else as int32: kernels are compiled for each type."""
    if codes.dtype == np.int8:
        return codes
    if codes.dtype.itemsize >= 4 and codes.size and codes.dtype != np.int32:
        largest = max(int(codes.max()), -int(codes.min()))
        if largest > LARGEST_CODE:
            raise InputError(f"The code {largest} is larger than {LARGEST_CODE}.")
    return codes.astype(np.int32, copy=False)


def _finite_moments(X: npt.NDArray[np.float32]) -> Moments:
    bounds = kernels.slice_bounds(kernels.tiles_of(len(X)))
    slices, p = len(bounds) - 1, X.shape[1]
    wrong, sums = np.zeros((slices, p), dtype=np.int64), np.zeros((slices, 2, p))
    kernels.on_threads(
        kernels.describe_numbers, len(X), X, bounds, np.float32(LARGEST_NUMBER), X[0], wrong, sums
    )
    if wrong.any():
        raise InputError(
            f"Numeric column {int(wrong.any(axis=0).argmax())} holds NaN, infinity or a number "
            f"above {LARGEST_NUMBER:.0e}; fill and scale it first."
        )
    # Differences from the first row, so that a far mean leaves a small deviation exact.
    difference, square = sums.sum(axis=0)
    mean = difference / len(X)
    return Moments(len(X), X[0] + mean, square - mean * difference)
