"""The `passbook` command: help, exit status, and failures without tracebacks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from passbook import cli, settings


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSBOOK_HOME", str(tmp_path))
    settings.load.cache_clear()


@pytest.mark.parametrize("command", list(cli.COMMANDS))
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    assert cli.COMMANDS[command].summary.split()[0] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "required: COMMAND"),
        (["nonsense"], "nonsense"),
        (["stop", "--nonsense"], "--nonsense"),
        (["demo", "--months"], "expected one argument"),
        (["maintain", "--keep-weeks", "0"], "'0' is not a whole number from 1 on"),
        (["backfill", "2022-13-01", "2022-12-04"], "'2022-13-01' is not a date of the form"),
    ],
)
def test_wrong_usage_is_exit_status_2(
    given: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(given)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_a_named_failure_is_one_sentence_on_stderr_and_exit_status_1(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "passbook.cli", "start", "--source", "nowhere"],
        env={"PASSBOOK_HOME": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("E105 ")
    assert "'nowhere'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_real_insurers_demo_asks_for_its_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", "--source", "insurance_purchases"]) == 1
    assert "E803" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"), [("2022-12-05", "Monday"), ("2099-01-04", "future"), ("soon", "YYYY-MM-DD")]
)
def test_a_wrong_base_date_is_told(
    text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["demo", "--base-date", text]) == 1
    told = capsys.readouterr().err
    assert "E802" in told
    assert words in told


def test_stop_and_status_without_servers(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["stop"]) == 0
    assert "Nothing was running in /" in capsys.readouterr().out
    assert cli.main(["status"]) == 1
    assert capsys.readouterr().out.count("not running") == 6


def test_source_list_names_each_source_and_its_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["source", "list"]) == 0
    assert "insurance_holding" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["migrate"], ["summary"], ["airflow", "version"]])
def test_a_command_that_needs_a_stack_says_so(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(command) == 1
    assert "E801" in capsys.readouterr().err
