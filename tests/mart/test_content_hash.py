"""The content hash against its definition, spelt out by hand."""

from __future__ import annotations

import hashlib
import struct
from datetime import date

import pyarrow as pa

from passbook.mart.content_hash import ContentHash


def _sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def test_the_definition_by_hand() -> None:
    block = pa.record_batch(
        {
            "day": pa.array([date(2000, 1, 2), date(1999, 12, 31)]),
            "name": pa.array(["예금", None]),
            "lists": pa.array([["a", "b"], []], pa.list_(pa.string())),
            "reals": pa.array([[0.5], []], pa.list_(pa.float32())),
        }
    )
    day = struct.pack(">ii", 4, 4) + struct.pack(">ii", 1, -1)
    name = struct.pack(">ii", 6, -1) + "예금".encode()
    lists = struct.pack(">ii", 3, 0) + b"a\x1fb"
    real = struct.pack(">iiiii", 1, 0, 700, 1, 1) + struct.pack(">if", 4, 0.5)
    reals = struct.pack(">ii", 28, 12) + real + struct.pack(">iii", 0, 0, 700)
    expected = _sha(_sha(b"".join(map(_sha, (day, name, lists, reals)))))
    content = ContentHash()
    content.update(block)
    assert content.hexdigest() == expected.hex()
    assert content.rows == 2


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
    sliced, copied = ContentHash(), ContentHash()
    sliced.update(whole.slice(1, 3))
    copied.update(pa.RecordBatch.from_pylist(whole.slice(1, 3).to_pylist(), schema=whole.schema))
    assert sliced.hexdigest() == copied.hexdigest()


def test_a_null_differs_from_an_empty_text() -> None:
    hashes = set()
    for values in ([None, "a"], ["", "a"], ["a", None], ["a", ""]):
        content = ContentHash()
        content.update(pa.record_batch({"text": pa.array(values, pa.string())}))
        hashes.add(content.hexdigest())
    assert len(hashes) == 4
