"""The content hash against its definition, spelt out by hand."""

from __future__ import annotations

import hashlib
import struct
from datetime import date

import pyarrow as pa

from passbook.mart.content_hash import ContentHash
from passbook.mart.wire import encode


def _sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _hash(batch: pa.RecordBatch) -> str:
    content = ContentHash()
    content.update(encode(column) for column in batch.columns)
    return content.hexdigest()


def test_the_definition_by_hand() -> None:
    block = pa.record_batch(
        {
            "day": pa.array([date(2000, 1, 2), date(1999, 12, 31)]),
            "name": pa.array(["예금", None]),
            "lists": pa.array([["a", "bc"], []], pa.list_(pa.string())),
            "reals": pa.array([[0.5], []], pa.list_(pa.float32())),
        }
    )
    day = struct.pack(">ii", 4, 4) + struct.pack(">ii", 1, -1)
    name = struct.pack(">ii", 6, -1) + "예금".encode()
    two = struct.pack(">iiiii", 1, 0, 25, 2, 1) + struct.pack(">i1si2s", 1, b"a", 2, b"bc")
    lists = struct.pack(">ii", 31, 12) + two + struct.pack(">iii", 0, 0, 25)
    real = struct.pack(">iiiii", 1, 0, 700, 1, 1) + struct.pack(">if", 4, 0.5)
    reals = struct.pack(">ii", 28, 12) + real + struct.pack(">iii", 0, 0, 700)
    expected = _sha(_sha(b"".join(map(_sha, (day, name, lists, reals)))))
    assert _hash(block) == expected.hex()


def test_a_slice_hashes_as_its_copy() -> None:
    whole = pa.record_batch(
        {
            "text": pa.array(["x", "yy", None, "zzz"]),
            "lists": pa.array([["a"], ["b", "c"], [], ["d"]], pa.list_(pa.string())),
            "reals": pa.array([[1.0], [2.0, 3.0], [], [4.0]], pa.list_(pa.float32())),
            "flag": pa.array([True, None, False, True]),
            "count": pa.array([1, None, 3, 4], pa.int32()),
        }
    )
    part = whole.slice(1, 3)
    assert _hash(part) == _hash(pa.RecordBatch.from_pylist(part.to_pylist(), whole.schema))


def test_a_null_differs_from_an_empty_text() -> None:
    values = ([None, "a"], ["", "a"], ["a", None], ["a", ""])
    assert len({_hash(pa.record_batch({"t": pa.array(v, pa.string())})) for v in values}) == 4
