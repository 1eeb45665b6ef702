"""The rows of a confidence matrix, laid out for the ALS solver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from passbook.errors import InteractionError
from passbook.recommend import als_kernels
from passbook.recommend.interactions import check_confidence, row_entries

_SLICE: Final = 16_384


@dataclass(frozen=True)
class Baskets:
    """Distinct rows over the products that anyone owns, popular products first.

    Rows are sorted by their products, so that rows with a product in common lie together.

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
        Product, weight z, count · (c − 1) and count · c of each entry: side by side, because the
        item step reads them in random order.
    start, own, size : arrays of shape (entries,)
        By product: where the row of an entry starts, the entry's place in it, the row's length.
    slices : int64 array of shape (slices, 3)
        Product, first and last place of at most `_SLICE` entries by product.
    """

    used: npt.NDArray[np.int64]
    indptr: npt.NDArray[np.int64]
    items: npt.NDArray[np.int32]
    c: npt.NDArray[np.float32]
    count: npt.NDArray[np.float64]
    row_of_customer: npt.NDArray[np.int64]
    records: npt.NDArray[np.float32]
    start: npt.NDArray[np.int64]
    own: npt.NDArray[np.int32]
    size: npt.NDArray[np.int32]
    slices: npt.NDArray[np.int64]


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
    order = _by_products(indptr, items, first, len(used))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    indptr, entries = row_entries(indptr, first[order])
    return _by_product(
        used, indptr, items[entries], c[entries], count[order].astype(np.float64),
        rank[row_of_customer],
    )  # fmt: skip


def _by_product(
    used: npt.NDArray[np.int64],
    indptr: npt.NDArray[np.int64],
    items: npt.NDArray[np.int32],
    c: npt.NDArray[np.float32],
    *rest: npt.NDArray[np.float64] | npt.NDArray[np.int64],
) -> Baskets:
    count, row_of_customer = rest
    lengths = np.diff(indptr)
    records = np.empty((len(items), 4), dtype=np.float32)
    repeated = np.repeat(count, lengths)
    records[:, 0], records[:, 2], records[:, 3] = items, repeated * (c - 1.0), repeated * c
    by_item = np.argsort(items, kind="stable")
    row_start, row_size = np.repeat(indptr[:-1], lengths), np.repeat(lengths, lengths)
    start = row_start[by_item]
    ends = np.cumsum(np.bincount(items, minlength=len(used)))
    slices = [
        (item, low, min(low + _SLICE, end))
        for item, (begin, end) in enumerate(zip(np.append(0, ends[:-1]), ends, strict=True))
        for low in range(begin, end, _SLICE)
    ]
    return Baskets(
        used, indptr, items, c, count.astype(np.float64), row_of_customer.astype(np.int64),
        records, start, (by_item - start).astype(np.int32), row_size[by_item].astype(np.int32),
        np.array(slices, dtype=np.int64),
    )  # fmt: skip


def _by_products(
    indptr: npt.NDArray[np.int64],
    items: npt.NDArray[np.int32],
    rows: npt.NDArray[np.int64],
    products: int,
) -> npt.NDArray[np.int64]:
    """Sort rows by their first three products."""
    key = np.zeros(len(rows), dtype=np.int64)
    for place in range(3):
        entry = indptr[rows] + place
        inside = entry < indptr[rows + 1]
        item = np.where(inside, items[np.minimum(entry, len(items) - 1)] + 1, 0)
        key = key * (products + 1) + item
    return np.argsort(key, kind="stable")


def _equal_rows(
    indptr: npt.NDArray[np.int64], items: npt.NDArray[np.int32], c: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return a representative of each distinct row, each row's representative, and counts."""
    bits = c.view(np.uint32)
    hashes = np.empty(len(indptr) - 1, dtype=np.uint64)
    als_kernels.row_hashes(indptr, items, bits, hashes)
    _, first, inverse, count = np.unique(
        hashes, return_index=True, return_inverse=True, return_counts=True
    )
    if len(first) == len(hashes) or not als_kernels.same_rows(indptr, items, bits, first[inverse]):
        rows = np.arange(len(hashes))
        return rows, rows, np.ones(len(hashes), dtype=np.int64)
    return first, inverse, count
