# ruff: noqa: PLR0917 (compiled code takes its arrays by position)
"""The compiled choice of each row's best columns.

A row is first reduced to the largest value of every `LANES`-th column, which the processor does
many columns at a time. The k-th largest of these is a floor that k columns reach, so only lanes
that reach it are looked through.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import prange

from passbook.recommend.compilation import compiled, in_parallel

LANES: Final = 32


@compiled
def peaks_of(scores: Any, permitted: Any, peaks: Any) -> None:
    """Write the largest permitted value of every `LANES`-th column."""
    peaks[:] = -np.inf
    whole = len(scores) // LANES
    for part in range(whole):
        values = scores[part * LANES : part * LANES + LANES]
        allowed = permitted[part * LANES : part * LANES + LANES]
        for lane in range(LANES):
            value = values[lane] if allowed[lane] else np.float32(-np.inf)
            peaks[lane] = value if value > peaks[lane] else peaks[lane]
    for j in range(whole * LANES, len(scores)):
        if permitted[j] and scores[j] > peaks[j - whole * LANES]:
            peaks[j - whole * LANES] = scores[j]


@compiled
def put(value: Any, column: Any, filled: Any, items: Any, best: Any) -> Any:
    """Insert a value among the best, before smaller ones and equal ones of later columns."""
    place = filled if filled < len(best) else len(best) - 1
    while place > 0 and (
        best[place - 1] < value or (best[place - 1] == value and items[place - 1] > column)
    ):
        best[place] = best[place - 1]
        items[place] = items[place - 1]
        place -= 1
    best[place] = value
    items[place] = column
    return filled + 1 if filled < len(best) else filled


@compiled
def best_of_row(scores: Any, permitted: Any, peaks: Any, items: Any, best: Any) -> None:
    """Write the best permitted columns, equal values by column order.

    Places that no finite value fills are left as they are.
    """
    k = len(items)
    lanes = min(LANES, len(scores))
    peaks_of(scores, permitted, peaks)
    filled = 0
    for lane in range(lanes):
        if peaks[lane] > -np.inf and (filled < k or peaks[lane] > best[k - 1]):
            filled = put(peaks[lane], lane, filled, items, best)
    floor = best[k - 1] if filled == k else np.float32(-np.inf)
    filled = 0
    for lane in range(lanes):
        if peaks[lane] < floor or peaks[lane] == -np.inf:
            continue
        for j in range(lane, len(scores), LANES):
            value = scores[j]
            if value < floor or value == -np.inf or not permitted[j]:
                continue
            if filled == k and (value < best[k - 1] or (value == best[k - 1] and j > items[k - 1])):
                continue
            filled = put(value, j, filled, items, best)


@in_parallel
def best_allowed(
    scores: Any, rule_class: Any, allowed: Any, out_items: Any, out_scores: Any
) -> None:
    """The best columns of each row among those its class allows; equal scores by column order.

    Places that no finite score fills are left as they are.
    """
    for u in prange(scores.shape[0]):
        peaks = np.empty(LANES, dtype=np.float32)
        best_of_row(scores[u], allowed[rule_class[u]], peaks, out_items[u], out_scores[u])


@compiled
def best_unowned(
    scores: Any, indptr: Any, owned: Any, place: Any, columns: Any, out_items: Any, out_scores: Any
) -> None:
    """The best columns of each row that its customer does not own.

    Parameters
    ----------
    scores : array of shape (rows, n)
        Overwritten where owned.
    place : int32 array of shape (products,)
        Column of each product, -1 where it has none.
    columns : int32 array of shape (n,)
        Product of each column.
    """
    peaks = np.empty(LANES, dtype=np.float32)
    everything = np.ones(scores.shape[1], dtype=np.bool_)
    for u in range(scores.shape[0]):
        for e in range(indptr[u], indptr[u + 1]):
            if place[owned[e]] >= 0:
                scores[u, place[owned[e]]] = -np.inf
        best_of_row(scores[u], everything, peaks, out_items[u], out_scores[u])
        for p in range(out_items.shape[1]):
            if out_items[u, p] >= 0:
                out_items[u, p] = columns[out_items[u, p]]
