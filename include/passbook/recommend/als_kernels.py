# ruff: noqa: PLR0917 (compiled code takes its arrays by position)
"""The compiled inner loops of the small-catalogue ALS solver.

Sums are taken in an order that the data alone decides, so factors are the same for any number of
threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from passbook.recommend.compilation import compiled, in_parallel


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
def same_rows(indptr: Any, items: Any, bits: Any, representative: Any) -> bool:
    """Whether every row equals the row that represents it."""
    for u in range(len(representative)):
        r = representative[u]
        size = indptr[u + 1] - indptr[u]
        if indptr[r + 1] - indptr[r] != size:
            return False
        for e in range(size):
            a, b = indptr[u] + e, indptr[r] + e
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
    indptr: Any, items: Any, c: Any, rows: Any, count: Any, places: Any, out_items: Any,
    out_c: Any, records: Any,
) -> None:  # fmt: skip
    """Copy some rows' entries to `places`, and to the records of `Baskets` what never changes."""
    for u in prange(len(rows)):
        shift = indptr[rows[u]] - places[u]
        for e in range(places[u], places[u + 1]):
            out_items[e], out_c[e] = items[e + shift], c[e + shift]
            records[e, 0], records[e, 2], records[e, 3] = out_items[e], out_c[e], count[u]


@compiled
def rows_by_product(indptr: Any, items: Any, place: Any, out: Any) -> None:
    """Write the rows that hold each product; `place` is where its next one goes and moves on."""
    for u in range(len(indptr) - 1):
        for e in range(indptr[u], indptr[u + 1]):
            out[place[items[e]]] = u
            place[items[e]] += 1


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
def item_moments(
    records: Any, indptr: Any, rows: Any, slices: Any, moments: Any, sums: Any
) -> None:
    """Moments of one product's buyers, one slice of its entries at a time.

    Over the rows u of slice s, z being their weights and c the product's confidence: moments[s] +
    moments[s]ᵀ = Σ count (c − 1) z zᵀ, of which the lower triangle is filled, and sums[s] =
    Σ count c z.
    """
    for s in prange(len(slices)):
        moments[s] = 0.0
        sums[s] = 0.0
        for p in range(slices[s, 1], slices[s, 2]):
            first, stop = indptr[rows[p]], indptr[rows[p] + 1]
            own = first
            while np.int64(records[own, 0]) != slices[s, 0]:
                own += 1
            linear = np.float64(records[own, 3]) * records[own, 2]
            extra = linear - records[own, 3]
            for a in range(first, stop):
                i = np.int64(records[a, 0])
                sums[s, i] += linear * records[a, 1]
                scaled = extra * records[a, 1]
                for b in range(first, a):
                    moments[s, i, np.int64(records[b, 0])] += scaled * records[b, 1]
                moments[s, i, i] += 0.5 * scaled * records[a, 1]


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
        r = representative[u]
        for f in range(out.shape[1]):
            out[u, f] = 0.0
        for e in range(indptr[r], indptr[r + 1]):
            weight = np.float32(z[e])  # as narrow as the others, to multiply many at once
            for f in range(out.shape[1]):
                out[u, f] += weight * basis[items[e], f]
