# ruff: noqa: PLR0917 (compiled code takes its arrays by position)
"""The compiled inner loops of the small-catalogue ALS solver.

Sums are taken in an order that the data alone decides, so factors are the same for any number of
threads.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import prange

from passbook.recommend.compilation import compiled, in_parallel

HELD: Final = 64


@in_parallel
def row_hashes(indptr: Any, items: Any, bits: Any, out: Any) -> None:
    """64-bit FNV-1a style hash of a row's products and the bits of its values."""
    for u in prange(len(out)):
        h = np.uint64(14695981039346656037)
        for e in range(indptr[u], indptr[u + 1]):
            h = (h ^ np.uint64(items[e])) * np.uint64(1099511628211)
            h = (h ^ np.uint64(bits[e])) * np.uint64(1099511628211)
            h ^= h >> np.uint64(29)
        out[u] = h


@compiled
def number_rows(
    indptr: Any, items: Any, bits: Any, hashes: Any, slots: Any, first: Any, number: Any
) -> Any:
    """Number the distinct rows as they first occur, and return how many there are.

    `slots`, of 2ⁿ places, all -1, becomes a hash table of rows; first[n] is the first row of number
    n, number[u] that of row u.
    """
    found = 0
    for u in range(len(hashes)):
        slot = np.int64(hashes[u] & np.uint64(len(slots) - 1))
        while slots[slot] >= 0 and not (
            hashes[slots[slot]] == hashes[u] and _equal(indptr, items, bits, slots[slot], u)
        ):
            slot = (slot + 1) % len(slots)
        if slots[slot] < 0:
            slots[slot], first[found], number[u] = u, u, found
            found += 1
        else:
            number[u] = number[slots[slot]]
    return found


@compiled
def _equal(indptr: Any, items: Any, bits: Any, one: Any, other: Any) -> bool:
    """Whether two rows have the same products and values."""
    size = indptr[one + 1] - indptr[one]
    if indptr[other + 1] - indptr[other] != size:
        return False
    for e in range(size):
        a, b = indptr[one] + e, indptr[other] + e
        if items[a] != items[b] or bits[a] != bits[b]:
            return False
    return True


@compiled
def eliminate(matrix: Any, vector: Any, size: int) -> None:
    """Solve `matrix` x = `vector` by elimination without pivoting; `vector` becomes x.

    Every leading block of I + (diag(c) − 1) K is the system of a part of the basket, whose
    determinant is positive: no pivot is zero.
    """
    for p in range(size):
        for r in range(p + 1, size):
            factor = matrix[r, p] / matrix[p, p]
            for q in range(p + 1, size):
                matrix[r, q] -= factor * matrix[p, q]
            vector[r] -= factor * vector[p]
    for p in range(size - 1, -1, -1):
        for q in range(p + 1, size):
            vector[p] -= matrix[p, q] * vector[q]
        vector[p] /= matrix[p, p]


