"""The compiled count of what was acquired after what."""

from __future__ import annotations

from typing import Any

from passbook.recommend.compilation import compiled


@compiled
def count_followers(indptr: Any, items: Any, first_day: Any, out: Any) -> None:
    """out[s, j] += 1 for each customer who acquired j on a later day than s."""
    for u in range(len(indptr) - 1):
        for a in range(indptr[u], indptr[u + 1]):
            for b in range(indptr[u], indptr[u + 1]):
                if first_day[b] > first_day[a]:
                    out[items[a], items[b]] += 1.0
