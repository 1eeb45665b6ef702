# ruff: noqa: PLR0917 (compiled code takes its arrays by position)
"""The compiled inner loops of the small-catalogue ALS solver.

Sums are taken in an order that the data alone decides, so factors are the same for any number of
threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from passbook.recommend.basket_kernels import solve_in_place
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


@in_parallel
def customer_weights(indptr: Any, items: Any, c: Any, kernel: Any, out: Any) -> None:
    """Solve (I + (diag(c) − 1) K_SS) z = c for every row."""
    for u in prange(len(indptr) - 1):
        start, size = indptr[u], indptr[u + 1] - indptr[u]
        if size == 1:
            own = kernel[items[start], items[start]]
            out[start] = c[start] / (1.0 + (c[start] - 1.0) * own)
            continue
        if size == 2:
            i, j = items[start], items[start + 1]
            ci, cj = np.float64(c[start]), np.float64(c[start + 1])
            a, b = 1.0 + (ci - 1.0) * kernel[i, i], (ci - 1.0) * kernel[i, j]
            d, e = (cj - 1.0) * kernel[j, i], 1.0 + (cj - 1.0) * kernel[j, j]
            determinant = a * e - b * d
            out[start] = (ci * e - b * cj) / determinant
            out[start + 1] = (a * cj - d * ci) / determinant
            continue
        system = np.empty((size, size), dtype=np.float64)
        z = np.empty(size, dtype=np.float64)
        for p in range(size):
            weight = np.float64(c[start + p])
            z[p] = weight
            for q in range(size):
                system[p, q] = (weight - 1.0) * kernel[items[start + p], items[start + q]]
            system[p, p] += 1.0
        solve_in_place(system, z, size)
        for p in range(size):
            out[start + p] = z[p]


@compiled
def weight_moments(indptr: Any, items: Any, z: Any, count: Any, out: Any) -> None:
    """out += Σ over rows of count · z zᵀ, scattered to the row's products."""
    for u in range(len(indptr) - 1):
        for a in range(indptr[u], indptr[u + 1]):
            scaled = count[u] * z[a]
            for b in range(indptr[u], indptr[u + 1]):
                out[items[a], items[b]] += scaled * z[b]


@in_parallel
def item_moments(
    records: Any, start: Any, own: Any, size: Any, bounds: Any, moments: Any, sums: Any
) -> None:
    """Moments of one product's buyers, one slice of its entries at a time.

    Over the entries e of slice s, z being the weights of e's row: moments[s] + moments[s]ᵀ =
    Σ count (c_e − 1) z zᵀ, of which the lower triangle is filled, and sums[s] = Σ count c_e z.
    """
    for s in prange(len(bounds)):
        moments[s] = 0.0
        sums[s] = 0.0
        for p in range(bounds[s, 0], bounds[s, 1]):
            first = start[p]
            extra = np.float64(records[first + own[p], 2])
            linear = np.float64(records[first + own[p], 3])
            for a in range(first, first + size[p]):
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
            for f in range(out.shape[1]):
                out[u, f] += z[e] * basis[items[e], f]
