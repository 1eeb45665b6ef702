"""Model files: content-addressed, verified, written whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from passbook import artifacts
from passbook.errors import ArtifactError, InputError, StorageError

MODEL = "recommend.up_sell.deposit"
DAY = date(2022, 12, 4)
FILES = {"factors.npz": b"\x00\x01", "reference.json": b"{}"}
KILLED = """
import os, signal, sys, datetime, pathlib
from passbook import artifacts
artifacts.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
folder, model, seed = sys.argv[1:]
artifacts.write(pathlib.Path(folder), model, datetime.date(2022, 12, 4), {"m": seed.encode()}, {})
"""
"""A writer that is killed before its files are whole."""
MANIFEST = {"parameters": {"factors": 32}, "metrics": {"mrr": 0.25}, "이름": "추천"}


@pytest.fixture
def written(tmp_path: Path) -> artifacts.Artifact:
    return artifacts.write(tmp_path, MODEL, DAY, FILES, MANIFEST)


def test_what_is_written_is_read(tmp_path: Path, written: artifacts.Artifact) -> None:
    read = artifacts.read(tmp_path, MODEL, written.version)
    assert read == written
    assert read.files == FILES
    assert read.manifest["parameters"] == {"factors": 32}
    assert read.manifest["이름"] == "추천"
    assert written.version == f"2022-12-04-{written.manifest_sha256[:12]}"
    assert artifacts.versions(tmp_path, MODEL) == [written.version]
    assert artifacts.versions(tmp_path, "credit.style") == []


def test_the_same_content_is_the_same_version(tmp_path: Path, written: artifacts.Artifact) -> None:
    place = tmp_path / MODEL / written.version / "factors.npz"
    before = place.stat()
    again = artifacts.write(tmp_path, MODEL, DAY, dict(reversed(FILES.items())), MANIFEST)
    assert again == written
    assert place.stat() == before


@pytest.mark.parametrize(
    ("files", "manifest"),
    [
        ({**FILES, "factors.npz": b"\x00\x02"}, MANIFEST),
        ({"reference.json": b"{}"}, MANIFEST),
        (FILES, {**MANIFEST, "metrics": {"mrr": 0.26}}),
    ],
)
def test_other_content_is_another_version(
    tmp_path: Path,
    written: artifacts.Artifact,
    files: dict[str, bytes],
    manifest: dict[str, object],
) -> None:
    other = artifacts.write(tmp_path, MODEL, DAY, files, manifest)
    assert other.version != written.version
    assert artifacts.read(tmp_path, MODEL, written.version) == written


@pytest.mark.parametrize("name", ["factors.npz", "manifest.json"])
@pytest.mark.parametrize("fault", ["changed", "missing"])
def test_a_damaged_file_is_never_loaded(
    tmp_path: Path, written: artifacts.Artifact, name: str, fault: str
) -> None:
    place = tmp_path / MODEL / written.version / name
    if fault == "changed":
        content = bytearray(place.read_bytes())
        content[0] ^= 1
        place.write_bytes(content)
    else:
        place.unlink()
    with pytest.raises(ArtifactError, match="E602"):
        artifacts.read(tmp_path, MODEL, written.version)


def test_an_added_file_is_a_fault(tmp_path: Path, written: artifacts.Artifact) -> None:
    (tmp_path / MODEL / written.version / "more.json").write_bytes(b"{}")
    with pytest.raises(ArtifactError, match=r"more\.json"):
        artifacts.read(tmp_path, MODEL, written.version)


def test_another_models_files_are_refused(tmp_path: Path, written: artifacts.Artifact) -> None:
    (tmp_path / MODEL).rename(tmp_path / "credit.style")
    with pytest.raises(ArtifactError, match=f"holds the files of {MODEL}"):
        artifacts.read(tmp_path, "credit.style", written.version)


def test_an_absent_version_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="2022-12-04-000000000000"):
        artifacts.read(tmp_path, MODEL, "2022-12-04-000000000000")


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "", "manifest.json"])
def test_a_name_that_is_not_plain_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        artifacts.write(tmp_path, MODEL, DAY, {name: b""}, {})
    with pytest.raises(InputError):
        artifacts.read(tmp_path, MODEL, name)


def test_a_manifest_that_is_not_json_is_refused(tmp_path: Path) -> None:
    for bad in ({"x": object()}, {"x": float("nan")}):
        with pytest.raises(InputError, match="not JSON"):
            artifacts.write(tmp_path, MODEL, DAY, FILES, bad)
    assert not (tmp_path / MODEL).exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StorageError, match="taken"):
        artifacts.write(tmp_path / "taken", MODEL, DAY, FILES, MANIFEST)


def test_an_interrupted_write_leaves_no_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(artifacts.os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        artifacts.write(tmp_path, MODEL, DAY, FILES, MANIFEST)
    assert list((tmp_path / MODEL).iterdir()) == []


def test_old_versions_go_unless_needed(tmp_path: Path) -> None:
    days = [date(2022, 11, 20), date(2022, 11, 27), DAY]
    made = [artifacts.write(tmp_path, MODEL, day, FILES, {}).version for day in days]
    size = sum(p.stat().st_size for p in (tmp_path / MODEL / made[1]).iterdir())
    needed = {(MODEL, made[0])}
    told = artifacts.prune(tmp_path, needed, DAY, dry_run=True)
    assert told == [(MODEL, made[1], size)]
    assert artifacts.versions(tmp_path, MODEL) == made
    assert artifacts.prune(tmp_path, needed, DAY, dry_run=False) == told
    assert artifacts.versions(tmp_path, MODEL) == [made[0], made[2]]
    assert artifacts.prune(tmp_path / "nothing", set(), DAY, dry_run=False) == []


def test_what_a_killed_writer_left_goes_once_it_is_old(
    tmp_path: Path, written: artifacts.Artifact
) -> None:
    for seed in "01":
        writer = subprocess.run([sys.executable, "-c", KILLED, tmp_path, MODEL, seed], check=False)
        assert writer.returncode == -signal.SIGKILL
    left, at_work = sorted((tmp_path / MODEL).glob(".draft-*"))
    moment = datetime(2022, 12, 5, 1, tzinfo=UTC)
    os.utime(left, (0, moment.timestamp() - 1))
    os.utime(at_work, (0, moment.timestamp()))
    told = artifacts.prune_drafts(tmp_path, moment, dry_run=True)
    assert told == [(MODEL, left.name, 1)]
    assert left.exists()
    assert artifacts.prune_drafts(tmp_path, moment, dry_run=False) == told
    assert sorted(p.name for p in (tmp_path / MODEL).iterdir()) == [at_work.name, written.version]
    assert artifacts.prune_drafts(tmp_path / "nothing", moment, dry_run=False) == []
