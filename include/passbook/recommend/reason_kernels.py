# ruff: noqa: PLR0917 (compiled code takes its arrays by position, and does not call)
"""The compiled loops that find what speaks for an offer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from passbook.recommend.compilation import compiled, in_parallel


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


@compiled
def log_shares(
    indptr: Any, items: Any, affinity: Any, prior: Any, weight: Any, floor: Any, u: Any, out: Any
) -> None:
    """Weighted logarithms of a customer's shares of products, above their mean."""
    for j in range(len(prior)):
        out[j] = prior[j]
    for e in range(indptr[u], indptr[u + 1]):
        for j in range(len(prior)):
            out[j] += affinity[items[e], j]
    mean = np.float32(0.0)
    for j in range(len(prior)):
        out[j] = weight * np.log(max(out[j], np.float32(0.0)) + floor)
        mean += out[j]
    mean /= np.float32(len(prior))
    for j in range(len(prior)):
        out[j] -= mean


@compiled
def keep_two(say: Any, kind: Any, product: Any, says: Any, kinds: Any, products: Any) -> None:
    """Keep a piece of evidence if it is among the two strongest of different kinds."""
    if kind < 0 or say <= 0.0:
        return
    if kind == kinds[0]:
        if say > says[0]:
            says[0], products[0] = say, product
    elif say > says[0]:
        says[1], kinds[1], products[1] = says[0], kinds[0], products[0]
        says[0], kinds[0], products[0] = say, kind, product
    elif say > says[1]:
        says[1], kinds[1], products[1] = say, kind, product


@in_parallel
def two_strongest(
    codes: Any, scale: Any, kinds_of_blocks: Any, kinds_of_popularity: Any, centred: Any,
    owned: Any, indptr: Any, items: Any, last: Any, weights: Any, followers: Any,
    followers_prior: Any, cosine: Any, cosine_prior: Any, floor: Any, next_kind: Any,
    offered: Any, out_kind: Any, out_product: Any,
) -> None:  # fmt: skip
    """The two kinds of evidence that lift each offered product most, and the product each is by."""
    for u in prange(len(codes)):
        first, stop = indptr[u], indptr[u + 1]
        logs = np.empty((2, centred.shape[1]), dtype=np.float32)
        log_shares(indptr, items, followers, followers_prior, weights[0], floor, u, logs[0])
        log_shares(indptr, items, cosine, cosine_prior, weights[1], floor, u, logs[1])
        for p in range(offered.shape[1]):
            j = offered[u, p]
            if j < 0:
                continue
            says = np.zeros(2, dtype=np.float32)
            kinds, products = out_kind[u, p], out_product[u, p]
            for t in range(codes.shape[1]):
                kind = kinds_of_popularity[j] if t == 0 else kinds_of_blocks[t]
                by = last[u] if kind == next_kind else -1
                if kind != next_kind or last[u] < followers.shape[0]:
                    keep_two(scale[t] * centred[codes[u, t], j], kind, by, says, kinds, products)
            leaders = np.full(2, -1)
            best = np.zeros(2, dtype=np.float32)
            for e in range(first, stop):
                row = np.int64(owned[0]) + items[e]
                say = np.float32(owned[1]) * centred[row, j]
                keep_two(say, next_kind + 1, items[e], says, kinds, products)
                if followers[items[e], j] > best[0]:
                    best[0], leaders[0] = followers[items[e], j], items[e]
                if cosine[items[e], j] > best[1]:
                    best[1], leaders[1] = cosine[items[e], j], items[e]
            for n in range(2):
                if leaders[n] >= 0:
                    keep_two(logs[n, j], next_kind + n, leaders[n], says, kinds, products)
