"""k-prototypes: row·iterations a second beside kmodes and scikit-learn's KMeans on the one-hot.

Prints one JSON line. All start from the same prototypes on the same planted rows (14 numbers, 9
categories). kmodes, which is not among Passbook's dependencies, is timed on fewer rows where it is
installed: `pip install kmodes==0.12.2`. A fit is timed as a whole, checks and layout included.
`--whole` fits the rows to convergence from a start found on a sample (init="sample", its fits
included) and times the prediction of all of them.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans

from passbook.segments import KPrototypes

NUMBERS, CATEGORIES, CODES = 14, 9, 6
PASSES = 10
REPEATS = 3
"""Of which the fastest counts: what else the machine does must not."""

Rows = tuple[npt.NDArray[np.float32], npt.NDArray[np.int8]]


def planted_rows(rows: int, clusters: int, seed: int) -> Rows:
    """Return rows around planted prototypes, made in blocks to keep memory low."""
    rng = np.random.default_rng(seed)
    centres = 1.2 * rng.standard_normal((clusters, NUMBERS), dtype=np.float32)
    modes = rng.integers(0, CODES, (clusters, CATEGORIES), dtype=np.int8)
    X = np.empty((rows, NUMBERS), dtype=np.float32)
    codes = np.empty((rows, CATEGORIES), dtype=np.int8)
    for begin in range(0, rows, 250_000):
        part = slice(begin, min(begin + 250_000, rows))
        count = part.stop - begin
        group = rng.integers(0, clusters, count)
        X[part] = centres[group] + rng.standard_normal((count, NUMBERS), dtype=np.float32)
        noise = rng.integers(0, CODES, (count, CATEGORIES), dtype=np.int8)
        codes[part] = np.where(rng.random((count, CATEGORIES)) < 0.6, modes[group], noise)
    return X, codes


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what `work` gave and its seconds."""
    begun = time.perf_counter()
    return work(), time.perf_counter() - begun


def ours(rows: Rows, start: Rows, passes: int) -> tuple[KPrototypes, float]:
    """Return a fit from `start` and its row·iterations a second."""
    model = KPrototypes(len(start[0]), gamma=0.5, init=start, max_iter=passes)
    fits = [timed(lambda: model.fit(*rows)) for _ in range(REPEATS)]
    return model, len(rows[0]) * model.n_iter_ / min(seconds for _, seconds in fits)


def scikit_learn(rows: Rows, start: Rows, passes: int) -> float:
    """Return row·iterations a second of Lloyd's KMeans on numbers and scaled one-hot codes."""

    def one_hot(codes: npt.NDArray[np.int8]) -> npt.NDArray[np.float32]:
        flags = codes[:, :, None] == np.arange(CODES, dtype=np.int8)
        return np.asarray(flags.reshape(len(codes), -1) * np.float32(0.5), dtype=np.float32)

    X = np.hstack([rows[0], one_hot(rows[1])])
    begin = np.hstack([start[0], one_hot(start[1])])
    means = KMeans(len(begin), init=begin, n_init=1, max_iter=passes, tol=0, algorithm="lloyd")
    fits = [timed(lambda: means.fit(X)) for _ in range(REPEATS)]
    return len(X) * int(means.n_iter_) / min(seconds for _, seconds in fits)


def compare_with_kmodes(rows: Rows, start: Rows) -> dict[str, Any]:
    """Return kmodes' speed and how cost and labels agree, or why it was not measured."""
    try:
        from kmodes.kprototypes import KPrototypes as Usual  # noqa: PLC0415
    except ImportError:
        return {"kmodes": "not installed; pip install kmodes==0.12.2"}
    usual = Usual(len(start[0]), gamma=0.5, init=[start[0].astype(float), start[1].astype(float)],
                  n_init=1, max_iter=100, n_jobs=1, random_state=0)  # fmt: skip
    table = np.hstack([rows[0].astype(float), rows[1].astype(float)])
    fit, seconds = timed(
        lambda: usual.fit(table, categorical=list(range(NUMBERS, NUMBERS + CATEGORIES)))
    )
    mine, _ = ours(rows, start, 100)
    return {
        # It assigns every row once before it begins to count iterations.
        "kmodes_row_iterations_per_s": len(table) * (fit.n_iter_ + 1) / seconds,
        "kmodes_rows": len(table),
        "cost": mine.cost_,
        "kmodes_cost": float(fit.cost_),
        "cost_ratio": mine.cost_ / float(fit.cost_),
        "equal_labels": float((mine.labels_ == fit.labels_).mean()),
    }


def whole_fit(rows: Rows, clusters: int, seed: int) -> dict[str, Any]:
    """Return seconds of a fit to convergence from a tight start, and of predicting."""
    model = KPrototypes(clusters, gamma=0.5, init="sample", random_state=seed)
    _, seconds = timed(lambda: model.fit(*rows))
    labels, predict = timed(lambda: model.predict(*rows))
    return {
        "fit_s": seconds,
        "fit_iterations": model.n_iter_,
        "fit_row_iterations_per_s": len(rows[0]) * model.n_iter_ / seconds,
        "predict_s": predict,
        "labels_equal": bool((labels == model.labels_).all()),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kmodes-rows", type=int, default=3_000)
    parser.add_argument("--clusters", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--whole", action="store_true", help="Only fit to convergence, predict.")
    options = parser.parse_args()
    rows = planted_rows(options.rows, options.clusters, options.seed)
    start = rows[0][: options.clusters].copy(), rows[1][: options.clusters].copy()
    warm = rows[0][:2000], rows[1][:2000]
    ours(warm, start, 2)[0].predict(*warm)  # compile before the clock starts
    result: dict[str, Any] = {"benchmark": "k_prototypes", "rows": options.rows,
                              "clusters": options.clusters}  # fmt: skip
    if options.whole:
        result |= whole_fit(rows, options.clusters, options.seed)
    else:
        result["row_iterations_per_s"] = ours(rows, start, PASSES)[1]
        result["scikit_learn_row_iterations_per_s"] = scikit_learn(rows, start, PASSES)
        result["ratio_scikit_learn"] = (
            result["row_iterations_per_s"] / result["scikit_learn_row_iterations_per_s"]
        )
        few = rows[0][: options.kmodes_rows], rows[1][: options.kmodes_rows]
        result |= compare_with_kmodes(few, start)
        if "kmodes_row_iterations_per_s" in result:
            result["ratio_kmodes"] = (
                result["row_iterations_per_s"] / result["kmodes_row_iterations_per_s"]
            )
    result["peak_memory_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(result))


if __name__ == "__main__":
    main()
