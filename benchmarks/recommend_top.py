"""Top-5 of every customer with owned and ineligible products filtered, beside implicit's.

Prints one JSON line. Both sides get the same factors; implicit is timed on fewer customers, in one
batched call as its documentation advises. `--customers` are scored in blocks of `--block`, whose
factors are made before their clock starts, so memory is that of a block.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from typing import Any

import numpy as np
import numpy.typing as npt
from implicit.cpu.als import AlternatingLeastSquares as ImplicitALS
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from passbook.recommend.top_products import top_products

OWNED = 2.4
K = 5

Factors = npt.NDArray[np.float32]


def block_of(rows: int, products: int, factors: int, seed: int) -> tuple[Factors, csr_matrix]:
    """Return customers' factors and what they own."""
    rng = np.random.default_rng(seed)
    size = 1 + rng.poisson(OWNED - 1, rows)
    indptr = np.concatenate([[0], np.cumsum(size)])
    items = rng.integers(0, products, indptr[-1]).astype(np.int32)
    owned = csr_matrix((np.ones(len(items), np.float32), items, indptr), (rows, products))
    owned.sum_duplicates()
    return rng.standard_normal((rows, factors), dtype=np.float32), owned


def differing(
    users: Factors, items: Factors, theirs: npt.NDArray[np.int32], ours: npt.NDArray[np.int32]
) -> dict[str, float]:
    """Return the share of equal lists, and of those whose scores differ by more than rounding.

    Scores are computed anew in double precision: where two products are named in another order,
    the places' scores must be the same up to the rounding of a sum of single-precision products.
    """
    rows = np.flatnonzero((theirs != ours).any(axis=1))
    x, y = users[rows].astype(np.float64), items.astype(np.float64)
    one, other = (np.einsum("uf,ukf->uk", x, y[found[rows]]) for found in (theirs, ours))
    rounding = np.finfo(np.float32).eps * np.einsum(
        "uf,ukf->uk", np.abs(x), np.abs(y[theirs[rows]])
    )
    beyond = (np.abs(one - other) > 2 * rounding).any(axis=1)
    return {
        "equal_lists": 1 - len(rows) / len(users),
        "tied_lists": float((~beyond).sum()) / len(users),
        "lists_beyond_ties": float(beyond.sum()) / len(users),
    }


def compare(users: Factors, owned: csr_matrix, items: Factors, closed: Any) -> dict[str, Any]:
    """Return both sides' customers a second, and how their lists differ."""
    theirs = ImplicitALS(factors=items.shape[1])
    theirs.user_factors, theirs.item_factors = users, items
    allowed = np.ones(len(items), dtype=bool)
    allowed[closed] = False
    best = 0.0
    for _ in range(3):
        begun = time.perf_counter()
        found, _ = top_products(users, items, K, allowed=allowed, owned=owned)
        best = max(best, len(users) / (time.perf_counter() - begun))
    with threadpool_limits(1, "blas"):
        begun = time.perf_counter()
        ids, _ = theirs.recommend(
            np.arange(len(users)), owned, N=K, filter_already_liked_items=True, filter_items=closed
        )
        their_rate = len(users) / (time.perf_counter() - begun)
    return {
        "customers_per_s": best,
        "implicit_customers_per_s": their_rate,
        "ratio": best / their_rate,
        **differing(users, items, ids, found),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=10_000_000)
    parser.add_argument("--compared", type=int, default=200_000, help="Customers of both sides.")
    parser.add_argument("--products", type=int, default=300)
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--block", type=int, default=500_000)
    options = parser.parse_args()
    rng = np.random.default_rng(9)
    items = rng.standard_normal((options.products, options.factors), dtype=np.float32)
    closed = np.sort(rng.choice(options.products, options.products // 6, replace=False))
    allowed = np.ones(options.products, dtype=bool)
    allowed[closed] = False
    users, owned = block_of(options.compared, options.products, options.factors, 0)
    top_products(users[:5000], items, K, allowed=allowed, owned=owned[:5000])  # compile
    result: dict[str, Any] = {"benchmark": "recommend_top", **vars(options)}
    result |= compare(users, owned, items, closed)
    seconds = 0.0
    for number, start in enumerate(range(0, options.customers, options.block), start=1):
        rows = min(options.block, options.customers - start)
        users, owned = block_of(rows, options.products, options.factors, number)
        begun = time.perf_counter()
        top_products(users, items, K, allowed=allowed, owned=owned)
        seconds += time.perf_counter() - begun
    result["all_s"] = seconds
    result["peak_memory_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(result))


if __name__ == "__main__":
    main()
