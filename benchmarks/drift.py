"""Drift of many features over many rows: one pass of counting against NumPy's own histograms.

Prints one JSON line. Blocks of random numbers are made beforehand and counted in turn, so that
the figure is of counting; the usual way is timed on fewer blocks and scaled by rows.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import numpy as np
import pyarrow as pa

from passbook import drift
from passbook.settings import DRIFT_THRESHOLDS

DISTINCT_BLOCKS = 4


def make_blocks(rows: int, features: int, seed: int) -> list[pa.RecordBatch]:
    """Return a few blocks: normal, skewed, zero-inflated and whole-numbered features."""
    rng = np.random.default_rng(seed)
    makers = (
        lambda: rng.normal(size=rows),
        lambda: rng.lognormal(12, 1.5, rows),
        lambda: np.where(rng.random(rows) < 0.7, 0.0, rng.lognormal(10, 1, rows)),
        lambda: rng.poisson(3, rows).astype(np.int32),
    )
    return [
        pa.record_batch({f"feature_{i}": makers[i % 4]() for i in range(features)})
        for _ in range(DISTINCT_BLOCKS)
    ]


def usual_way(blocks: list[pa.RecordBatch], like: dict[str, drift.Histogram], times: int) -> float:
    """Return seconds of `numpy.histogram` over `times` blocks."""
    started = time.perf_counter()
    for block in (blocks[i % len(blocks)] for i in range(times)):
        for name, bins in like.items():
            values = block.column(name).to_numpy(zero_copy_only=False)
            np.histogram(values, np.array([-np.inf, *bins.edges, np.inf]))
    return time.perf_counter() - started


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--features", type=int, default=100)
    parser.add_argument("--block-rows", type=int, default=250_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    blocks = make_blocks(options.block_rows, options.features, options.seed)
    reference = drift.reference_histograms(pa.Table.from_batches(blocks[:1]))
    number = options.rows // options.block_rows
    started = time.perf_counter()
    current = drift.count(
        reference, (blocks[i % len(blocks)] for i in range(number)), threads=options.threads
    )
    found = drift.compare(reference, current, drift.Thresholds(**DRIFT_THRESHOLDS))
    seconds = time.perf_counter() - started
    sampled = max(1, number // 20)
    usual = usual_way(blocks, reference, sampled) * number / sampled
    print(
        json.dumps(
            {
                "benchmark": "drift",
                "rows": number * options.block_rows,
                "features": options.features,
                "threads": options.threads,
                "seconds": round(seconds, 2),
                "numpy_histogram_seconds": round(usual, 2),
                "ratio": round(usual / seconds, 1),
                "drifted": sum(feature.drifted for feature in found),
                "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
