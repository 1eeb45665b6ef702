"""Pseudonyms of customer numbers: a keyed hash that only the key's holder can compute."""

from __future__ import annotations

import hmac
from itertools import pairwise
from typing import Final

import pyarrow as pa

from passbook.privacy.keys import derived

HEX_DIGITS: Final = 32
"""128 of the hash's 256 bits: two of ten million customers meet with a chance of 1 in 10^24."""


def pseudonyms(customer_ids: pa.Array, key: bytes) -> pa.Array:
    """Return the pseudonym of each customer number.

    Parameters
    ----------
    customer_ids : pyarrow.Array of string
        A block of customers; none missing.
    key : bytes
        The bank's secret. Other keys give other pseudonyms.

    Returns
    -------
    pyarrow.Array of string
        ``P`` and 32 hexadecimal digits of HMAC-SHA256 (RFC 2104).
    """
    begun = hmac.new(derived(key, "passbook pseudonym"), digestmod="sha256")
    found = []
    for number in byte_values(customer_ids):
        code = begun.copy()  # the key is absorbed once, not once a customer
        code.update(number)
        found.append("P" + code.hexdigest()[:HEX_DIGITS])
    return pa.array(found, pa.string())


def byte_values(column: pa.Array) -> list[bytes]:
    """Return the values of a string or binary column as bytes, without decoding them."""
    column = column.cast(pa.large_binary())
    _, offsets, data = column.buffers()
    ends = memoryview(offsets).cast("q")[column.offset : column.offset + len(column) + 1]
    held = data.to_pybytes() if data is not None else b""
    return [held[begin:end] for begin, end in pairwise(ends)]
