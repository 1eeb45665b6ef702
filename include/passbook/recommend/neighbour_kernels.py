"""The compiled counts of what was acquired after what."""

from __future__ import annotations

from typing import Any

from numba import prange

from passbook.recommend.compilation import compiled, in_parallel


@compiled
def count_followers(indptr: Any, items: Any, first_day: Any, out: Any) -> None:
    """out[s, j] += 1 for each customer who acquired j on a later day than s."""
    for u in range(len(indptr) - 1):
        for a in range(indptr[u], indptr[u + 1]):
            for b in range(indptr[u], indptr[u + 1]):
                if first_day[b] > first_day[a]:
                    out[items[a], items[b]] += 1.0


@compiled
def count_direct_followers(indptr: Any, items: Any, first_day: Any, out: Any) -> None:
    """out[s, j] += 1 where j opens the day of purchases after the day that s closes."""
    for u in range(len(indptr) - 1):
        for a in range(indptr[u], indptr[u + 1]):
            follower = -1
            for b in range(indptr[u], indptr[u + 1]):
                if first_day[b] == first_day[a] and b > a:
                    follower = -1
                    break
                if first_day[b] > first_day[a] and (
                    follower < 0 or first_day[b] < first_day[follower]
                ):
                    follower = b
            if follower >= 0:
                out[items[a], items[follower]] += 1


@in_parallel
def last_acquired(indptr: Any, items: Any, first_day: Any, nothing: Any, out: Any) -> None:
    """out[u] = the product acquired last, of one day the last in order; `nothing` for none."""
    for u in prange(len(indptr) - 1):
        last = -1
        for e in range(indptr[u], indptr[u + 1]):
            if last < 0 or first_day[e] >= first_day[last]:
                last = e
        out[u] = nothing if last < 0 else items[last]
