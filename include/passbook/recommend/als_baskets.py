"""The rows of a confidence matrix, laid out for the ALS solver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from passbook.errors import InteractionError
from passbook.recommend import als_kernels
from passbook.recommend.interactions import check_confidence

_SLICE: Final = 16_384
_PARTS: Final = 8


@dataclass(frozen=True)
class Baskets:
    """Distinct rows over the products that anyone owns, popular products first.

    Rows are sorted by their first product, so that rows with it in common lie together.

    Attributes
    ----------
    used : int64 array of shape (products,)
        Columns of the matrix that anyone owns, by falling number of owners.
    indptr, items, c
        The distinct rows, compressed; products ascend in a row.
    count : float64 array of shape (rows,)
        Customers that a row stands for.
    row_of_customer : int64 array of shape (customers,)
    records : float32 array of shape (entries, 4)
        Product, weight z, c and count of each entry: side by side, because the item step reads
        them in random order.
    rows : int32 array of shape (entries,)
        Rows that hold each product, one product after the other.
    slices : int64 array of shape (slices, 3)
        Product, first and last place of at most `_SLICE` of its `rows`.
    parts : int64 array of shape (parts + 1,)
        Bounds of equal parts of the distinct rows.
    """

    used: npt.NDArray[np.int64]
    indptr: npt.NDArray[np.int64]
    items: npt.NDArray[np.int32]
    c: npt.NDArray[np.float32]
    count: npt.NDArray[np.float64]
    row_of_customer: npt.NDArray[np.int64]
    records: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int32]
    slices: npt.NDArray[np.int64]
    parts: npt.NDArray[np.int64]


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
    """Collapse equal rows, sort them, and list their entries by product.

    Raises
    ------
    InteractionError
        E404 when the matrix has no entries, or a value is not a positive number.
    """
    matrix = canonical(user_items, alpha)
    if matrix.nnz == 0:
        raise InteractionError("There is nothing to learn from: no customer has a product.")
    owners = np.bincount(matrix.indices, minlength=matrix.shape[1])
    used = np.argsort(-owners, kind="stable")[: np.count_nonzero(owners)]
    place = np.zeros(matrix.shape[1], dtype=np.int32)
    place[used] = np.arange(len(used), dtype=np.int32)
    renamed = csr_matrix((matrix.data, place[matrix.indices], matrix.indptr), matrix.shape)
    renamed.has_sorted_indices = False
    renamed.sort_indices()
    indptr, items, c = renamed.indptr.astype(np.int64), renamed.indices, renamed.data
    first, row_of_customer, count = _equal_rows(indptr, items, c)
    return _by_product(used, (indptr, items, c), first, count.astype(np.float64), row_of_customer)


def _by_product(
    used: npt.NDArray[np.int64],
    matrix: tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float32]],
    chosen: npt.NDArray[np.int64],
    count: npt.NDArray[np.float64],
    row_of_customer: npt.NDArray[np.int64],
) -> Baskets:
    """Take the chosen rows of a matrix and list them by product."""
    lengths = matrix[0][chosen + 1] - matrix[0][chosen]
    indptr = np.append(0, np.cumsum(lengths))
    items = np.empty(indptr[-1], dtype=np.int32)
    c = np.empty(indptr[-1], dtype=np.float32)
    records = np.empty((indptr[-1], 4), dtype=np.float32)
    als_kernels.take_rows(*matrix, chosen, count, indptr, items, c, records)
    rows = np.empty(len(items), dtype=np.int32)
    ends = np.cumsum(np.bincount(items, minlength=len(used)))
    begins = np.append(0, ends[:-1])
    als_kernels.rows_by_product(indptr, items, begins.copy(), rows)
    slices = [
        (item, low, min(low + _SLICE, end))
        for item, (begin, end) in enumerate(zip(begins, ends, strict=True))
        for low in range(begin, end, _SLICE)
    ]
    return Baskets(
        used, indptr, items, c, count, row_of_customer, records, rows,
        np.array(slices, dtype=np.int64), np.linspace(0, len(chosen), _PARTS + 1).astype(np.int64),
    )  # fmt: skip


def _equal_rows(
    indptr: npt.NDArray[np.int64], items: npt.NDArray[np.int32], c: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return a representative of each distinct row, each row's representative, and counts.

    The distinct rows are ordered by their first product, what is as popular as the 255th or less
    together, and by their hashes.
    """
    bits = c.view(np.uint32)
    keys = np.empty(len(indptr) - 1, dtype=np.uint64)
    als_kernels.row_hashes(indptr, items, bits, keys)
    filled = np.flatnonzero(np.diff(indptr))
    leading = np.zeros(len(keys), dtype=np.uint64)
    leading[filled] = np.minimum(items[indptr[filled]] + 1, 255)
    keys = leading << np.uint64(56) | keys >> np.uint64(8)
    _, first, inverse, count = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True
    )
    if not als_kernels.same_rows(indptr, items, bits, first[inverse]):
        first = np.argsort(keys, kind="stable")
        inverse = np.empty_like(first)
        inverse[first] = np.arange(len(first))
        count = np.ones(len(first), dtype=np.int64)
    return first, inverse, count
