"""Arrow to COPY: every value that Postgres can hold arrives as it left."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import psycopg2
import pyarrow as pa
import pytest
from psycopg2 import sql

from passbook.mart.copy_stream import copy_blocks
from passbook.mart.wire import WireColumn, encode

pytestmark = pytest.mark.postgres

TRICKY = ["", " ", "NULL", "null", "\\N", "\\.", '"', '""', "'", ",", "{", "}", "{}", "a\nb", "\r",
          "\t", "\\", '\\"', "우체국 예금", "🏦", "a,b", "%s", "\x1f"]  # fmt: skip


def wires(batch: pa.RecordBatch) -> list[WireColumn]:
    return [encode(column) for column in batch.columns]


def test_round_trip_of_tricky_values(postgres_database: str) -> None:
    rng = np.random.default_rng(0)
    texts = [*TRICKY, None] * 20
    lists = [list(rng.choice(TRICKY, rng.integers(0, 6))) for _ in texts]
    lists[5] = None
    reals = [[float(np.float32(x)) for x in rng.normal(size=k)] for k in rng.integers(0, 4, 480)]
    doubles = [*(rng.normal(size=477) * 10.0 ** rng.integers(-300, 300, 477)), -0.0, 5e-324, None]
    batch = pa.record_batch(
        {
            "t": pa.array(texts),
            "l": pa.array(lists, pa.list_(pa.string())),
            "r": pa.array(reals, pa.list_(pa.float32())),
            "d": pa.array(doubles),
            "i": pa.array([None, -1, 2**31 - 1] * 160, pa.int32()),
            "b": pa.array([2**62, None, -(2**63)] * 160, pa.int64()),
            "day": pa.array([0, None, -800_000] * 160, pa.date32()),
            "flag": pa.array([True, False, None] * 160),
        }
    )
    with closing(psycopg2.connect(postgres_database)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE x (n serial, t text, l text[], r real[],"
                       " d double precision, i int, b bigint, day date, flag boolean)")  # fmt: skip
        parts = [wires(batch.slice(0, 7)), wires(batch.slice(7, 0)), wires(batch.slice(7))]
        copy_blocks(cursor, sql.Identifier("x"), batch.schema.names, iter(parts))
        assert cursor.rowcount == len(texts)
        cursor.execute("SELECT t, l, r, d, i, b, day - '1970-01-01'::date, flag FROM x ORDER BY n")
        found = list(zip(*cursor.fetchall(), strict=True))
    assert list(found[0]) == texts
    assert list(found[1]) == lists
    assert [[float(np.float32(x)) for x in row] for row in found[2]] == reals
    assert list(found[3]) == doubles
    assert list(found[4]) == batch["i"].to_pylist()
    assert list(found[5]) == batch["b"].to_pylist()
    assert list(found[6]) == batch["day"].cast(pa.int32()).to_pylist()
    assert list(found[7]) == batch["flag"].to_pylist()


def test_a_list_with_a_missing_element_is_refused() -> None:
    with pytest.raises(ValueError, match="missing elements"):
        encode(pa.array([["a", None]], pa.list_(pa.string())))


def test_an_error_of_the_source_is_raised_as_it_is(postgres_database: str) -> None:
    def blocks() -> Iterator[list[WireColumn]]:
        yield wires(pa.record_batch({"a": pa.array([1], pa.int32())}))
        raise LookupError("the source broke")

    with closing(psycopg2.connect(postgres_database)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE x (a int)")
        with pytest.raises(LookupError, match="the source broke"):
            copy_blocks(cursor, sql.Identifier("x"), ["a"], blocks())


def test_a_refused_row_fails_the_copy_and_ends_the_thread(postgres_database: str) -> None:
    bad = wires(pa.record_batch({"a": pa.array([1], pa.int64())}))
    with closing(psycopg2.connect(postgres_database)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE x (a int)")
        with pytest.raises(psycopg2.DataError):
            copy_blocks(cursor, sql.Identifier("x"), ["a"], iter([bad] * 10))
    assert not [t for t in threading.enumerate() if t.name == "copy-ahead"]


def test_a_timeout_of_the_task_is_raised_as_it_is(postgres_database: str) -> None:
    """Airflow ends a task by raising in the main thread, wherever that is."""

    class TaskTimeout(BaseException):
        pass

    def ring(*_: object) -> None:
        raise TaskTimeout

    def blocks() -> Iterator[list[WireColumn]]:
        yield wires(pa.record_batch({"a": pa.array([1], pa.int32())}))
        time.sleep(0.2)  # the main thread waits for a block by then
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.2)

    before = signal.signal(signal.SIGUSR1, ring)
    try:
        with (
            closing(psycopg2.connect(postgres_database)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("CREATE TEMP TABLE x (a int)")
            with pytest.raises(TaskTimeout):
                copy_blocks(cursor, sql.Identifier("x"), ["a"], blocks())
    finally:
        signal.signal(signal.SIGUSR1, before)
