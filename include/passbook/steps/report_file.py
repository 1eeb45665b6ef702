"""A page that a stage leaves beside its tables."""

from __future__ import annotations

from pathlib import Path

from passbook.errors import StorageError


def write_whole(path: Path, content: bytes) -> None:
    """Put a page in its place at once; readers see the one before or this one.

    Raises
    ------
    StorageError
        E805.
    """
    unfinished = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}.") from None
