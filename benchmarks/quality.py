"""Quality of the nine work tables: the stage's check beside the engine's own time.

Fills the work tables of `--customers` customers with random sound rows in HiveServer2
(PASSBOOK_HIVE_URL, else one of its own), counts the same figures by one hand-written statement a
table, then checks as `ingest_work_tables` does (figures, great_expectations, findings). Prints one
JSON line: seconds of both, their ratio, rules, peak memory of this process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from passbook import hive
from passbook.contracts import WORK_TABLES, Column, Table
from passbook.embedded import hiveserver2
from passbook.quality.figures import partition_sql
from passbook.quality.rules import references, rules_of
from passbook.settings import Settings
from passbook.sources import Source
from passbook.steps.check_work_tables import check
from passbook.steps.ingest_work_tables import create_table
from passbook.steps.week import Week

SOURCE = "quality_benchmark"
BASE_DATE = date(2022, 12, 4)
LITERAL = f"DATE '{BASE_DATE}'"
PRODUCTS = 300
BLOCK = 500_000


def rows_of(name: str, customers: int) -> int:
    """Return how many rows a work table has for so many customers."""
    if name == "product":
        return PRODUCTS
    return 2 * customers if name.endswith("_holding") else customers


def values(column: Column, table: Table, numbers: np.ndarray, rng: np.random.Generator) -> pa.Array:
    """Return sound values of a column for the rows with these numbers."""
    rows = len(numbers)
    if column.name == "customer_id":
        return padded(numbers if table.key else numbers // 2, 10)
    if column.name == "product_code":
        return padded(numbers if table.key else rng.integers(0, PRODUCTS, rows), 4)
    words = column.codes or tuple(f"값{n}" for n in range(50))
    if pa.types.is_string(column.type):
        return pa.array(words).take(pa.array(rng.integers(0, len(words), rows)))
    return numbers_of(column, rows, rng).cast(column.type)


def padded(numbers: np.ndarray, width: int) -> pa.Array:
    """Return numbers as texts of one width."""
    return pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")


def numbers_of(column: Column, rows: int, rng: np.random.Generator) -> pa.Array:
    """Return dates, flags, shares or counts, and accounts that are the sum of their parts."""
    if pa.types.is_date32(column.type):
        day = (BASE_DATE - date(1970, 1, 1)).days
        return pa.array((day - rng.integers(0, 9000, rows)).astype(np.int32))
    if pa.types.is_boolean(column.type):
        return pa.array(rng.random(rows) < 0.5)
    if pa.types.is_floating(column.type):
        return pa.array(rng.random(rows))
    fixed = {"account_count": 3, "time_deposit_count": 1, "installment_count": 1, "demand_count": 1}
    if column.name in fixed:
        return pa.array(np.full(rows, fixed[column.name]))
    return pa.array(rng.integers(0, 1_000_000, rows))


def fill(door: hive.Hive, database: str, folder: Path, customers: int) -> None:
    """Write every work table as Parquet and register it as the base date's partition."""
    door.execute(f"DROP DATABASE IF EXISTS {database} CASCADE")
    door.execute(f"CREATE DATABASE {database}")
    for table in WORK_TABLES.values():
        place = folder / table.name
        place.mkdir(parents=True)
        rng = np.random.default_rng(0)
        with pq.ParquetWriter(place / "part-0.parquet", table.schema) as writer:
            for start in range(0, rows_of(table.name, customers), BLOCK):
                end = min(start + BLOCK, rows_of(table.name, customers))
                numbers = np.arange(start, end)
                arrays = [values(column, table, numbers, rng) for column in table.columns]
                writer.write_table(pa.table(arrays, schema=table.schema))
        door.execute(create_table(table, database))
        door.execute(
            f"ALTER TABLE {database}.{table.name} ADD PARTITION (base_date='{BASE_DATE}') "
            f"LOCATION '{place.as_uri()}'"
        )


def hand_written(table: Table, selects: dict[str, str], base_date: str) -> str:
    """Return one statement that counts all of a table's figures in a single scan and join.

    It is what one would write at first: COUNT(DISTINCT key) beside the other counts, and a LEFT
    JOIN to each table that is referred to.
    """
    rules = rules_of(table.name, base_date, selects)
    counts = ["COUNT(*) AS row_count"]
    counts += [f"{rule.unexpected} AS `{rule.alias}`" for rule in rules if not rule.group]
    joins = []
    if table.key:
        key = ", ".join(f"t.`{name}`" for name in table.key)
        counts.append(f"COUNT(*) - COUNT(DISTINCT {key}) AS key__unique")
    for reference in references(table, selects):
        key, other = WORK_TABLES[reference.table].key[0], f"{reference.table}_keys"
        column = f"t.`{reference.column}`"
        counts.append(
            f"SUM(CASE WHEN {column} IS NOT NULL AND {other}.k IS NULL THEN 1 ELSE 0 END) "
            f"AS {reference.column}__known"
        )
        keys = f"SELECT DISTINCT r.`{key}` AS k FROM ({selects[reference.table]}) r"
        joins.append(f"LEFT JOIN ({keys}) {other} ON {column} = {other}.k")
    return f"SELECT {', '.join(counts)} FROM ({selects[table.name]}) t {' '.join(joins)}"


def by_hand(door: hive.Hive, database: str, base_date: str = LITERAL) -> float:
    """Count the same figures by one statement a table; return the seconds."""
    selects = {table: partition_sql(table, database, base_date) for table in WORK_TABLES}
    start = time.perf_counter()
    for table in WORK_TABLES.values():
        door.query(hand_written(table, selects, base_date))
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        own = os.environ.get("PASSBOOK_HIVE_URL")
        url = own or hiveserver2.start(Path(home), heap="4g").url
        settings = Settings(source=SOURCE)
        source = Source(SOURCE, Path(home), dict.fromkeys(WORK_TABLES, ""))
        try:
            with hive.connect(url) as door:
                fill(door, settings.work_database, Path(home) / "tables", given.customers)
                by_hand(door, settings.work_database)  # warm: the engine compiles its plans
                engine = by_hand(door, settings.work_database)
                start = time.perf_counter()
                findings = check(Week(BASE_DATE, settings, door, source)).findings
                seconds = time.perf_counter() - start
                door.execute(f"DROP DATABASE {settings.work_database} CASCADE")
        finally:
            if not own:
                hiveserver2.stop(Path(home))
    figures = {
        "benchmark": "quality",
        "customers": given.customers,
        "rules": len(findings),
        "failed": sum(not f.passed and f.rule.severity == "fail" for f in findings),
        "engine_seconds": round(engine, 1),
        "check_seconds": round(seconds, 1),
        "check_over_engine": round(seconds / engine, 2),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
