"""What an older code wrote is refused in a clear sentence, and what is damaged as before."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from passbook import artifacts, ledger
from passbook.credit.scoring import CreditModels
from passbook.errors import ArtifactError
from passbook.recommend.model import RecommendModel
from passbook.segments import SegmentModel
from passbook.steps.model_files import read_model, read_version


@pytest.mark.parametrize(
    "files",
    [
        {"model.json": b"{}"},
        {"model.json": b"not json", "model.npz": b"not a zip"},
        {"prototypes.npz": b"", "settings.json": b"[]"},
    ],
)
def test_other_codes_files_fail_with_e602_and_a_sentence(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    written = artifacts.write(
        tmp_path, "segments.deposit", date(2022, 12, 4), files, {"code_version": "0.0.1+abc"}
    )
    readers = (
        SegmentModel.from_files,
        RecommendModel.from_files,
        lambda found: CreditModels.from_files(found, found),
    )
    for read in readers:
        with pytest.raises(ArtifactError) as caught:
            read_model(read, written)
        told = str(caught.value)
        assert told.startswith("E602")
        assert f"segments.deposit {written.version} was written by 0.0.1+abc" in told
        assert "Train it anew" in told


def test_a_version_is_read_only_with_the_manifest_that_the_ledger_knows(tmp_path: Path) -> None:
    day = date(2022, 12, 4)
    written = artifacts.write(tmp_path, "credit.style", day, {"model.json": b"{}"}, {})
    known = ledger.ModelVersion(written.model, written.version, day, written.manifest_sha256)
    assert read_version(tmp_path, known) == written
    with pytest.raises(ArtifactError, match="is not the manifest in the ledger"):
        read_version(tmp_path, replace(known, manifest_sha256="0" * 64))
