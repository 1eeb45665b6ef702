"""Pseudonyms: a keyed hash, the same for the same key, telling nothing without it."""

from __future__ import annotations

import hashlib
import hmac

import pyarrow as pa

from passbook.privacy.keys import derived
from passbook.privacy.pseudonyms import byte_values, pseudonyms

KEY = bytes(range(32))


def test_a_pseudonym_is_the_hmac_of_the_number() -> None:
    numbers = pa.array(["0000000001", "고객-2", ""])
    key = derived(KEY, "passbook pseudonym")
    expected = [
        "P" + hmac.new(key, number.encode(), hashlib.sha256).hexdigest()[:32]
        for number in numbers.to_pylist()
    ]
    assert pseudonyms(numbers, KEY).to_pylist() == expected


def test_blocks_and_slices_give_the_same() -> None:
    numbers = pa.array([f"C{n}" for n in range(100)])
    whole = pseudonyms(numbers, KEY)
    assert whole.slice(40, 9).to_pylist() == pseudonyms(numbers.slice(40, 9), KEY).to_pylist()
    assert len(set(whole.to_pylist())) == 100
    assert pseudonyms(numbers, bytes(32))[0] != whole[0]


def test_bytes_are_read_as_they_lie() -> None:
    column = pa.array(["a", "", "한"])
    assert byte_values(column) == [b"a", b"", "한".encode()]
    assert byte_values(column.slice(1)) == [b"", "한".encode()]
    assert byte_values(column.slice(0, 0)) == []
