"""The demo bank's generator beside NumPy's normal deviates and Faker.

Prints one JSON line: rows and values a second of `simulate` (files included), of as many
``standard_normal`` values, and of Faker making rows of the same columns. Faker is sampled; where it
isn't installed its figures are null.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import resource
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from passbook.demo.bank.simulation import simulate
from passbook.demo.bank.source_tables import SOURCE_TABLES

END = date(2026, 3, 15)
NORMAL_BLOCK = 10_000_000


def simulate_rows(customers: int, months: int, seed: int, threads: int) -> dict[str, float]:
    """Time the generator, its files written to a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="passbook-simulate-") as folder:
        start = time.perf_counter()
        written = simulate(
            Path(folder), customers=customers, seed=seed, end=END, months=months, threads=threads
        )
        seconds = time.perf_counter() - start
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet"))
    values = sum(count * len(SOURCE_TABLES[table].schema) for table, count in written.rows.items())
    rows = sum(written.rows.values())
    return {"seconds": seconds, "rows": rows, "values": values, "bytes": size,
            "rows_per_second": rows / seconds, "values_per_second": values / seconds}  # fmt: skip


def normal_values(values: int, seed: int) -> float:
    """Return NumPy's standard normal values a second, drawn in blocks on one core."""
    rng = np.random.default_rng(seed)
    start = time.perf_counter()
    for left in range(values, 0, -NORMAL_BLOCK):
        rng.standard_normal(min(left, NORMAL_BLOCK))
    return values / (time.perf_counter() - start)


def faker_rows(rows: int, seed: int) -> float | None:
    """Return the transactions a second that Faker makes, columns as in transaction_history."""
    if importlib.util.find_spec("faker") is None:
        print("Faker is not installed: its side is left out.", file=sys.stderr)
        return None
    fake: Any = importlib.import_module("faker").Faker("ko_KR")
    fake.seed_instance(seed)
    first = END - timedelta(days=900)
    start = time.perf_counter()
    for _ in range(rows):
        _ = (
            fake.numerify("##########"),
            fake.date_between(first, END),
            fake.random_int(0, 23),
            fake.random_element(("IV", "TR", "DP", "WD", "CD")),
            fake.random_element(("1", "2")),
            fake.random_int(10, 10_000_000),
        )
    return rows / (time.perf_counter() - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--months", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--faker-rows", type=int, default=20_000)
    chosen = parser.parse_args()
    ours = simulate_rows(chosen.customers, chosen.months, chosen.seed, chosen.threads)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    normal = normal_values(int(ours["values"]), chosen.seed)
    faker = faker_rows(chosen.faker_rows, chosen.seed)
    print(
        json.dumps(
            {
                "benchmark": "simulate",
                "customers": chosen.customers,
                "months": chosen.months,
                "simulate": ours,
                "numpy_standard_normal_values_per_second": normal,
                "faker_rows_per_second": faker,
                "ratio_to_numpy": ours["values_per_second"] / normal,
                "ratio_to_faker": ours["rows_per_second"] / faker if faker else None,
                "peak_memory_gb": peak,
            }
        )
    )


if __name__ == "__main__":
    main()
