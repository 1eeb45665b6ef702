"""The loops of `wire`, compiled. They run without the interpreter's lock."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@numba.njit(cache=True, nogil=True)
def put_int32(out: Bytes, place: int, value: int) -> None:
    """Write a big-endian int32."""
    out[place] = (value >> 24) & 0xFF
    out[place + 1] = (value >> 16) & 0xFF
    out[place + 2] = (value >> 8) & 0xFF
    out[place + 3] = value & 0xFF


@numba.njit(cache=True, nogil=True)
def put_bytes(out: Bytes, place: int, data: Bytes, begin: int, end: int) -> None:
    """Copy ``data[begin:end]``. Unsigned indices spare the check for negative ones."""
    target, source = np.uintp(place), np.uintp(begin)
    for index in range(np.uintp(end - begin)):
        out[target + index] = data[source + index]


@numba.njit(cache=True, nogil=True)
def begin_rows(out: Bytes, places: Places, fields: int) -> None:
    """Write each row's field count at its place, and move the places behind it."""
    for row in range(len(places)):
        out[places[row]] = (fields >> 8) & 0xFF
        out[places[row] + 1] = fields & 0xFF
        places[row] += 2


@numba.njit(cache=True, nogil=True)
def place_values(out: Bytes, places: Places, data: Bytes, offsets: Places, null: Flags) -> None:
    """Write a field of every row, length and value, and move the places behind it."""
    for row in range(len(places)):
        place = places[row]
        begin, end = offsets[row], offsets[row + 1]
        put_int32(out, place, -1 if null[row] else end - begin)
        place += 4
        put_bytes(out, place, data, begin, end)
        places[row] = place + end - begin


@numba.njit(cache=True, nogil=True)
def place_arrays(  # noqa: PLR0917 (numba's dispatch is quickest by position)
    out: Bytes,
    offsets: Places,
    valid: Flags,
    starts: Places,
    data: Bytes,
    element_offsets: Places,
    oid: int,
) -> None:
    """Write one-dimensional arrays: dimensions, flags, type; length and bound; the elements."""
    for row in range(len(valid)):
        if not valid[row]:
            continue
        place = offsets[row]
        count = starts[row + 1] - starts[row]
        put_int32(out, place, 1 if count else 0)
        put_int32(out, place + 4, 0)
        put_int32(out, place + 8, oid)
        place += 12
        if count:
            put_int32(out, place, count)
            put_int32(out, place + 4, 1)
            place += 8
        for element in range(starts[row], starts[row + 1]):
            begin, end = element_offsets[element], element_offsets[element + 1]
            put_int32(out, place, end - begin)
            place += 4
            put_bytes(out, place, data, begin, end)
            place += end - begin
