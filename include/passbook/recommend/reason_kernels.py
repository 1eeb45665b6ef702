# ruff: noqa: PLR0917 (compiled code takes its arrays by position)
"""The compiled loop that finds what speaks for an offer."""

from __future__ import annotations

from typing import Any

from numba import prange

from passbook.recommend.compilation import in_parallel


@in_parallel
def two_leading_owned(
    indptr: Any, items: Any, weight: Any, group: Any, affinity: Any, offered: Any, out: Any
) -> None:
    """The two owned products that add most to each offered one's score; else -1 stays."""
    for u in prange(len(indptr) - 1):
        g = group[u]
        for p in range(offered.shape[1]):
            j = offered[u, p]
            if j < 0:
                continue
            best, second = 0.0, 0.0
            for e in range(indptr[u], indptr[u + 1]):
                share = weight[e] * affinity[g, items[e], j]
                if share > best:
                    second, best = best, share
                    out[u, p, 1], out[u, p, 0] = out[u, p, 0], items[e]
                elif share > second:
                    second = share
                    out[u, p, 1] = items[e]
