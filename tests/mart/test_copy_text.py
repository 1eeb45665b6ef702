"""Arrow to COPY: every value that Postgres can hold arrives as it left."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import psycopg2
import pyarrow as pa
import pytest
from psycopg2 import sql

from passbook.mart.copy_text import array_literals, copy_batches, to_csv

TRICKY = ["", " ", "NULL", "null", "\\N", "\\.", '"', '""', "'", ",", "{", "}", "{}", "a\nb", "\r",
          "\t", "\\", '\\"', "우체국 예금", "🏦", "a,b", "%s", "\x1f"]  # fmt: skip


def test_array_literals_quote_what_postgres_would_read_otherwise() -> None:
    lists = pa.array([["a", 'b "c"'], [], None, ["\\", None]], pa.list_(pa.string()))
    assert array_literals(lists).to_pylist() == ['{"a","b \\"c\\""}', "{}", None, '{"\\\\",NULL}']


def test_array_literals_of_a_slice_are_those_of_its_rows() -> None:
    lists = pa.array([[1.0, 2.5], [3.0], None, [1e-20]], pa.list_(pa.float32())).slice(1)
    assert array_literals(lists).to_pylist() == ["{3}", None, "{1e-20}"]


def test_null_is_empty_and_the_empty_string_is_quoted() -> None:
    batch = pa.record_batch({"a": pa.array(["", None, "x"]), "b": pa.array([1, None, 2])})
    assert to_csv(batch).to_pybytes() == b'"",1\n,\n"x",2\n'


@pytest.mark.postgres
def test_round_trip_of_tricky_values(postgres_database: str) -> None:
    rng = np.random.default_rng(0)
    texts = [*TRICKY, None] * 20
    lists = [list(rng.choice(TRICKY, rng.integers(0, 6))) for _ in texts]
    reals = [[float(np.float32(x)) for x in rng.normal(size=k)] for k in rng.integers(0, 4, 480)]
    doubles = [*(rng.normal(size=478) * 10.0 ** rng.integers(-300, 300, 478)), -0.0, 5e-324]
    batch = pa.record_batch(
        {
            "t": pa.array(texts),
            "l": pa.array(lists, pa.list_(pa.string())),
            "r": pa.array(reals, pa.list_(pa.float32())),
            "d": pa.array(doubles),
            "flag": pa.array([True, False, None] * 160),
        }
    )
    with closing(psycopg2.connect(postgres_database)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE x (n serial, t text, l text[], r real[],"
                       " d double precision, flag boolean)")  # fmt: skip
        copy_batches(
            cursor,
            sql.Identifier("x"),
            batch.schema.names,
            iter([batch.slice(0, 7), batch.slice(7)]),
        )
        assert cursor.rowcount == len(texts)
        cursor.execute("SELECT t, l, r, d, flag FROM x ORDER BY n")
        found = cursor.fetchall()
    assert [row[0] for row in found] == texts
    assert [row[1] for row in found] == lists
    assert [[float(np.float32(x)) for x in row[2]] for row in found] == reals
    assert [row[3] for row in found] == doubles
    assert [row[4] for row in found] == batch["flag"].to_pylist()


@pytest.mark.postgres
def test_an_error_of_the_source_is_raised_as_it_is(postgres_database: str) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"a": pa.array([1])})
        raise ValueError("the source broke")

    with closing(psycopg2.connect(postgres_database)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE x (a int)")
        with pytest.raises(ValueError, match="the source broke"):
            copy_batches(cursor, sql.Identifier("x"), ["a"], batches())


@pytest.mark.postgres
def test_a_refused_row_fails_the_copy_and_ends_the_thread(postgres_database: str) -> None:
    bad = pa.record_batch({"a": pa.array(["no number"])})
    with closing(psycopg2.connect(postgres_database)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE x (a int)")
        with pytest.raises(psycopg2.DataError):
            copy_batches(cursor, sql.Identifier("x"), ["a"], iter([bad] * 10))
    assert not [t for t in threading.enumerate() if t.name == "copy-ahead"]
