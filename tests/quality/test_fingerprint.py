"""The hash follows the content alone: not files, blocks, slices, or what lies under nulls."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from passbook.quality.fingerprint import fingerprint

TABLE = pa.table(
    {
        "customer_id": ["가나", "", "b", None, "다", "f"],
        "count": pa.array([1, None, 3, 4, 5, 6], pa.int32()),
        "amount": pa.array([0.5, -1.0, None, 2.0, 0.0, 3.5]),
        "opened_on": pa.array([date(2020, 2, 29), None] * 3),
        "flag": pa.array([True, None, False] * 2),
    }
)


def digest(table: pa.Table, rows: int = 100) -> str:
    return fingerprint(table.schema, table.to_batches(max_chunksize=rows))


@pytest.mark.parametrize("rows", [1, 2, 4, 5])
def test_blocks_do_not_show(rows: int) -> None:
    assert digest(TABLE, rows) == digest(TABLE)


def test_slices_and_values_under_nulls_do_not_show() -> None:
    padded = pa.concat_tables([TABLE.slice(3), TABLE]).combine_chunks().slice(3)
    assert digest(padded) == digest(TABLE)
    hidden = pa.Array.from_buffers(
        pa.int32(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(np.array([7, 99], np.int32))]
    )
    shown = pa.array([7, None], pa.int32())
    assert digest(pa.table({"x": hidden})) == digest(pa.table({"x": shown}))


def test_minus_zero_is_zero() -> None:
    assert digest(pa.table({"x": [-0.0]})) == digest(pa.table({"x": [0.0]}))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["ab", "c"], ["a", "bc"]),
        (["", "x"], [None, "x"]),
        ([0, 1], [None, 1]),
        ([1, 2], [2, 1]),
        ([False], [None]),
        ([1.0], [1.0000000000000002]),
    ],
)
def test_every_change_shows(one: list[object], other: list[object]) -> None:
    type_ = pa.array(one).type
    assert digest(pa.table({"x": pa.array(one, type_)})) != digest(
        pa.table({"x": pa.array(other, type_)})
    )


def test_names_types_and_columns_show() -> None:
    one = pa.table({"x": pa.array([1, 2], pa.int32()), "y": pa.array([3, 4], pa.int32())})
    assert digest(one) != digest(one.rename_columns(["x", "z"]))
    assert digest(one) != digest(one.select(["y", "x"]))
    assert digest(one) != digest(one.cast(pa.schema([("x", pa.int64()), ("y", pa.int32())])))


def test_an_empty_table_has_a_hash_of_its_schema() -> None:
    empty = TABLE.slice(0, 0)
    assert digest(empty) == fingerprint(TABLE.schema, []) != digest(TABLE)
