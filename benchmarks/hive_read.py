"""Hive → Arrow: a work table's files, and the Thrift stream, beside PyHive's fetchall.

Registers a table of `--rows` × `--columns` in HiveServer2 (PASSBOOK_HIVE_URL, else one of its own),
reads it each way in a process of its own, and prints one JSON line: rows a second by the clock and
by this side's processor time (which a busy machine leaves alone), ratios, peak memory; medians of
`--rounds` after one to warm the server. PyHive and the stream read `--thrift-rows` only.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from passbook import hive
from passbook.contracts import WORK_TABLES, Column, Table
from passbook.embedded import hiveserver2

DATABASE = "hive_read_benchmark"
WHOLE, PART = date(2022, 12, 4), date(2022, 11, 27)
BLOCK = 50_000
HIVE_TYPES = {"string": "STRING", "int32": "INT", "int64": "BIGINT", "double": "DOUBLE"}


def wide_table(columns: int) -> Table:
    """Return a contract of a customer number and amounts, counts and shares in turn."""
    kinds = (pa.int64(), pa.int32(), pa.float64())
    numbers = [Column(f"n{i:02}", kinds[i % 3], "A number") for i in range(columns - 1)]
    key = Column("customer_id", pa.string(), "Customer number")
    return Table("wide", "A wide work table", ("customer_id",), (key, *numbers))


def write(table: Table, file: Path, rows: int) -> None:
    """Write random rows, sorted by key, as one Parquet file."""
    rng = np.random.default_rng(0)
    with pq.ParquetWriter(file, table.schema) as writer:
        for start in range(0, rows, 500_000):
            numbers = range(start, min(start + 500_000, rows))
            arrays = [pa.array([f"{n:010}" for n in numbers])]
            for column in table.columns[1:]:
                values = rng.lognormal(12, 1.5, len(numbers))
                arrays.append(pa.array(values).cast(column.type, safe=False))
            writer.write_table(pa.table(arrays, schema=table.schema))


def register(url: str, table: Table, folder: Path) -> None:
    """Register both partitions."""
    columns = ", ".join(f"`{c.name}` {HIVE_TYPES[str(c.type)]}" for c in table.columns)
    with hive.connect(url) as door:
        door.execute(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
        door.execute(f"DROP TABLE IF EXISTS {DATABASE}.wide")
        door.execute(
            f"CREATE EXTERNAL TABLE {DATABASE}.wide ({columns}) PARTITIONED BY (base_date DATE) "
            f"STORED AS PARQUET LOCATION '{folder.as_uri()}'"
        )
        for at in (WHOLE, PART):
            door.execute(
                f"ALTER TABLE {DATABASE}.wide ADD PARTITION (base_date='{at}') "
                f"LOCATION '{(folder / str(at)).as_uri()}'"
            )


def read_files(url: str, columns: int) -> int:
    """Read the whole partition from its files."""
    WORK_TABLES["wide"] = wide_table(columns)
    with hive.connect(url) as door:
        return int(door.read_table(DATABASE, "wide", WHOLE).num_rows)


def read_stream(url: str, columns: int) -> int:
    """Read the small partition through HiveServer2, block by block."""
    WORK_TABLES["wide"] = wide_table(columns)
    with hive.connect(f"{url}&read=thrift") as door:
        return sum(b.num_rows for b in door.iter_batches(DATABASE, "wide", PART, rows=BLOCK))


def read_pyhive(url: str, columns: int) -> int:
    """Read the small partition by PyHive's fetchall."""
    from pyhive import hive as pyhive  # noqa: PLC0415

    names = ", ".join(wide_table(columns).column_names)
    address = urlsplit(url)
    connection = pyhive.connect(address.hostname, address.port, username=address.username)
    cursor = connection.cursor()
    cursor.execute(f"SELECT {names} FROM {DATABASE}.wide WHERE base_date = '{PART}'")
    return len(cursor.fetchall())


def measured(read: Callable[[str, int], int], url: str, columns: int) -> tuple[float, float, float]:
    """Return rows a second by clock and by processor, and peak memory in MB, of a way to read."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measure, (read, url, columns))


def _measure(read: Callable[[str, int], int], url: str, columns: int) -> tuple[float, float, float]:
    clock, processor = time.perf_counter(), time.process_time()
    rows = read(url, columns)
    seconds, worked = time.perf_counter() - clock, time.process_time() - processor
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return rows / seconds, rows / worked, memory


def middle(rounds: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    """Return the medians of the speeds, and the largest memory."""
    by_clock, by_processor, memory = zip(*rounds, strict=True)
    return median(by_clock), median(by_processor), max(memory)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--thrift-rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=9, help="the median of them counts (9)")
    parser.add_argument("--columns", type=int, default=25)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        folder, own = Path(home) / "wide", os.environ.get("PASSBOOK_HIVE_URL")
        table = wide_table(given.columns)
        for at, rows in ((WHOLE, given.rows), (PART, given.thrift_rows)):
            (folder / str(at)).mkdir(parents=True)
            write(table, folder / str(at) / "part-0.parquet", rows)
        url = own or hiveserver2.start(Path(home)).url
        try:
            register(url, table, folder)
            ways = (("files", read_files), ("stream", read_stream), ("pyhive", read_pyhive))
            rounds = [
                {name: measured(way, url, given.columns) for name, way in ways}
                for _ in range(1 + given.rounds)
            ][1:]  # in the first the server compiles its plans
            found = {name: middle([one[name] for one in rounds]) for name, _ in ways}
            with hive.connect(url) as door:
                door.execute(f"DROP DATABASE {DATABASE} CASCADE")
        finally:
            if not own:
                hiveserver2.stop(Path(home))
    figures: dict[str, object] = {
        "benchmark": "hive_read",
        "rows": given.rows,
        "thrift_rows": given.thrift_rows,
        "columns": given.columns,
        "files_over_pyhive": round(found["files"][0] / found["pyhive"][0], 1),
        "stream_over_pyhive": round(found["stream"][0] / found["pyhive"][0], 2),
    }
    for name in ("files", "stream"):
        ratio = found[name][1] / found["pyhive"][1]
        figures[f"{name}_over_pyhive_by_processor"] = round(ratio, 1)
    for name, (speed, by_processor, memory) in found.items():
        figures[f"{name}_rows_per_second"] = round(speed)
        figures[f"{name}_rows_per_processor_second"] = round(by_processor)
        figures[f"{name}_peak_memory_mb"] = round(memory)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
