"""A hash of a table's content, whatever files and blocks it comes in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def fingerprint(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> str:
    """Return the sha256 of the rows in their order, column by column.

    Parameters
    ----------
    schema : pyarrow.Schema
        Names and types are part of the content.
    batches : iterable of pyarrow.RecordBatch
        Rows in an order that follows from their content; where blocks end doesn't matter.
    """
    columns = [_Column(field) for field in schema]
    for batch in batches:
        for digest, column in zip(columns, batch.columns, strict=True):
            digest.update(column)
    whole = hashlib.sha256()
    for digest in columns:
        whole.update(digest.digest())
    return whole.hexdigest()


class _Column:
    """Hashes of a column's two streams: values, and lengths (text) or presence (the rest)."""

    def __init__(self, field: pa.Field) -> None:
        self._shape = hashlib.sha256(f"{field.name} {field.type}".encode())
        self._values = hashlib.sha256()

    def update(self, column: pa.Array) -> None:
        present = column.is_valid().to_numpy(zero_copy_only=False)
        if pa.types.is_string(column.type):
            text = pc.fill_null(column, "")
            lengths = pc.binary_length(text).to_numpy(zero_copy_only=False).astype("<i4")
            self._shape.update(np.where(present, lengths, -1).astype("<i4").tobytes())
            self._values.update(_letters(text))
        else:
            self._shape.update(present.tobytes())
            self._values.update(_numbers(column).tobytes())

    def digest(self) -> bytes:
        return self._shape.digest() + self._values.digest()


def _letters(text: pa.StringArray) -> Any:
    _, offsets, letters = text.buffers()
    if letters is None or not len(text):
        return b""
    ends = np.frombuffer(offsets, np.int32)[text.offset : text.offset + len(text) + 1]
    return memoryview(letters)[ends[0] : ends[-1]]


def _numbers(column: pa.Array) -> np.ndarray[Any, Any]:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    elif pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    values: np.ndarray[Any, Any] = pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
    # -0.0 and 0.0 are the same number.
    return values + 0.0 if values.dtype.kind == "f" else values
