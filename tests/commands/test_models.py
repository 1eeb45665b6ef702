"""``passbook models`` on a real ledger and real files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from passbook import artifacts, cli, ledger, mart, settings

pytestmark = pytest.mark.postgres

MODEL = "credit.style"
DAYS = (date(2022, 11, 27), date(2022, 12, 4))


@pytest.fixture(scope="module")
def url(postgres_database: str) -> str:
    mart.migrate(postgres_database)
    return postgres_database


@pytest.fixture
def versions(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Two promoted versions with their files in this home."""
    monkeypatch.setenv("PASSBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("PASSBOOK_MART_URL", url)
    settings.load.cache_clear()
    made = []
    with closing(mart.connect(url)) as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute("TRUNCATE ops.promotion, ops.model_version")
        for day in DAYS:
            files = {"model.json": f'"{day}"'.encode()}
            written = artifacts.write(tmp_path / "artifacts" / "demo", MODEL, day, files, {})
            fence = ledger.begin_stage(connection, "retrain_models", day, "retrain")
            version = ledger.ModelVersion(MODEL, written.version, day, written.manifest_sha256)
            ledger.record_model_version(connection, fence, version)
            ledger.record_promotion(
                connection, fence, MODEL, written.version, promoted=True, reason="first"
            )
            made.append(written.version)
    yield made
    settings.load.cache_clear()


def told(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    """Run the command and return what it says."""
    assert cli.main(["models", *words]) == status
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_live_on_a_date(versions: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    first, second = versions
    assert first in told(capsys, "live", "--on", "2022-11-27")
    assert second in told(capsys, "live", "--on", "2022-12-04")
    assert second in told(capsys, "live")
    assert MODEL not in told(capsys, "live", "--on", "2022-11-20")


def test_rollback_is_in_the_history(
    versions: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = versions
    answer = told(capsys, "rollback", MODEL, "--to", first, "--reason", "등급 오류")
    assert f"{MODEL} {first} is in force." in answer
    assert first in told(capsys, "live", "--on", "2022-12-04")
    lines = told(capsys, "list", MODEL).splitlines()
    assert len(lines) == 5
    assert second in lines[3]
    assert "등급 오류" in lines[3]
    assert "no" in lines[3].split()
    assert "is in force already" in told(
        capsys, "rollback", MODEL, "--to", first, "--reason", "x", status=1
    )


def test_a_damaged_version_is_told_and_not_put_in_force(
    versions: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = versions
    assert "2 versions, 0 of them damaged." in told(capsys, "verify")
    (tmp_path / "artifacts" / "demo" / MODEL / first / "model.json").write_bytes(b"[]")
    answer = told(capsys, "verify", status=1)
    assert f"model.json of {MODEL} {first} was changed" in answer
    assert "2 versions, 1 of them damaged." in answer
    assert "E602" in told(capsys, "rollback", MODEL, "--to", first, "--reason", "x", status=1)
    assert second in told(capsys, "live", "--on", "2022-12-04")
