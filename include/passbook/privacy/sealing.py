"""Sealed values: AES-GCM, the same bytes for the same content, a key version and a purpose.

A rerun must publish the same bytes, so the nonce is not drawn but derived, as a synthetic one: the
first 96 bits of an HMAC over customer and content (the idea of RFC 5297). Equal nonces then mean
equal content, and AES-GCM's one prohibition, a nonce used twice for different content, holds. Each
key version, table and base date has keys of its own, so that a chance meeting of two truncated
hashes is a matter of one week's customers (2^-50 for ten million).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from passbook.errors import SealError
from passbook.privacy.keys import KeyRing, derived
from passbook.privacy.pseudonyms import byte_values

NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16


@dataclass(frozen=True)
class Sealer:
    """Seals and opens the values of one table and base date.

    Attributes
    ----------
    ring : KeyRing
    table : str
    base_date : datetime.date
    """

    ring: KeyRing
    table: str
    base_date: date

    def seal(self, customer_ids: pa.Array, content: np.ndarray) -> pa.Array:
        """Seal a row of bytes a customer with the newest key.

        Parameters
        ----------
        customer_ids : pyarrow.Array of string
            Bound to the content: a sealed value opens for its own customer only.
        content : numpy.ndarray of uint8, shape (rows, bytes)

        Returns
        -------
        pyarrow.Array of binary
            Nonce, encrypted content, tag.
        """
        width = content.shape[1]
        key = self.ring.keys[self.ring.newest]
        cipher = self._cipher(self.ring.newest)
        purpose = f"passbook nonce {self.table} {self.base_date} {width}"
        begun = hmac.new(derived(key, purpose), digestmod="sha256")
        plain = np.ascontiguousarray(content, np.uint8).tobytes()
        sealed = []
        for row, customer in enumerate(byte_values(customer_ids)):
            value = plain[row * width : (row + 1) * width]
            code = begun.copy()
            code.update(value)
            code.update(customer)  # the key is for this width alone, so no two pairs read alike
            nonce = code.digest()[:NONCE_BYTES]
            sealed += [nonce, cipher.encrypt(nonce, value, customer)]
        size = NONCE_BYTES + width + TAG_BYTES
        offsets = np.arange(len(customer_ids) + 1, dtype=np.int32) * size
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(sealed))]
        return pa.Array.from_buffers(pa.binary(), len(customer_ids), buffers)

    def open(self, customer_ids: pa.Array, sealed: pa.Array, version: int) -> np.ndarray:
        """Return what `seal` was given, sealed with a version of the key.

        Returns
        -------
        numpy.ndarray of uint8, shape (rows, bytes)

        Raises
        ------
        SealError
            E503 when the version is not in the ring, or the key or the content is another one.
        """
        if version not in self.ring.keys:
            raise SealError(f"Version {version} of the key is not given.")
        cipher = self._cipher(version)
        customers, values = byte_values(customer_ids), byte_values(sealed)
        try:
            plain = [
                cipher.decrypt(value[:NONCE_BYTES], value[NONCE_BYTES:], customer)
                for customer, value in zip(customers, values, strict=True)
            ]
        except (InvalidTag, ValueError):
            raise SealError(f"{self.table} of {self.base_date}, key version {version}.") from None
        return np.frombuffer(b"".join(plain), np.uint8).reshape(len(plain), -1)

    def _cipher(self, version: int) -> AESGCM:
        key = self.ring.keys[version]
        return AESGCM(derived(key, f"passbook seal {self.table} {self.base_date}"))
