"""Secret keys as operators give them, and the keys that are derived from them."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from passbook.errors import SettingsError

KEY_BYTES: Final = 32


@dataclass(frozen=True)
class KeyRing:
    """Sealing keys by version. The newest one seals, every one opens.

    Attributes
    ----------
    keys : Mapping[int, bytes]
    """

    keys: Mapping[int, bytes]

    @property
    def newest(self) -> int:
        """Version that seals."""
        return max(self.keys)

    def __repr__(self) -> str:
        """Name the versions, never a key."""
        return f"KeyRing(versions={sorted(self.keys)})"


def read_ring(text: str, setting: str) -> KeyRing:
    """Read a JSON object of versions and base64 keys, ``{"1": "…", "2": "…"}``.

    Raises
    ------
    SettingsError
        E801 naming `setting`, and never a key.
    """
    try:
        given = json.loads(text)
        versions = {int(version): str(key) for version, key in given.items()}
    except (ValueError, AttributeError):
        raise SettingsError(f'{setting}: not a JSON object like {{"1": "<base64>"}}.') from None
    if not versions or min(versions) < 1:
        raise SettingsError(f"{setting}: versions are numbers from 1 on.")
    return KeyRing({version: read_key(key, setting) for version, key in versions.items()})


def read_key(text: str, setting: str) -> bytes:
    """Read one base64 key of at least 32 bytes.

    Raises
    ------
    SettingsError
        E801 naming `setting`, and never the key.
    """
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) < KEY_BYTES:
        raise SettingsError(f"{setting}: a key is {KEY_BYTES} random bytes in base64.")
    return key


def derived(key: bytes, purpose: str) -> bytes:
    """Return a key for one purpose alone (HKDF-SHA256, RFC 5869)."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose.encode()).derive(key)
