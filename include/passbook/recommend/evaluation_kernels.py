"""The compiled ranking of acquisitions."""

from __future__ import annotations

from typing import Any

from numba import prange

from passbook.recommend.compilation import in_parallel


@in_parallel
def ranks_of(scores: Any, indptr: Any, items: Any, out: Any) -> None:
    """1 + the number of columns that score higher, or equal in an earlier column."""
    for u in prange(len(indptr) - 1):
        for e in range(indptr[u], indptr[u + 1]):
            wanted, own = items[e], scores[u, items[e]]
            better = 0
            for j in range(scores.shape[1]):
                if scores[u, j] > own or (scores[u, j] == own and j < wanted):
                    better += 1
            out[e] = better + 1
