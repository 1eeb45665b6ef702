"""Housekeeping on a real mart and Hive: a dry run changes nothing, what is needed stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from pathlib import Path

import psycopg2
import pytest
from pydantic import SecretStr

from passbook import artifacts, cli, hive, ledger, mart, settings
from passbook.base_date import OUTCOME_WEEKS, newest_base_date, schedule_moment
from passbook.errors import PublishingError
from passbook.settings import Settings
from passbook.steps import maintain as housekeeping

pytestmark = [pytest.mark.hive, pytest.mark.postgres]

SOURCE = f"maintain_{os.getpid()}_test"
MODEL = "credit.style"
NEWEST = newest_base_date()
OLD, USED, NEW = (NEWEST - timedelta(weeks=weeks) for weeks in (200, 199, 1))


@pytest.fixture(scope="module")
def open_hive(hive_url: str) -> Iterator[hive.Hive]:
    """A work table with an old partition, one that is old and in use, and a new one."""
    database = f"work_{SOURCE}"
    with hive.connect(hive_url) as connection:
        connection.execute(f"CREATE DATABASE {database}")
        connection.execute(
            f"CREATE TABLE {database}.customer (customer_id STRING)"
            " PARTITIONED BY (base_date DATE) STORED AS PARQUET"
        )
        for day in (OLD, USED, NEW):
            connection.execute(
                f"INSERT OVERWRITE TABLE {database}.customer PARTITION (base_date='{day}')"
                " SELECT 'C1'"
            )
        yield connection
        connection.execute(f"DROP DATABASE {database} CASCADE")


@pytest.fixture(scope="module")
def mart_url(postgres_database: str) -> str:
    mart.migrate(postgres_database)
    return postgres_database


@pytest.fixture
def chosen(
    mart_url: str, hive_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings of a home with versions of a model and two weeks of reports."""
    for name, value in {
        "HOME": str(tmp_path), "MART_URL": mart_url, "HIVE_URL": hive_url, "SOURCE": SOURCE,
    }.items():  # fmt: skip
        monkeypatch.setenv(f"PASSBOOK_{name}", value)
    settings.load.cache_clear()
    found = settings.load()
    with closing(mart.connect(mart_url)) as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute("TRUNCATE ops.promotion, ops.model_version")
        for day in (OLD, USED, NEW):  # the second is in force when the kept weeks begin
            written = artifacts.write(found.artifacts, MODEL, day, {"m": f"{day}".encode()}, {})
            fence = ledger.begin_stage(connection, "retrain_models", day, "run")
            version = ledger.ModelVersion(MODEL, written.version, day, written.manifest_sha256)
            ledger.record_model_version(connection, fence, version)
            ledger.record_promotion(
                connection, fence, MODEL, written.version, promoted=True, reason="first"
            )
            if day == USED:
                continue
            report = tmp_path / "reports" / SOURCE / f"{day}" / "drift.html"
            report.parent.mkdir(parents=True)
            report.write_text("<p>표류</p>")
    for name, weeks in (("left", 2), ("written", 0)):
        draft = found.artifacts / MODEL / f".draft-{name}"
        draft.mkdir()
        begun = schedule_moment(NEWEST - timedelta(weeks=weeks)).timestamp()
        os.utime(draft, (begun, begun))
    return found


def left(chosen: Settings, open_hive: hive.Hive) -> tuple[list[date], int, list[str]]:
    """Return partitions, number of model versions, reports and drafts that there are."""
    reports = sorted(p.name for p in (chosen.home / "reports" / SOURCE).iterdir())
    versions = len(artifacts.versions(chosen.artifacts, MODEL))
    drafts = sorted(p.name for p in (chosen.artifacts / MODEL).glob(".*"))
    return open_hive.partitions(chosen.work_database, "customer"), versions, [*reports, *drafts]


@contextmanager
def reading(mart_url: str, base_date: date) -> Iterator[bool]:
    """Be a stage that reads the work tables for a base date, if it may."""
    with closing(psycopg2.connect(mart_url)) as reader, reader.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_lock_shared(hashtext('passbook work tables'), hashtext(%s))",
            (f"{base_date}",),
        )
        yield cursor.fetchall() == [(True,)]


def test_a_dry_run_tells_and_keeps_and_the_rest_lets_go_of_what_nobody_reads(
    chosen: Settings,
    open_hive: hive.Hive,
    mart_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with reading(mart_url, USED):
        assert cli.main(["maintain"]) == 0
        told = capsys.readouterr().out
        assert f"partition: work_{SOURCE}.customer {OLD}" in told
        assert f"model: {MODEL} {OLD}" in told
        assert f"draft: {MODEL} .draft-left" in told
        assert f"{NEW}" not in told
        assert f"customer {USED}" not in told
        assert "Would go: 4 things" in told
        before = ([OLD, USED, NEW], 3, [f"{OLD}", f"{NEW}", ".draft-left", ".draft-written"])
        assert left(chosen, open_hive) == before

    with reading(mart_url, USED + timedelta(weeks=2 * OUTCOME_WEEKS)):  # as what it observes
        assert cli.main(["maintain", "--apply"]) == 0
        assert "Gone: 4 things" in capsys.readouterr().out
        assert left(chosen, open_hive) == ([USED, NEW], 2, [f"{NEW}", ".draft-written"])
    (chosen.reports / ".nfs0001").write_text("somebody else's")
    drop = hive.Hive.drop_partition
    readers: list[bool] = []

    def watched(warehouse: hive.Hive, database: str, name: str, base_date: date) -> None:
        with reading(mart_url, base_date) as begun:
            readers.append(begun)
        drop(warehouse, database, name, base_date)

    monkeypatch.setattr(hive.Hive, "drop_partition", watched)
    assert cli.main(["maintain", "--apply"]) == 0
    assert left(chosen, open_hive) == ([NEW], 2, [".nfs0001", f"{NEW}", ".draft-written"])
    assert readers == [False]


def test_a_bank_that_never_ingested_has_no_partitions_to_drop(
    chosen: Settings, open_hive: hive.Hive
) -> None:
    assert open_hive
    unknown = chosen.model_copy(update={"source": "never_test"})
    gone = housekeeping.maintain(unknown, NEWEST, dry_run=True)
    assert [item for item in gone if item.kind == housekeeping.PARTITION] == []


def test_airflows_own_clean_up_failing_is_told(chosen: Settings) -> None:
    nowhere = SecretStr("postgresql://nobody@127.0.0.1:1/none")
    wrong = chosen.model_copy(update={"airflow_metadata_url": nowhere})
    with pytest.raises(PublishingError, match="airflow db clean failed"):
        housekeeping.maintain(wrong, NEWEST, dry_run=False)
