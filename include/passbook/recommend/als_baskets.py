"""The rows of a confidence matrix, laid out for the ALS solver."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from passbook.errors import InteractionError
from passbook.recommend import als_kernels
from passbook.recommend.interactions import check_confidence


@dataclass(frozen=True)
class Baskets:
    """Distinct rows over the products that anyone owns.

    Rows are in the order in which they first occur: neighbours stay neighbours.

    Attributes
    ----------
    used : int64 array of shape (products,)
        Columns of the matrix that anyone owns.
    indptr, items, c
        The distinct rows, compressed; products ascend in a row.
    count : float64 array of shape (rows,)
        Customers that a row stands for.
    row_of_customer : int64 array of shape (customers,)
    """

    used: npt.NDArray[np.int64]
    indptr: npt.NDArray[np.int64]
    items: npt.NDArray[np.int32]
    c: npt.NDArray[np.float32]
    count: npt.NDArray[np.float64]
    row_of_customer: npt.NDArray[np.int64]


def canonical(user_items: csr_matrix, alpha: float) -> csr_matrix:
    """Return a copy with sorted, summed, checked entries, times `alpha`.

    Raises
    ------
    InteractionError
        E404 when a value is not a positive number.
    """
    matrix = csr_matrix(user_items, dtype=np.float32, copy=True)
    matrix.sum_duplicates()
    check_confidence(matrix.data)
    matrix.data *= np.float32(alpha)
    return matrix


def lay_out(user_items: csr_matrix, alpha: float) -> Baskets:
    """Collapse equal rows, and leave out products that nobody has.

    Raises
    ------
    InteractionError
        E404 when the matrix has no entries, or a value is not a positive number.
    """
    matrix = canonical(user_items, alpha)
    if matrix.nnz == 0:
        raise InteractionError("There is nothing to learn from: no customer has a product.")
    used = np.flatnonzero(np.bincount(matrix.indices, minlength=matrix.shape[1]))
    place = np.zeros(matrix.shape[1], dtype=np.int32)
    place[used] = np.arange(len(used), dtype=np.int32)
    rows = matrix.indptr.astype(np.int64), place[matrix.indices], matrix.data
    first, row_of_customer = _distinct_rows(*rows)
    indptr = np.append(0, np.cumsum(np.diff(rows[0])[first]))
    items = np.empty(indptr[-1], dtype=np.int32)
    c = np.empty(indptr[-1], dtype=np.float32)
    als_kernels.take_rows(*rows, first, indptr, items, c)
    count = np.bincount(row_of_customer).astype(np.float64)
    return Baskets(used, indptr, items, c, count, row_of_customer)


def _distinct_rows(
    indptr: npt.NDArray[np.int64], items: npt.NDArray[np.int32], c: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return where each distinct row first occurs, and the number of each row's distinct one."""
    bits = c.view(np.uint32)
    hashes = np.empty(len(indptr) - 1, dtype=np.uint64)
    als_kernels.row_hashes(indptr, items, bits, hashes)
    slots = np.full(2 ** (2 * len(hashes)).bit_length(), -1, dtype=np.int32)
    first, number = np.empty((2, len(hashes)), dtype=np.int64)
    found = als_kernels.number_rows(indptr, items, bits, hashes, slots, first, number)
    return first[:found].copy(), number
