"""Models out of their files: those that the ledger names, whichever code wrote them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from passbook.errors import ArtifactError, PassbookError

if TYPE_CHECKING:
    from pathlib import Path

    from passbook.artifacts import Artifact
    from passbook.ledger import Decision, ModelVersion

Model = TypeVar("Model")


def read_version(folder: Path, version: ModelVersion | Decision) -> Artifact:
    """Return the files of a version, held against their manifest, and that against the ledger.

    Raises
    ------
    ArtifactError
        E602 when a file differs from the manifest, or the manifest from the ledger's.
    """
    from passbook import artifacts  # noqa: PLC0415 (doors are opened when a stage runs)

    found = artifacts.read(folder, version.model, version.version)
    if found.manifest_sha256 != version.manifest_sha256:
        raise ArtifactError(f"{version.model} {version.version} is not the manifest in the ledger.")
    return found


def read_model(read: Callable[[Mapping[str, bytes]], Model], artifact: Artifact) -> Model:
    """Return the model that `read` makes of an artifact's files.

    Raises
    ------
    ArtifactError
        E602 when this code cannot read what another one has written. The checksums are right, so
        whatever goes wrong is the format's.
    """
    try:
        return read(artifact.files)
    except Exception as error:
        if isinstance(error, PassbookError) and not isinstance(error, ArtifactError):
            raise
        why = error.detail if isinstance(error, ArtifactError) else type(error).__name__
        writer = artifact.manifest.get("code_version", "an older code")
        raise ArtifactError(
            f"{artifact.model} {artifact.version} was written by {writer} in a form that this code"
            f" cannot read ({why}). Train it anew: retrain_models with force."
        ) from error