@in_parallel
def customer_weights(
    indptr: Any, items: Any, c: Any, kernel: Any, chunk: Any, largest: Any, out: Any
) -> None:
    """Solve (I + (diag(c) − 1) K_SS) z = c for every row, `chunk` rows with the same scratch."""
    rows = len(indptr) - 1
    for part in prange((rows + chunk - 1) // chunk):
        system = np.empty((largest, largest), dtype=np.float64)
        z = np.empty(largest, dtype=np.float64)
        for u in range(part * chunk, min(part * chunk + chunk, rows)):
            start, size = indptr[u], indptr[u + 1] - indptr[u]
            if size == 1:
                own = kernel[items[start], items[start]]
                out[start] = c[start] / (1.0 + (c[start] - 1.0) * own)
                continue
            for p in range(size):
                weight = np.float64(c[start + p])
                z[p] = weight
                for q in range(size):
                    system[p, q] = (weight - 1.0) * kernel[items[start + p], items[start + q]]
                system[p, p] += 1.0
            eliminate(system, z, size)
            for p in range(size):
                out[start + p] = z[p]


@in_parallel
def take_rows(
    indptr: Any, items: Any, c: Any, rows: Any, places: Any, out_items: Any, out_c: Any
) -> None:
    """Copy some rows' entries to `places`."""
    for u in prange(len(rows)):
        shift = indptr[rows[u]] - places[u]
        for e in range(places[u], places[u + 1]):
            out_items[e], out_c[e] = items[e + shift], c[e + shift]


@in_parallel
def weight_moments(indptr: Any, items: Any, z: Any, count: Any, bounds: Any, out: Any) -> None:
    """out[s] += Σ over the rows of slice s of count · z zᵀ, scattered to the row's products."""
    for s in prange(len(bounds) - 1):
        for u in range(bounds[s], bounds[s + 1]):
            for a in range(indptr[u], indptr[u + 1]):
                scaled = count[u] * z[a]
                for b in range(indptr[u], indptr[u + 1]):
                    out[s, items[a], items[b]] += scaled * z[b]


@in_parallel
def item_sums(
    indptr: Any, items: Any, c: Any, z: Any, count: Any, basis: Any, bounds: Any, systems: Any,
    targets: Any,
) -> None:  # fmt: skip
    """Add what is special of each product's normal equations, over the rows of each part.

    x = Σ z · basis being a row's factors and c its confidence in product i, systems[s, i] +=
    Σ count (c − 1) x xᵀ and targets[s, i] += Σ count c x. A product's rows are held back until
    there are HELD of them: then one matrix product sums their outer products.
    """
    products, factors = basis.shape
    for s in prange(len(bounds) - 1):
        held = np.empty((products, HELD, factors), dtype=np.float32)
        weights = np.empty((products, HELD), dtype=np.float32)
        counts = np.empty((products, HELD), dtype=np.float32)
        filled = np.zeros(products, dtype=np.int64)
        x = np.empty(factors, dtype=np.float32)
        weighted = np.empty((HELD, factors), dtype=np.float32)
        product = np.empty((factors, factors), dtype=np.float32)
        for u in range(bounds[s], bounds[s + 1]):
            _row_factors(items[indptr[u] : indptr[u + 1]], z[indptr[u] : indptr[u + 1]], basis, x)
            for e in range(indptr[u], indptr[u + 1]):
                i = items[e]
                n = filled[i]
                held[i, n] = x
                counts[i, n] = count[u]
                weights[i, n] = count[u] * c[e]
                filled[i] = n + 1
                if n + 1 == HELD:
                    _add_rows(
                        held[i], weights[i], counts[i], weighted, product, systems[s, i],
                        targets[s, i],
                    )  # fmt: skip
                    filled[i] = 0
        for i in range(products):
            n = filled[i]
            _add_rows(
                held[i, :n], weights[i, :n], counts[i, :n], weighted, product, systems[s, i],
                targets[s, i],
            )  # fmt: skip


@compiled
def _add_rows(
    rows: Any, weights: Any, counts: Any, weighted: Any, product: Any, system: Any, target: Any
) -> None:
    """system += Σ (weight − count) x xᵀ and target += Σ weight · x over rows x."""
    for r in range(len(rows)):
        x, scaled = rows[r], weighted[r]
        weight, extra = weights[r], weights[r] - counts[r]
        for f in range(len(x)):
            scaled[f] = extra * x[f]
            target[f] += weight * x[f]
    np.dot(weighted[: len(rows)].T, rows, product)
    for f in range(len(product)):
        into, of = system[f], product[f]
        for g in range(len(of)):
            into[g] += of[g]


@compiled
def _row_factors(items: Any, z: Any, basis: Any, out: Any) -> None:
    """out = Σ over the row's products s of z_s · basis[s]."""
    for f in range(len(out)):
        out[f] = 0.0
    for e in range(len(items)):
        weight = np.float32(z[e])  # as narrow as the others, to multiply many at once
        row = basis[items[e]]
        for f in range(len(out)):
            out[f] += weight * row[f]


@compiled
def observed_loss(indptr: Any, items: Any, c: Any, z: Any, count: Any, predict: Any) -> Any:
    """Σ over entries of count · (c (1 − x·y)² − (x·y)²), and the total confidence."""
    loss, total = 0.0, 0.0
    for u in range(len(indptr) - 1):
        for a in range(indptr[u], indptr[u + 1]):
            value = 0.0
            for b in range(indptr[u], indptr[u + 1]):
                value += z[b] * predict[items[b], items[a]]
            loss += count[u] * (c[a] * (1.0 - value) ** 2 - value**2)
            total += count[u] * c[a]
    return loss, total


@in_parallel
def customer_factors(
    indptr: Any, items: Any, z: Any, representative: Any, basis: Any, out: Any
) -> None:
    """out[u] = Σ over the row's products s of z_s · basis[s]."""
    for u in prange(len(representative)):
        start, stop = indptr[representative[u]], indptr[representative[u] + 1]
        _row_factors(items[start:stop], z[start:stop], basis, out[u])
