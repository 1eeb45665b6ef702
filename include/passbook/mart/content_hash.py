"""The sha256 of a table's content, which SQL can compute as well (``ops.content_hash``).

Rows are taken in key order in blocks of `BLOCK_ROWS`. Of each block and column, the hash covers
the values' lengths (big-endian int32, -1 for null) and then their bytes, as Postgres sends them in
its binary protocol. A block's hash is the sha256 over its columns' hashes, the table's is the
sha256 over its blocks'. Column by column, because that is how Arrow holds them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from passbook.mart.wire import WireColumn

BLOCK_ROWS = 65_536


class ContentHash:
    """Takes blocks of exactly `BLOCK_ROWS` rows (the last may be shorter) in key order."""

    def __init__(self) -> None:
        self._whole = hashlib.sha256()

    def update(self, block: Iterable[WireColumn]) -> None:
        """Add the next block, given its columns."""
        digest = hashlib.sha256()
        for column in block:
            one = hashlib.sha256(column.lengths.astype(">i4").tobytes())
            one.update(column.data.data)
            digest.update(one.digest())
        self._whole.update(digest.digest())

    def hexdigest(self) -> str:
        """Return the hash of all blocks so far."""
        return self._whole.hexdigest()
