"""The best k products of very many customers: blocks of a matrix product and one scan each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import get_num_threads
from scipy.sparse import csr_matrix

from passbook.recommend import top_kernels
from passbook.recommend.compilation import single_threaded_algebra
from passbook.recommend.interactions import Flags, Floats
from passbook.recommend.purchases import Ints

BLOCK: Final = 512
"""Customers at a time: their scores of a few hundred products stay in a core's cache."""


def top_products(
    user_factors: npt.NDArray[np.floating],
    item_factors: npt.NDArray[np.floating],
    k: int,
    *,
    allowed: Flags | None = None,
    owned: csr_matrix | None = None,
) -> tuple[Ints, Floats]:
    """Return the `k` products with the largest dot product for every customer.

    Parameters
    ----------
    user_factors : array of shape (customers, factors)
    item_factors : array of shape (products, factors)
    allowed : bool array of shape (products,), optional
    owned : scipy.sparse.csr_matrix of shape (customers, products), optional
        Products not to be named again.

    Returns
    -------
    items : int32 array of shape (customers, k)
        Best first, equal ones by column; -1 where nothing is left.
    scores : float32 array of shape (customers, k)
    """
    users, products = len(user_factors), len(item_factors)
    k = min(k, products)
    items = np.full((users, k), -1, dtype=np.int32)
    scores = np.full((users, k), -np.inf, dtype=np.float32)
    columns = np.arange(products) if allowed is None else np.flatnonzero(allowed)
    columns = columns.astype(np.int32)
    place = np.full(products, -1, dtype=np.int32)
    place[columns] = np.arange(len(columns), dtype=np.int32)
    matrix = np.ascontiguousarray(item_factors[columns].T, dtype=np.float32)
    indptr = np.zeros(users + 1, dtype=np.int32) if owned is None else owned.indptr
    liked = np.empty(0, dtype=np.int32) if owned is None else owned.indices

    def work(blocks: Iterator[int]) -> None:
        buffer = np.empty((min(BLOCK, users), len(columns)), dtype=np.float32)
        for start in blocks:
            stop = min(start + BLOCK, users)
            block = buffer[: stop - start]
            np.matmul(np.asarray(user_factors[start:stop], dtype=np.float32), matrix, out=block)
            top_kernels.best_unowned(
                block, indptr[start : stop + 1], liked, place, columns,
                items[start:stop], scores[start:stop],
            )  # fmt: skip

    if len(columns):
        _share_out(work, range(0, users, BLOCK))
    return items, scores


def _share_out(work: Callable[[Iterator[int]], None], blocks: Sequence[int]) -> None:
    """Let threads take one block after the other, each with a matrix product of its own."""
    workers = min(get_num_threads(), len(blocks))
    shared = iter(blocks)
    if workers <= 1:
        work(shared)
        return
    with single_threaded_algebra(), ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(work, shared) for _ in range(workers)]:
            done.result()
