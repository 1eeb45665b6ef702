# ruff: noqa: PLR0917 (compiled code takes its arrays by position)
"""The compiled loops over what customers bought and were offered of late."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from passbook.recommend.compilation import compiled, in_parallel


@compiled
def set_bits(bits: Any, row: Any, column: Any) -> None:
    """Set a bit for each row and column; one thread, since a byte holds eight columns."""
    for n in range(len(row)):
        bits[row[n], column[n] >> 3] |= np.uint8(1 << (column[n] & 7))


@in_parallel
def mask_bits(bits: Any, scores: Any) -> None:
    """Set the score of every column whose bit is set to minus infinity."""
    for u in prange(bits.shape[0]):
        for b in range(bits.shape[1]):
            if bits[u, b]:
                for j in range(8 * b, min(8 * b + 8, scores.shape[1])):
                    if bits[u, b] >> (j & 7) & 1:
                        scores[u, j] = -np.inf


@in_parallel
def count_kept(
    indptr: Any,
    owned: Any,
    bits: Any,
    rule_class: Any,
    open_table: Any,
    out_held: Any,
    out_recent: Any,
) -> None:
    """Count each customer's open products that are bought, and those only offered of late."""
    for u in prange(len(rule_class)):
        permitted = open_table[rule_class[u]]
        lately = 0
        for b in range(bits.shape[1]):
            if bits[u, b]:
                for j in range(8 * b, min(8 * b + 8, len(permitted))):
                    if bits[u, b] >> (j & 7) & 1 and permitted[j]:
                        lately += 1
        held = 0
        for e in range(indptr[u], indptr[u + 1]):
            j = owned[e]
            if permitted[j]:
                held += 1
                if bits.shape[1] and bits[u, j >> 3] >> (j & 7) & 1:
                    lately -= 1
        out_held[u], out_recent[u] = held, lately


@in_parallel
def bought_since(
    customer: Any, item: Any, indptr: Any, items: Any, first_day: Any, since: int, out: Any
) -> None:
    """Mark each offer whose customer first bought the product after the day `since`."""
    for n in prange(len(customer)):
        u = customer[n]
        if u >= 0 and item[n] >= 0:
            for e in range(indptr[u], indptr[u + 1]):
                if items[e] == item[n] and first_day[e] > since:
                    out[n] = 1
