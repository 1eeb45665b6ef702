"""Which code this is: one of the fingerprints of everything that is published."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


@lru_cache
def code_version() -> str:
    """Return ``<release>+<12 hex digits of the sha256 of the package's Python and SQL>``."""
    digest = hashlib.sha256()
    for path in sorted(p for p in _PACKAGE.rglob("*") if p.suffix in (".py", ".sql")):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"{version('passbook')}+{digest.hexdigest()[:12]}"
