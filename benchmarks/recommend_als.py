"""AlternatingLeastSquares beside implicit's: seconds to the objective that implicit reaches.

Prints one JSON line. implicit fits 15 iterations on all cores; ours as many as it takes to come
to that objective or below, both measured by implicit's own loss. Two kinds of matrices: random ones
with weights that are all distinct, and the purchases of demo banks with confidences by month, one
bank for each of `--demo-customers`. Before that, both run to convergence on a small matrix.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from demo_purchases import BASE_DATE, simulated
from implicit.cpu._als import calculate_loss
from implicit.cpu.als import AlternatingLeastSquares as ImplicitALS
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from passbook.recommend import AlternatingLeastSquares
from passbook.recommend.interactions import confidence, interactions_as_of, to_csr

ITERATIONS = 15


def random_purchases(customers: int, products: int, seed: int) -> csr_matrix:
    """Return 2.4 purchases a customer, popular products by Zipf, continuous weights."""
    rng = np.random.default_rng(seed)
    share = 1.0 / np.arange(1, products + 1) ** 0.8
    size = 1 + rng.poisson(1.6, customers)
    items = rng.choice(products, int(size.sum()), p=share / share.sum()).astype(np.int32)
    values = (0.1 + rng.random(len(items))).astype(np.float32)
    indptr = np.concatenate([[0], np.cumsum(size)])
    matrix = csr_matrix((values, items, indptr), (customers, products))
    matrix.sum_duplicates()
    return matrix


def demo_matrix(customers: int, half_life: float) -> csr_matrix:
    """Return a demo bank's purchases with confidences that halve every `half_life` months."""
    purchases = simulated(customers).purchases
    interactions = interactions_as_of(purchases, BASE_DATE)
    return to_csr(interactions, confidence(interactions, half_life))


def seconds_of(work: Callable[[], Any]) -> float:
    """Return the seconds that `work` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def fitted(model: AlternatingLeastSquares, matrix: csr_matrix) -> None:
    """Fit, and ask for the customers' factors, which implicit has at once."""
    model.fit(matrix)
    _ = model.user_factors


def loss(matrix: csr_matrix, users: Any, items: Any, settings: dict[str, Any]) -> float:
    """Return implicit's own objective."""
    weighted = (matrix * settings["alpha"]).tocsr().astype(np.float32)
    users, items = (np.ascontiguousarray(f, dtype=np.float32) for f in (users, items))
    return float(calculate_loss(weighted, users, items, settings["regularization"]))


def compare(matrix: csr_matrix, settings: dict[str, Any]) -> dict[str, Any]:
    """Return both sides' seconds to implicit's objective."""
    theirs = ImplicitALS(**settings, iterations=ITERATIONS, random_state=0)
    with threadpool_limits(1, "blas"):  # as implicit advises
        their_seconds = seconds_of(lambda: theirs.fit(matrix, show_progress=False))
    target = loss(matrix, theirs.user_factors, theirs.item_factors, settings)
    for iterations in range(1, ITERATIONS + 1):
        ours = AlternatingLeastSquares(**settings, iterations=iterations, random_state=0)
        seconds = seconds_of(lambda: fitted(ours, matrix))  # noqa: B023 (called at once)
        reached = loss(matrix, ours.user_factors, ours.item_factors, settings)
        if reached <= target:
            break
    return {
        "customers": matrix.shape[0],
        "products": matrix.shape[1],
        "entries": matrix.nnz,
        "distinct_rows": len(ours._fitted().count),
        "implicit_s": their_seconds,
        "implicit_objective": target,
        "s": seconds,
        "iterations": iterations,
        "objective": reached,
        "ratio": their_seconds / seconds,
    }


def converged(settings: dict[str, Any]) -> float:
    """Return the relative difference of both objectives at convergence."""
    matrix = random_purchases(3000, 40, 1)
    small = settings | {"factors": 8}
    ours = AlternatingLeastSquares(**small, iterations=400, random_state=0)
    ours.fit(matrix)
    theirs = ImplicitALS(**small, iterations=400, use_cg=False, dtype=np.float64, random_state=0)
    theirs.fit(matrix, show_progress=False)
    one = loss(matrix, ours.user_factors, ours.item_factors, small)
    return abs(one / loss(matrix, theirs.user_factors, theirs.item_factors, small) - 1)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--products", type=int, default=300)
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--regularization", type=float, default=1.0)
    parser.add_argument("--alpha", type=float, default=10.0)
    parser.add_argument("--half-life", type=float, default=12.0, help="Months, for demo banks.")
    parser.add_argument("--demo-customers", type=int, nargs="*", default=[50_000, 1_000_000])
    options = parser.parse_args()
    settings = {name: getattr(options, name) for name in ("factors", "regularization", "alpha")}
    AlternatingLeastSquares(**settings, iterations=1).fit(random_purchases(2000, 50, 1))  # compile
    result: dict[str, Any] = {"benchmark": "recommend_als", **settings}
    result["converged_difference"] = converged(settings)
    matrix = random_purchases(options.customers, options.products, 0)
    result["distinct_weights"] = compare(matrix, settings)
    result["by_month"] = [
        compare(demo_matrix(customers, options.half_life), settings)
        for customers in options.demo_customers
    ]
    result["peak_memory_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(result))


if __name__ == "__main__":
    main()
