"""Arrow columns as Postgres's binary protocol sends them: the one encoding of COPY and of hashes.

A column becomes the bytes of its values one after the other, and the places where each begins.
Arrow holds its columns much like that, so strings are not even copied; numbers are turned
big-endian, and lists get Postgres's array headers from a compiled kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_POSTGRES_EPOCH = 10_957
"""Days from 1970-01-01 to 2000-01-01, where Postgres counts from."""
_ELEMENT_TYPES = {pa.string(): 25, pa.int16(): 21, pa.int32(): 23, pa.float32(): 700}
"""OIDs of text, smallint, integer and real, which an array's header names."""

_TILE = 1024
"""Rows put together at a time: a quarter of a megabyte or so, which stays in a core's cache."""

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"


@dataclass(frozen=True)
class WireColumn:
    """A column of n values in Postgres's binary format.

    Attributes
    ----------
    data : uint8 array
        The values' bytes; nulls have none.
    offsets : int64 array of n + 1
        Where each value begins, and the last one ends.
    null : bool array of n
    """

    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    null: npt.NDArray[np.bool_]

    @property
    def lengths(self) -> npt.NDArray[np.int32]:
        """Length of each value in bytes, -1 for null, as the protocol has it."""
        return np.where(self.null, -1, np.diff(self.offsets)).astype(np.int32)


def encode(column: pa.Array) -> WireColumn:
    """Return the values of a column of the contracts' types as Postgres sends them."""
    null = column.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_list(column.type):
        data, offsets = _lists(column)
    elif pa.types.is_string(column.type) or pa.types.is_binary(column.type):
        data, offsets = _strings(column)
    else:
        data, offsets = _numbers(column, null)
    return WireColumn(data, offsets, null)


def rows(columns: list[WireColumn]) -> npt.NDArray[np.uint8]:
    """Return the rows of a binary COPY, without its signature and trailer."""
    from passbook.mart import wire_kernels  # noqa: PLC0415 (numba takes a second to import)

    count = len(columns[0].null)
    lengths = np.full(count, 2 + 4 * len(columns), np.int64)
    for column in columns:
        lengths += np.diff(column.offsets)
    places = np.cumsum(lengths) - lengths
    out = np.empty(int(lengths.sum()), np.uint8)
    wire_kernels.begin_rows(out, places, len(columns))
    for first in range(0, count, _TILE):
        tile = slice(first, min(first + _TILE, count))
        for column in columns:
            wire_kernels.place_values(
                out, places[tile], column.data, column.offsets[first : tile.stop + 1],
                column.null[tile],
            )  # fmt: skip
    return out


def _strings(column: pa.StringArray) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    column = pc.fill_null(column, pa.scalar("", column.type))
    count = len(column)
    _, offsets_buffer, data = column.buffers()
    if count == 0 or data is None:
        return np.empty(0, np.uint8), np.zeros(count + 1, np.int64)
    offsets = np.frombuffer(offsets_buffer, np.int32)[column.offset : column.offset + count + 1]
    held = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]
    return held, offsets.astype(np.int64) - offsets[0]


def _numbers(
    column: pa.Array, null: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    column = column.drop_null()
    if pa.types.is_date32(column.type):
        values = column.cast(pa.int32()).to_numpy() - np.int32(_POSTGRES_EPOCH)
    else:
        values = column.to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(null) + 1, np.int64)
    np.cumsum(~null * values.itemsize, out=offsets[1:])
    return values.astype(values.dtype.newbyteorder(">")).view(np.uint8), offsets


def _lists(column: pa.ListArray) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Encode lists as Postgres sends arrays: a header, then length and value of each element."""
    from passbook.mart import wire_kernels  # noqa: PLC0415 (numba takes a second to import)

    elements = encode(column.flatten())
    if elements.null.any():
        raise ValueError("Lists with missing elements cannot be sent.")
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    counts = pc.fill_null(pc.list_value_length(column), 0).to_numpy().astype(np.int64)
    ends = np.cumsum(counts)
    sizes = np.where(counts > 0, 20, 12) + 4 * counts  # an empty array has no dimension
    starts = np.concatenate([[0], ends])
    sizes += np.diff(elements.offsets[starts])
    offsets = np.zeros(len(column) + 1, np.int64)
    np.cumsum(sizes * valid, out=offsets[1:])
    out = np.empty(int(offsets[-1]), np.uint8)
    oid = _ELEMENT_TYPES[column.type.value_type]
    wire_kernels.place_arrays(out, offsets, valid, starts, elements.data, elements.offsets, oid)
    return out, offsets
