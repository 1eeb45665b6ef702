"""The control group: customers who are offered nothing, so that lift can be measured.

A hash of the customer's number alone decides, so that the group stays the same week after week and
depends on no model; another salt draws another group.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
from numba import prange

from passbook.recommend.compilation import in_parallel
from passbook.recommend.interactions import Flags


def in_control_group(customers: pa.Array, share: float, salt: str) -> Flags:
    """Return who is in the control group.

    Parameters
    ----------
    customers : pyarrow.StringArray
        Customer numbers.
    share : float
        Expected share of customers, from 0 to 1.
    salt : str
    """
    if not len(customers) or share <= 0.0:
        return np.zeros(len(customers), dtype=bool)
    _, offsets_buffer, data = customers.buffers()
    count = len(customers)
    offsets = np.frombuffer(offsets_buffer, np.int32)[
        customers.offset : customers.offset + count + 1
    ]
    letters = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    seed = np.uint64(int.from_bytes(hashlib.sha256(salt.encode()).digest()[:8], "little"))
    out = np.empty(count, dtype=np.uint64)
    _hash(letters, offsets, seed, out)
    return np.asarray(out < np.uint64(min(share * 2.0**64, 2.0**64 - 2048)))


@in_parallel
def _hash(letters: Any, offsets: Any, seed: Any, out: Any) -> None:
    """FNV-1a over each string's bytes, its bits then mixed by murmur's finaliser."""
    for u in prange(len(out)):
        value = seed ^ np.uint64(0xCBF29CE484222325)
        for place in range(offsets[u], offsets[u + 1]):
            value = (value ^ np.uint64(letters[place])) * np.uint64(0x100000001B3)
        value = (value ^ (value >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
        value = (value ^ (value >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
        out[u] = value ^ (value >> np.uint64(33))
