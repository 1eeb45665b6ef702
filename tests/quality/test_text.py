"""Text that cannot be kept is told by column, without its content."""

from __future__ import annotations

import pyarrow as pa

from passbook.quality.text import text_faults


def test_korean_emoji_newlines_and_nulls_can_be_kept() -> None:
    kept = pa.record_batch({"name": ["가나 🏦", "a\nb\t,;|\x01", "", None], "n": [1, 2, 3, 4]})
    assert text_faults(kept) == {}
    assert text_faults(kept.slice(0, 0)) == {}


def test_what_is_no_utf_8_and_nul_are_told_by_column() -> None:
    broken = pa.array([b"ok", b"\xff\xfe", None], pa.binary()).cast(pa.string(), safe=False)
    batch = pa.record_batch({"a": broken, "b": pa.array(["x", "y\0z", None])})
    assert text_faults(batch) == {"a": "text that is no UTF-8", "b": "text with a NUL"}
    assert text_faults(batch.slice(0, 1)) == {}


def test_what_an_engine_put_in_place_of_bytes_is_told_as_well() -> None:
    batch = pa.record_batch({"name": ["가나", "정기\ufffd"]})
    assert text_faults(batch) == {"name": "text that is no UTF-8"}
