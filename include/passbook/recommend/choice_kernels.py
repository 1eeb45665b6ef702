# ruff: noqa: PLR0912, PLR0917 (compiled code takes its arrays by position, and does not call)
"""The compiled inner loops of the choice model.

Blocks of choices are summed on their own and added in order, so the result is the same for any
number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from passbook.recommend.compilation import compiled, in_parallel


@compiled
def add_own(
    u: Any, codes: Any, scale: Any, indptr: Any, items: Any, owned: Any, own: Any, out: Any
) -> None:
    """out += the rows of `own` that customer u's codes and owned products point to."""
    products = len(out)
    for t in range(codes.shape[1]):
        row, weight = codes[u, t], scale[t]
        for j in range(products):
            out[j] += weight * own[row, j]
    for e in range(indptr[u], indptr[u + 1]):
        row = np.int64(owned[0]) + items[e]
        for j in range(products):
            out[j] += owned[1] * own[row, j]


@in_parallel
def own_margins(
    codes: Any, scale: Any, indptr: Any, items: Any, owned: Any, own: Any, out: Any
) -> None:
    """out[u] += what the products' own weights say of customer u."""
    for u in prange(len(codes)):
        add_own(u, codes, scale, indptr, items, owned, own, out[u])


@in_parallel
def add_log_sums(
    indptr: Any, items: Any, affinity: Any, prior: Any, weight: Any, floor: Any, out: Any
) -> None:
    """out[u] += weight · log(floor + prior + Σ over owned s of affinity[s])."""
    products = len(prior)
    for u in prange(len(indptr) - 1):
        total = np.empty(products, dtype=np.float32)
        for j in range(products):
            total[j] = prior[j]
        for e in range(indptr[u], indptr[u + 1]):
            for j in range(products):
                total[j] += affinity[items[e], j]
        for j in range(products):
            out[u, j] += weight * np.log(max(total[j], np.float32(0.0)) + floor)


@in_parallel
def choice_loss(
    evidence: Any, open_to: Any, taken: Any, codes: Any, scale: Any, indptr: Any, items: Any,
    owned: Any, shared: Any, own: Any, bounds: Any, losses: Any, by_evidence: Any, by_own: Any,
) -> None:  # fmt: skip
    """Negative log-likelihood of a block's choices and its gradient, a block each.

    `by_evidence` (blocks, features, products) is summed over products by the caller.
    """
    features, products = evidence.shape[1], evidence.shape[2]
    for b in prange(len(bounds) - 1):
        margin = np.empty(products, dtype=np.float32)
        losses[b] = 0.0
        by_evidence[b] = 0.0
        by_own[b] = 0.0
        for u in range(bounds[b], bounds[b + 1]):
            margin[:] = 0.0
            for f in range(features):
                weight = shared[f]
                for j in range(products):
                    margin[j] += weight * evidence[u, f, j]
            add_own(u, codes, scale, indptr, items, owned, own, margin)
            highest = np.float32(-np.inf)
            for j in range(products):
                if open_to[u, j]:
                    highest = max(highest, margin[j])
            norm, total = 0.0, 0.0
            for j in range(products):
                if open_to[u, j]:
                    wanted = taken[u, j]
                    total += wanted
                    losses[b] -= wanted * (margin[j] - highest)
                    margin[j] = np.exp(margin[j] - highest)
                    norm += margin[j]
                else:
                    margin[j] = 0.0
            losses[b] += total * np.log(norm)
            share = np.float32(total / norm)
            for j in range(products):
                margin[j] = share * margin[j] - (taken[u, j] if open_to[u, j] else 0.0)
            for f in range(features):
                for j in range(products):
                    by_evidence[b, f, j] += margin[j] * evidence[u, f, j]
            for t in range(codes.shape[1]):
                row, weight = codes[u, t], scale[t]
                for j in range(products):
                    by_own[b, row, j] += weight * margin[j]
            for e in range(indptr[u], indptr[u + 1]):
                row = np.int64(owned[0]) + items[e]
                for j in range(products):
                    by_own[b, row, j] += owned[1] * margin[j]
