"""The doctor on real servers, sound and broken."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from passbook import cli, doctor, hive, ledger, mart, settings
from passbook.doctor import Finding
from passbook.settings import Settings
from passbook.steps.stage import begin

pytestmark = [pytest.mark.hive, pytest.mark.postgres]

BANK = f"doctor_{os.getpid()}_test"
STAGE = "segment_customers"


@pytest.fixture(scope="module")
def addresses(prepared_mart: mart.Addresses) -> mart.Addresses:
    """A mart that is prepared, and migrated by the first test that needs it."""
    return prepared_mart


@pytest.fixture(scope="module")
def bank(hive_url: str) -> Iterator[str]:
    """A bank's own database in Hive."""
    with hive.connect(hive_url) as connection:
        connection.execute(f"CREATE DATABASE {BANK}")
        yield BANK
        connection.execute(f"DROP DATABASE {BANK} CASCADE")


@pytest.fixture
def chosen(
    addresses: mart.Addresses, hive_url: str, bank: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:  # fmt: skip
    for name, value in {
        "HOME": str(tmp_path), "MART_URL": addresses.loader, "HIVE_URL": hive_url,
        "SOURCE": "insurance_purchases", "SOURCE_DATABASE": bank,
    }.items():  # fmt: skip
        monkeypatch.setenv(f"PASSBOOK_{name}", value)
    settings.load.cache_clear()
    return settings.load()


def wrong(chosen: Settings, **changes: object) -> dict[str, Finding]:
    """Return what is wrong by check; each finding says what to do and shows no password."""
    secrets = {name: value for name, value in changes.items() if name.endswith("url")}
    found = doctor.examine(chosen.model_copy(update=changes))
    for finding in found:
        assert finding.fine or finding.fix, finding
        for password in ("load/er", "load%2Fer"):
            assert password not in finding.detail, secrets
    return {finding.check: finding for finding in found if not finding.fine}


def test_a_mart_without_tables_is_told_with_the_command_that_makes_them(
    chosen: Settings, addresses: mart.Addresses
) -> None:
    assert "passbook migrate" in wrong(chosen)["mart: schema"].fix
    mart.migrate(addresses.owner)
    assert set(wrong(chosen)) <= {"disk: space"}


def test_the_command_ends_with_1_when_something_is_wrong(
    chosen: Settings,
    addresses: mart.Addresses,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mart.migrate(addresses.owner)
    monkeypatch.setattr(doctor, "LEAST_FREE_GB", 0.0)
    assert cli.main(["doctor"]) == 0, capsys.readouterr().out
    monkeypatch.setenv("PASSBOOK_SOURCE", "atlantis")
    settings.load.cache_clear()
    assert cli.main(["doctor"]) == 1
    told = capsys.readouterr().out
    assert "WRONG source: E105" in told
    assert "→ List the known ones" in told


def test_a_reader_cannot_publish_and_is_told(chosen: Settings, addresses: mart.Addresses) -> None:
    mart.migrate(addresses.owner)
    found = wrong(chosen, mart_url=_secret(addresses.analyst))
    assert "member of passbook_loader" in found["mart: rights"].fix
    assert "publish" in found["mart: rights"].detail


def test_a_verdict_that_nobody_will_give_is_told(
    chosen: Settings, addresses: mart.Addresses
) -> None:
    mart.migrate(addresses.owner)
    at_work, left = date(2022, 11, 27), date(2022, 12, 4)
    quick = {"hive_url": _secret("hive://nobody@127.0.0.1:1/?timeout=2")}
    with begin(chosen, STAGE, at_work, "run") as (loader, begun):
        lost = ledger.begin_stage(loader, STAGE, left, "lost run")
        with loader, loader.cursor() as cursor:
            cursor.execute("UPDATE ops.verdict SET started_at = started_at - interval '13 hours'")
        found = wrong(chosen, **quick)["mart: verdicts"]
        assert found.detail.endswith(f": {STAGE} for {left}")
        for fence in (begun, lost):
            ledger.record_verdict(loader, fence, "pass")
        assert "mart: verdicts" not in wrong(chosen, **quick)


def test_dead_servers_are_findings_and_the_other_checks_go_on(chosen: Settings) -> None:
    dead = {
        "mart_url": _secret("postgresql://nobody@127.0.0.1:1/none"),
        "hive_url": _secret("hive://nobody@127.0.0.1:1/?timeout=2"),
    }
    found = wrong(chosen, **dead)
    assert found["mart"].detail.startswith("E701")
    assert found["hive"].detail.startswith("E101")
    assert "source" not in found


def test_the_wrong_bank_a_full_disk_and_another_clock_are_told(
    chosen: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "LEAST_FREE_GB", 1e9)
    monkeypatch.setattr(doctor, "LARGEST_CLOCK_DIFFERENCE", -doctor.LARGEST_CLOCK_DIFFERENCE)
    monkeypatch.setattr(doctor, "PYTHON", (2, 7))
    found = wrong(chosen, source_database="nowhere_test")
    assert {"hive: bank", "disk: space", "mart: clock", "versions: Python"} <= set(found)
    assert "maintain" in found["disk: space"].fix


def _secret(url: str) -> object:
    return type(Settings(mart_url=url).mart_url)(url)  # type: ignore[arg-type, misc]
