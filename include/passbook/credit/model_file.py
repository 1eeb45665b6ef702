"""A model as one file: a zip of plain files with a manifest of checksums."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from passbook.errors import ArtifactError

_MANIFEST: Final = "manifest.json"
_UNREADABLE: Final = (
    OSError, EOFError, zipfile.BadZipFile, zlib.error,
    # A changed bit may ask for another compression, or for a password.
    NotImplementedError, RuntimeError,
)  # fmt: skip


def write(path: Path, files: Mapping[str, bytes]) -> None:
    """Write files and their checksums; an earlier file stays until the new one is whole."""
    manifest = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    beside = path.with_name(path.name + ".part")
    with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**files, _MANIFEST: json.dumps(manifest).encode()}.items():
            # A fixed date: the same model gives the same bytes.
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    beside.replace(path)


def read(path: Path) -> dict[str, bytes]:
    """Read and verify what `write` wrote.

    Raises
    ------
    ArtifactError
        E602 when the file is missing, cut short or altered.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
    except _UNREADABLE as error:
        raise ArtifactError(f"{path.name} cannot be read: {type(error).__name__}.") from None
    manifest = json.loads(files.pop(_MANIFEST, b"{}"))
    found = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    if not manifest or manifest != found:
        raise ArtifactError(f"{path.name} is not what was saved.")
    return files
