"""The demo bank's generator beside NumPy's normal deviates and Faker.

Prints one JSON line: rows and values a second of `simulate` (on `--threads` cores, its Parquet
files included), of as many ``standard_normal`` values on one core, and of Faker making rows of the
same columns of the same tables on one core. The sides are not alike: `simulate` lets customers with
groups and styles choose products, keeps balances and arrears consistent, and writes compressed
files; the others draw independent values and throw them away. Faker is sampled; where it isn't
installed its figures are null.
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
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from passbook.demo.bank.simulation import simulate
from passbook.demo.bank.source_tables import SOURCE_TABLES

END = date(2026, 3, 15)
NORMAL_BLOCK = 10_000_000


def simulate_rows(customers: int, months: int, seed: int, threads: int) -> dict[str, Any]:
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
    return {
        "seconds": seconds,
        "rows": rows,
        "rows_by_table": written.rows,
        "values": values,
        "bytes": size,
        "rows_per_second": rows / seconds,
        "values_per_second": values / seconds,
    }


def normal_values(values: int, seed: int) -> float:
    """Return NumPy's standard normal values a second, drawn in blocks on one core."""
    rng = np.random.default_rng(seed)
    start = time.perf_counter()
    for left in range(values, 0, -NORMAL_BLOCK):
        rng.standard_normal(min(left, NORMAL_BLOCK))
    return values / (time.perf_counter() - start)


def faker_rows(rows: dict[str, int], sample: int, seed: int) -> float | None:
    """Return the rows a second that Faker makes of all tables, in the simulator's proportions.

    A call a value, as Faker is used; the tuple of a row is thrown away. Tables are sampled evenly
    and weighed by their rows.
    """
    if importlib.util.find_spec("faker") is None:
        print("Faker is not installed: its side is left out.", file=sys.stderr)
        return None
    fake: Any = importlib.import_module("faker").Faker("ko_KR")
    fake.seed_instance(seed)
    seconds = 0.0
    for name, count in rows.items():
        calls = [faker_call(fake, field) for field in SOURCE_TABLES[name].schema]
        start = time.perf_counter()
        for _ in range(sample):
            _ = tuple(call() for call in calls)
        seconds += (time.perf_counter() - start) / sample * count
    return sum(rows.values()) / seconds


def faker_call(fake: Any, field: pa.Field) -> Callable[[], object]:
    """Return Faker's call for a column: a number, a code, a name, a day, a count or an amount."""
    if field.name == "prod_nm":
        return partial(fake.catch_phrase)
    if field.name.endswith("_no"):
        return partial(fake.numerify, "##########")
    if pa.types.is_string(field.type):
        return partial(fake.random_element, tuple(f"{n:02}" for n in range(20)))
    if pa.types.is_date32(field.type):
        return partial(fake.date_between, END - timedelta(days=900), END)
    return partial(fake.random_int, 0, 100 if field.type == pa.int32() else 10_000_000)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--months", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--faker-rows", type=int, default=2_000,
                        help="rows of each table that Faker makes (2,000)")  # fmt: skip
    chosen = parser.parse_args()
    ours = simulate_rows(chosen.customers, chosen.months, chosen.seed, chosen.threads)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    normal = normal_values(int(ours["values"]), chosen.seed)
    faker = faker_rows(ours.pop("rows_by_table"), chosen.faker_rows, chosen.seed)
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
