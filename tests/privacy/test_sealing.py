"""Sealed values: opened by the right key for the right customer, equal for equal content."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from passbook.errors import SealError
from passbook.privacy.keys import KeyRing, derived
from passbook.privacy.sealing import NONCE_BYTES, TAG_BYTES, Sealer

DAY = date(2022, 12, 4)
RING = KeyRing({1: bytes(32), 2: bytes(range(32))})
SEALER = Sealer(RING, "credit_score_record", DAY)
CUSTOMERS = pa.array([f"고객{n:03d}" for n in range(50)])
CONTENT = np.random.default_rng(0).integers(0, 256, (50, 8)).astype(np.uint8)


def test_what_was_sealed_is_opened() -> None:
    sealed = SEALER.seal(CUSTOMERS, CONTENT)
    assert len(sealed[0].as_py()) == NONCE_BYTES + 8 + TAG_BYTES
    np.testing.assert_array_equal(SEALER.open(CUSTOMERS, sealed, 2), CONTENT)
    part = SEALER.open(CUSTOMERS.slice(7, 3), sealed.slice(7, 3), 2)
    np.testing.assert_array_equal(part, CONTENT[7:10])


def test_it_is_aes_gcm_bound_to_the_customer() -> None:
    sealed = SEALER.seal(CUSTOMERS, CONTENT)[3].as_py()
    key = derived(RING.keys[2], f"passbook seal credit_score_record {DAY}")
    plain = AESGCM(key).decrypt(sealed[:12], sealed[12:], "고객003".encode())
    assert plain == CONTENT[3].tobytes()


def test_a_rerun_gives_the_same_bytes_in_whatever_blocks() -> None:
    whole = SEALER.seal(CUSTOMERS, CONTENT)
    parts = [SEALER.seal(CUSTOMERS.slice(n, 17), CONTENT[n : n + 17]) for n in (0, 17, 34)]
    assert pa.chunked_array(parts).combine_chunks() == whole


def test_no_nonce_meets_other_content() -> None:
    """Same customer, other content; same content, other customer, week, width or key."""
    changed = CONTENT.copy()
    changed[:, 0] += 1
    others = [
        SEALER.seal(CUSTOMERS, CONTENT),
        SEALER.seal(CUSTOMERS, changed),
        SEALER.seal(CUSTOMERS, CONTENT[:, :7]),
        SEALER.seal(CUSTOMERS.take(pa.array(range(49, -1, -1))), CONTENT),
        Sealer(RING, "credit_score_record", date(2022, 12, 11)).seal(CUSTOMERS, CONTENT),
        Sealer(KeyRing({1: bytes(32)}), "credit_score_record", DAY).seal(CUSTOMERS, CONTENT),
    ]
    nonces = [value[:NONCE_BYTES] for sealed in others for value in sealed.to_pylist()]
    assert len(set(nonces)) == len(nonces)


def test_another_key_customer_week_or_byte_does_not_open() -> None:
    sealed = SEALER.seal(CUSTOMERS, CONTENT)
    harmed = pa.array([value[:-1] + b"\0" for value in sealed.to_pylist()], pa.binary())
    swapped = CUSTOMERS.take(pa.array(range(49, -1, -1)))
    later = Sealer(RING, "credit_score_record", date(2022, 12, 11))
    for sealer, customers, values, version in (
        (SEALER, CUSTOMERS, sealed, 1),
        (SEALER, CUSTOMERS, sealed, 3),
        (SEALER, swapped, sealed, 2),
        (later, CUSTOMERS, sealed, 2),
        (SEALER, CUSTOMERS, harmed, 2),
        (SEALER, CUSTOMERS, pa.array([b""] * 50, pa.binary()), 2),
    ):
        with pytest.raises(SealError, match="E503") as caught:
            sealer.open(customers, values, version)
        assert "고객" not in str(caught.value)
