# ruff: noqa: PLR0917 (compiled code takes its arrays by position)
"""The compiled inner loops over baskets: weights of owned products, and scores.

A row is worked on by one thread and depends on nothing else, so results are the same for any
number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from passbook.recommend.compilation import compiled, in_parallel


@compiled
def solve_in_place(matrix: Any, vector: Any, size: int) -> None:
    """Solve `matrix` x = `vector` by Gauss with partial pivoting; `vector` becomes x."""
    for c in range(size):
        pivot = c
        for r in range(c + 1, size):
            if abs(matrix[r, c]) > abs(matrix[pivot, c]):
                pivot = r
        if pivot != c:
            for j in range(c, size):
                matrix[c, j], matrix[pivot, j] = matrix[pivot, j], matrix[c, j]
            vector[c], vector[pivot] = vector[pivot], vector[c]
        for r in range(c + 1, size):
            factor = matrix[r, c] / matrix[c, c]
            if factor != 0.0:
                for j in range(c + 1, size):
                    matrix[r, j] -= factor * matrix[c, j]
                vector[r] -= factor * vector[c]
    for c in range(size - 1, -1, -1):
        for j in range(c + 1, size):
            vector[c] -= matrix[c, j] * vector[j]
        vector[c] /= matrix[c, c]


@in_parallel
def ridge_weights(
    indptr: Any, items: Any, confidence: Any, group: Any, affinity: Any, out: Any
) -> None:
    """Weights z of owned products such that an ALS customer's scores are Σ z_s affinity[s].

    With K = Y (YᵀY + λI)⁻¹ Yᵀ and W = diag(c − 1): (I + W K_SS) z = c, exact for the customer.
    """
    for u in prange(len(indptr) - 1):
        start, size = indptr[u], indptr[u + 1] - indptr[u]
        if size == 1:
            own = np.float64(affinity[group[u], items[start], items[start]])
            c = np.float64(confidence[start])
            out[start] = c / (1.0 + (c - 1.0) * own)
            continue
        system = np.empty((size, size), dtype=np.float64)
        z = np.empty(size, dtype=np.float64)
        for a in range(size):
            c = np.float64(confidence[start + a])
            z[a] = c
            for b in range(size):
                system[a, b] = (c - 1.0) * affinity[group[u], items[start + a], items[start + b]]
            system[a, a] += 1.0
        solve_in_place(system, z, size)
        for a in range(size):
            out[start + a] = z[a]


@in_parallel
def add_scores(
    indptr: Any, items: Any, weight: Any, group: Any, prior: Any, affinity: Any, out: Any
) -> None:
    """out[u] = prior[g] + Σ over owned s of weight_s · affinity[g, s]."""
    products = prior.shape[1]
    for u in prange(len(indptr) - 1):
        g = group[u]
        for j in range(products):
            out[u, j] = prior[g, j]
        for e in range(indptr[u], indptr[u + 1]):
            w, s = weight[e], items[e]
            for j in range(products):
                out[u, j] += w * affinity[g, s, j]


@in_parallel
def scores_at(indptr: Any, items: Any, prior: Any, affinity: Any, columns: Any, out: Any) -> None:
    """out[u, c] = prior[j] + Σ over owned s of affinity[s, j], j being columns[u, c]."""
    for u in prange(len(indptr) - 1):
        for c in range(columns.shape[1]):
            j = columns[u, c]
            total = prior[j]
            for e in range(indptr[u], indptr[u + 1]):
                total += affinity[items[e], j]
            out[u, c] = total


@in_parallel
def max_scores(
    indptr: Any, items: Any, weight: Any, group: Any, prior: Any, affinity: Any, out: Any
) -> None:
    """out[u] = prior[g] + the largest weight_s · affinity[g, s] over owned s."""
    products = prior.shape[1]
    for u in prange(len(indptr) - 1):
        g = group[u]
        for j in range(products):
            best = np.float32(0.0)
            for e in range(indptr[u], indptr[u + 1]):
                value = weight[e] * affinity[g, items[e], j]
                best = max(best, value)
            out[u, j] = prior[g, j] + best


@in_parallel
def mask_owned(indptr: Any, items: Any, scores: Any) -> None:
    """Set the score of every owned product to minus infinity."""
    for u in prange(len(indptr) - 1):
        for e in range(indptr[u], indptr[u + 1]):
            scores[u, items[e]] = -np.inf
