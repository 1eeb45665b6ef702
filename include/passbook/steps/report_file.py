"""A page that a stage leaves beside its tables."""

from __future__ import annotations

from pathlib import Path

from passbook.errors import StorageError


def try_out(path: Path, content: bytes) -> None:
    """Write a page beside its place, where no reader looks.

    A stage does so before it publishes: a folder that takes no page stops it then, not afterwards.

    Raises
    ------
    StorageError
        E805.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _unfinished(path).write_bytes(content)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}.") from None


def write_whole(path: Path, content: bytes) -> None:
    """Put a page in its place at once; readers see the one before or this one.

    Raises
    ------
    StorageError
        E805.
    """
    try_out(path, content)
    try:
        _unfinished(path).replace(path)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}.") from None


def _unfinished(path: Path) -> Path:
    return path.with_suffix(".part")
