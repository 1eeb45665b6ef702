"""Models out of their files, whichever code wrote these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from passbook.errors import ArtifactError, PassbookError

if TYPE_CHECKING:
    from passbook.artifacts import Artifact

Model = TypeVar("Model")


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
