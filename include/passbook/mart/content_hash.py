"""The sha256 of a table's content, which SQL can compute as well (``ops.content_hash``).

Rows are taken in key order in blocks of `BLOCK_ROWS`. Of each block and column, the hash covers
the values' lengths (big-endian int32, -1 for null) and then their bytes, as Postgres sends them in
its binary protocol; lists of strings are joined by U+001F. A block's hash is the sha256 over its
columns' hashes, the table's is the sha256 over its blocks'. Column by column, because that is how
Arrow holds them: nothing is formatted, and a gigabyte takes seconds.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BLOCK_ROWS = 65_536
_POSTGRES_EPOCH = 10_957
"""Days from 1970-01-01 to 2000-01-01, where Postgres counts from."""
_FLOAT4_OID = 700
_SEPARATOR = "\x1f"


class ContentHash:
    """Takes blocks of exactly `BLOCK_ROWS` rows (the last may be shorter) in key order."""

    def __init__(self) -> None:
        self._whole = hashlib.sha256()
        self.rows = 0

    def update(self, block: pa.RecordBatch) -> None:
        """Add the next block."""
        digest = hashlib.sha256()
        for column in block.columns:
            digest.update(_column_digest(column))
        self._whole.update(digest.digest())
        self.rows += block.num_rows

    def hexdigest(self) -> str:
        """Return the hash of all blocks so far."""
        return self._whole.hexdigest()


def _column_digest(column: pa.Array) -> bytes:
    lengths, data = _encode(column)
    if column.null_count:
        lengths = np.where(column.is_null().to_numpy(zero_copy_only=False), -1, lengths)
    digest = hashlib.sha256(lengths.astype(">i4").tobytes())
    digest.update(data)
    return digest.digest()


def _encode(column: pa.Array) -> tuple[np.ndarray, bytes | memoryview]:
    """Return the values' lengths and their bytes without the nulls."""
    if pa.types.is_list(column.type):
        if pa.types.is_string(column.type.value_type):
            return _strings(pc.binary_join(column, _SEPARATOR))
        return _float_lists(column)
    if pa.types.is_string(column.type):
        return _strings(column)
    width, encoded = _numbers(column.drop_null())
    return np.full(len(column), width), encoded


def _strings(column: pa.StringArray) -> tuple[np.ndarray, bytes | memoryview]:
    column = pc.fill_null(column, "")
    offset, count = column.offset, len(column)
    _, offsets_buffer, data = column.buffers()
    if count == 0 or data is None:
        return np.zeros(count, np.int32), b""
    offsets = np.frombuffer(offsets_buffer, np.int32)[offset : offset + count + 1]
    return np.diff(offsets), memoryview(data)[offsets[0] : offsets[-1]]


def _numbers(column: pa.Array) -> tuple[int, bytes]:
    if pa.types.is_date32(column.type):
        days = column.cast(pa.int32()).to_numpy() - _POSTGRES_EPOCH
        return 4, days.astype(">i4").tobytes()
    values = column.to_numpy(zero_copy_only=False)
    return values.dtype.itemsize, values.astype(values.dtype.newbyteorder(">")).tobytes()


def _float_lists(column: pa.ListArray) -> tuple[np.ndarray, bytes]:
    """Encode float32 lists as Postgres sends ``real[]``: a header, then length and value each."""
    valid = column.drop_null()
    counts = pc.list_value_length(valid).to_numpy()
    header = np.where(counts > 0, 5, 3)  # words; an empty array has no dimension
    ends = np.cumsum(header + 2 * counts)
    starts = ends - header - 2 * counts
    words = np.zeros(int(ends[-1]) if len(ends) else 0, ">i4")
    words[starts] = counts > 0
    words[starts + 2] = _FLOAT4_OID
    filled = starts[counts > 0]
    words[filled + 3] = counts[counts > 0]
    words[filled + 4] = 1
    elements = valid.flatten().to_numpy()
    first = np.cumsum(counts) - counts
    within = np.arange(len(elements)) - np.repeat(first, counts)
    places = np.repeat(starts + header, counts) + 2 * within
    words[places] = 4
    words[places + 1] = elements.view(np.int32)
    lengths = np.zeros(len(column), np.int64)
    lengths[column.is_valid().to_numpy(zero_copy_only=False)] = 4 * (header + 2 * counts)
    return lengths, words.tobytes()
