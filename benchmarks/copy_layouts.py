"""COPY of recommendation lists against CREATE TABLE AS, by how a table holds a list of five.

Starts a Postgres of its own and prints one JSON line: for each layout the rows a second of COPY
over one connection and over two at once, of CREATE TABLE AS of the same rows, the ratios, and the
bytes a row takes. `arrays` is the mart's layout; `scores_apart` has only the products in an array,
`columns` fifteen columns, and `bytes` all of a list in one value that Postgres need not take apart,
which nobody could query: it tells what COPY itself costs.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from psycopg2 import sql
from publish import BLOCK, OFFERS, lists

from passbook import mart
from passbook.embedded import postgres
from passbook.mart.copy_stream import copy_blocks
from passbook.mart.wire import encode

BATCHES = 4
PACKED = OFFERS * (5 + 4 + 4)
"""Bytes of a list: its codes of five letters, scores and explanations."""
TYPES = {
    pa.string(): 'text COLLATE "C"',
    pa.binary(): "bytea",
    pa.float32(): "real",
    pa.int32(): "integer",
}
Layout = Callable[[pa.RecordBatch], pa.RecordBatch]


def arrays(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows as the mart has them, without their base date."""
    return batch.select(batch.schema.names[1:])


def in_columns(batch: pa.RecordBatch, names: tuple[str, ...]) -> pa.RecordBatch:
    """Return the rows with five columns instead of each of these lists."""
    columns = {name: batch[name] for name in batch.schema.names[1:] if name not in names}
    for name in names:
        values = batch[name].flatten()
        for place in range(OFFERS):
            taken = pa.array(np.arange(place, len(values), OFFERS))
            columns[f"{name}_{place + 1}"] = values.take(taken)
    return pa.record_batch(columns)


def in_bytes(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows with one value of as many bytes as a list's codes and numbers have."""
    offers = np.full(batch.num_rows * PACKED, 7, np.uint8)
    offsets = np.arange(0, len(offers) + 1, PACKED, dtype=np.int32)
    packed = pa.BinaryArray.from_buffers(
        pa.binary(), batch.num_rows, [None, pa.py_buffer(offsets), pa.py_buffer(offers)]
    )
    return batch.select(["customer_id", "scenario", "segment"]).append_column("offers", packed)


LAYOUTS: dict[str, Layout] = {
    "arrays": arrays,
    "scores_apart": partial(in_columns, names=("scores", "explanations")),
    "columns": partial(in_columns, names=("product_codes", "scores", "explanations")),
    "bytes": in_bytes,
}


def definition(schema: pa.Schema) -> sql.Composed:
    """Return the columns of a table of these rows."""
    kinds = [
        TYPES[f.type.value_type].split()[0] + "[]" if pa.types.is_list(f.type) else TYPES[f.type]
        for f in schema
    ]
    return sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(field.name), sql.SQL(kind))
        for field, kind in zip(schema, kinds, strict=True)
    )


def copied(url: str, table: str, batches: list[pa.RecordBatch], times: int) -> None:
    """Make a table and COPY the batches into it so many times, in one transaction."""
    schema = batches[0].schema
    blocks = ([encode(column) for column in b.columns] for _ in range(times) for b in batches)
    with closing(mart.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("CREATE TABLE {} (base_date date DEFAULT '2022-12-04', {})").format(
                sql.Identifier(table), definition(schema)
            )
        )
        copy_blocks(cursor, sql.Identifier(table), schema.names, blocks, freeze=True)


def seconds_of(*works: Callable[[], Any]) -> float:
    """Return the seconds that all of them take, at the same time."""
    threads = [threading.Thread(target=work) for work in works]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started


def execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement, commit, and return its rows."""
    with closing(mart.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def measure(url: str, batches: list[pa.RecordBatch], times: int) -> dict[str, Any]:
    """Return the figures of one layout."""
    rows = times * sum(batch.num_rows for batch in batches)
    halves = [partial(copied, url, f"half_{n}", batches, times // 2) for n in range(2)]
    copied(url, "warm", batches, 1)
    one = seconds_of(partial(copied, url, "whole", batches, times))
    two = seconds_of(*halves)
    created = seconds_of(partial(execute, url, "CREATE TABLE again AS SELECT * FROM whole"))
    [(size,)] = execute(url, "SELECT pg_relation_size('whole')")
    execute(url, "DROP TABLE warm, whole, half_0, half_1, again")
    return {
        "copy_rows_per_s": round(rows / one),
        "copy_by_two_rows_per_s": round(rows / two),
        "create_table_as_rows_per_s": round(rows / created),
        "copy_vs_create_table_as": round(created / one, 2),
        "copy_by_two_vs_create_table_as": round(created / two, 2),
        "bytes_a_row": round(size / rows),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lists", type=int, default=4_000_000, help="recommendation lists")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    batches = list(lists(BATCHES * BLOCK, options.seed))
    times = max(2, options.lists // (2 * BATCHES * BLOCK) * 2)
    with tempfile.TemporaryDirectory(prefix="passbook-copy-") as folder:
        server = postgres.start(Path(folder))
        try:
            mart.migrate(server.url)
            figures = {
                name: measure(server.url, [layout(batch) for batch in batches], times)
                for name, layout in LAYOUTS.items()
            }
        finally:
            postgres.stop(Path(folder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"benchmark": "copy_layouts", **figures, "peak_memory_mb": peak}))


if __name__ == "__main__":
    main()
