"""``passbook simulate``: what it writes, and what it refuses before it begins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from passbook import cli, settings
from passbook.demo.bank.simulation import read_manifest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Point PASSBOOK_HOME to an empty folder, where no stack runs."""
    monkeypatch.setenv("PASSBOOK_HOME", str(tmp_path))
    monkeypatch.delenv("PASSBOOK_HIVE_URL", raising=False)
    settings.load.cache_clear()
    yield tmp_path
    settings.load.cache_clear()


def run(*arguments: str) -> int:
    return cli.main(["simulate", "--customers", "200", "--months", "4", *arguments])


def test_files_only(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--files-only", "--end", "2026-03-15", "--defect", "duplicates") == 0
    manifest = read_manifest(home / "demo")
    assert (manifest["customers"], manifest["seed"], manifest["end"]) == (200, 0, "2026-03-15")
    assert manifest["defects"] == ["duplicates"]
    assert "rows in" in capsys.readouterr().out


def test_a_drift_without_its_kind_is_sudden(home: Path) -> None:
    assert run("--files-only", "--end", "2026-03-15", "--drift-from", "2026-02-01") == 0
    assert read_manifest(home / "demo")["drift"] == {"kind": "sudden", "start": "2026-02-01"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], "E801"),
        (["--files-only", "--drift", "slow"], "E803"),
        (["--files-only", "--seed", "-1"], "E803"),
        (["--files-only", "--customers", "0"], "E803"),
    ],
)
def test_refusals_write_nothing(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: str
) -> None:
    assert run(*arguments) == 1
    assert capsys.readouterr().err.startswith(code)
    assert not (home / "demo").exists()


def test_a_database_name_is_checked_before_anything(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSBOOK_HIVE_URL", "hive://nobody@127.0.0.1:1/?auth=NONE")
    settings.load.cache_clear()
    assert run("--database", "x; DROP DATABASE demo") == 1
    assert capsys.readouterr().err.startswith("E803")
    assert not (home / "demo").exists()


def test_a_date_that_is_none_is_wrong_usage() -> None:
    with pytest.raises(SystemExit) as stopped:
        run("--end", "yesterday")
    assert stopped.value.code == 2
