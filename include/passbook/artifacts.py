"""The files of trained models: ``<folder>/<model>/<version>/``, content-addressed and verified.

A version is ``<base date>-<first 12 hex digits of its manifest's sha256>``. The manifest lists the
sha256 of every file, so the version names the content of all of them. Formats are plain (JSON,
``.npz`` without pickle, XGBoost ``.ubj``); what this door handles are bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from passbook.errors import ArtifactError, InputError, StorageError

MANIFEST = "manifest.json"
_DRAFT = ".draft-"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_DIGITS = 12


@dataclass(frozen=True)
class Artifact:
    """A model version's files, proven to be those that were written.

    Attributes
    ----------
    model, version : str
    base_date : datetime.date
    manifest_sha256 : str
        Hex digest of the manifest's bytes; the ledger keeps it beside the version.
    files : dict[str, bytes]
    manifest : dict
        What was given to `write`, with ``model``, ``base_date`` and ``files`` added.
    """

    model: str
    version: str
    base_date: date
    manifest_sha256: str
    files: dict[str, bytes]
    manifest: dict[str, Any]


def write(
    folder: Path,
    model: str,
    base_date: date,
    files: Mapping[str, bytes],
    manifest: Mapping[str, Any],
) -> Artifact:
    """Write a model version in whole; the same content is the same version, written once.

    Parameters
    ----------
    folder : Path
        Of all models of a source.
    model : str
        E.g. ``recommend.up_sell.deposit``.
    base_date : datetime.date
        That the model was trained for.
    files : Mapping[str, bytes]
        At least one, by plain file name.
    manifest : Mapping
        JSON values: parameters, metrics, data fingerprint, code version.

    Raises
    ------
    InputError
        E803 when a name is not plain, or the manifest is not JSON.
    StorageError
        E805 when the folder cannot be written.
    """
    _check_names(model, files)
    content = _manifest_bytes(model, base_date, files, manifest)
    digest = hashlib.sha256(content).hexdigest()
    version = f"{base_date.isoformat()}-{digest[:_DIGITS]}"
    target = folder / model / version
    if not target.exists():
        _write_whole(target, {**files, MANIFEST: content})
    return read(folder, model, version)


def read(folder: Path, model: str, version: str) -> Artifact:
    """Read a model version after verifying every checksum.

    Raises
    ------
    ArtifactError
        E602 when anything is missing, added or changed.
    """
    _check_names(model, {version: b""})
    place = folder / model / version
    found = _read_files(place, f"{model} {version}")
    content = found.pop(MANIFEST, None)
    if content is None:
        raise ArtifactError(f"{model} {version} has no {MANIFEST}.")
    digest = hashlib.sha256(content).hexdigest()
    if not version.endswith(f"-{digest[:_DIGITS]}"):
        raise ArtifactError(f"{MANIFEST} of {model} {version} was changed.")
    manifest = json.loads(content)
    if manifest["model"] != model:
        raise ArtifactError(f"{model} {version} holds the files of {manifest['model']}.")
    expected = manifest["files"]
    if expected.keys() != found.keys():
        odd = ", ".join(sorted(expected.keys() ^ found.keys()))
        raise ArtifactError(f"{model} {version} lacks files, or has others: {odd}.")
    for name, data in found.items():
        if hashlib.sha256(data).hexdigest() != expected[name]["sha256"]:
            raise ArtifactError(f"{name} of {model} {version} was changed.")
    base_date = date.fromisoformat(manifest["base_date"])
    return Artifact(model, version, base_date, digest, found, manifest)


def versions(folder: Path, model: str) -> list[str]:
    """Return the versions of `model` that have a folder, oldest first."""
    place = folder / model
    if not place.is_dir():
        return []
    return sorted(p.name for p in place.iterdir() if p.is_dir() and not p.name.startswith("."))


def prune(
    folder: Path, needed: Collection[tuple[str, str]], before: date, *, dry_run: bool
) -> list[tuple[str, str, int]]:
    """Delete versions of base dates before `before`, except the (model, version) pairs `needed`.

    Returns
    -------
    list of (model, version, bytes)
        What went, or with `dry_run` would go.

    Raises
    ------
    StorageError
        E805 when a folder cannot be deleted.
    """
    gone = []
    for model in _models(folder):
        for version in versions(folder, model):
            if version >= before.isoformat() or (model, version) in needed:
                continue
            size = _let_go(folder / model / version, dry_run=dry_run)
            gone.append((model, version, size))
    return gone


def prune_drafts(folder: Path, before: datetime, *, dry_run: bool) -> list[tuple[str, str, int]]:
    """Delete what writers that were killed have left behind, as `prune` does.

    Parameters
    ----------
    before : datetime.datetime
        Drafts begun before this moment are left behind: writing one takes seconds.

    Returns
    -------
    list of (model, draft, bytes)

    Raises
    ------
    StorageError
        E805 when a folder cannot be deleted.
    """
    gone = []
    for model in _models(folder):
        for place in sorted((folder / model).glob(f"{_DRAFT}*/")):
            if place.stat().st_mtime < before.timestamp():
                gone.append((model, place.name, _let_go(place, dry_run=dry_run)))
    return gone


def _models(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []


def _let_go(place: Path, *, dry_run: bool) -> int:
    """Return the bytes of a folder, and without `dry_run` delete it."""
    try:
        size = sum(p.stat().st_size for p in place.iterdir())
        if not dry_run:
            shutil.rmtree(place)
    except OSError as error:
        raise StorageError(f"{place}: {error.strerror}.") from error
    return size


def _check_names(model: str, files: Mapping[str, bytes]) -> None:
    for name in (model, *files):
        if not _NAME.fullmatch(name) or name == MANIFEST:
            raise InputError(f"{name!r} cannot name a model or its file.")
    if not files:
        raise InputError(f"{model} has no files.")


def _manifest_bytes(
    model: str, base_date: date, files: Mapping[str, bytes], manifest: Mapping[str, Any]
) -> bytes:
    whole = {
        **manifest,
        "model": model,
        "base_date": base_date.isoformat(),
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            for name, data in files.items()
        },
    }
    try:
        text = json.dumps(whole, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1)
    except (TypeError, ValueError) as error:
        raise InputError(f"The manifest of {model} is not JSON: {error}.") from error
    return text.encode() + b"\n"


def _write_whole(target: Path, files: Mapping[str, bytes]) -> None:
    """Write beside the target and rename, so that no reader ever meets half a model."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=target.parent))
    except OSError as error:
        raise StorageError(f"{target.parent}: {error.strerror}.") from error
    try:
        for name, data in files.items():
            with (draft / name).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        draft.chmod(0o755)
        if not target.exists():
            draft.rename(target)
    except OSError as error:
        # Another writer of the same content may have been first; theirs is as good.
        if not target.exists():
            raise StorageError(f"{target}: {error.strerror}.") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _read_files(place: Path, what: str) -> dict[str, bytes]:
    try:
        return {path.name: path.read_bytes() for path in sorted(place.iterdir())}
    except OSError as error:
        raise ArtifactError(f"{what} cannot be read: {error.strerror}.") from error
