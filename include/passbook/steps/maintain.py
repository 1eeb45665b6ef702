"""Housekeeping: let go of what is older than the settings keep. A dry run tells what would go.

Weeks of the mart, their reports and models; partitions of the work tables in Hive; runs and logs in
Airflow's metadata. What a kept week needs always stays.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from passbook import artifacts, hive, ledger, mart, settings
from passbook.base_date import base_dates_reading, schedule_moment
from passbook.contracts import WORK_TABLES
from passbook.errors import PublishingError, StorageError
from passbook.mart.connection import transaction
from passbook.steps.stage import hive_url, mart_url

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812

    from passbook.settings import Settings

log = logging.getLogger(__name__)

MART, REPORT, MODEL, DRAFT = "mart", "report", "model", "draft"
PARTITION, METADATA = "partition", "airflow"
_CLEAN: Final = (sys.executable, "-m", "airflow", "db", "clean", "--yes", "--skip-archive",
                 "--error-on-cleanup-failure")  # fmt: skip


@dataclass(frozen=True)
class Gone:
    """Something that goes, or with a dry run would: what it is, and its bytes where known."""

    kind: str
    what: str
    bytes: int | None = None


def maintain(chosen: Settings, newest: date, *, dry_run: bool) -> list[Gone]:
    """Let go of everything that is older than the settings keep.

    Parameters
    ----------
    chosen : Settings
    newest : datetime.date
        Base date that ages are counted from.
    dry_run : bool
        Only tell what would go.

    Raises
    ------
    PassbookError
        E101, E701, E706, E805 as the doors do; what went before has gone.
    """
    before = newest - timedelta(weeks=chosen.keep_mart_weeks)
    connection = mart.connect(mart_url(chosen))
    try:
        patience = chosen.lock_timeout_seconds
        gone = [*_weeks(connection, before, patience, dry_run=dry_run)]
        gone += _models(connection, chosen.artifacts, before, dry_run=dry_run)
        gone += _drafts(chosen.artifacts, newest, dry_run=dry_run)
        gone += _reports(chosen.reports, before, dry_run=dry_run)
        gone += _partitions(chosen, connection, newest, dry_run=dry_run)
    finally:
        connection.close()
    gone += _airflow(chosen, newest, dry_run=dry_run)
    log.info("%s: %s", "Would go" if dry_run else "Gone", summary(gone))
    return gone


def summary(gone: list[Gone]) -> dict[str, int]:
    """Return how many things of each kind there are, and their bytes."""
    kinds = (MART, REPORT, MODEL, DRAFT, PARTITION, METADATA)
    counts = {kind: sum(item.kind == kind for item in gone) for kind in kinds}
    return {**counts, "bytes": sum(item.bytes or 0 for item in gone)}


def _weeks(
    connection: Connection, before: date, patience: float, *, dry_run: bool
) -> Iterator[Gone]:
    for week in mart.retire(connection, before, dry_run=dry_run, lock_timeout_seconds=patience):
        what = f"{week.base_date} {week.table} ({week.kind}): {week.rows:,} rows"
        yield Gone(MART, what, week.bytes)


def _models(connection: Connection, folder: Path, before: date, *, dry_run: bool) -> Iterator[Gone]:
    needed = ledger.versions_in_use(connection, before)
    for model, version, size in artifacts.prune(folder, needed, before, dry_run=dry_run):
        yield Gone(MODEL, f"{model} {version}", size)


def _drafts(folder: Path, newest: date, *, dry_run: bool) -> Iterator[Gone]:
    """Let go of unfinished versions begun before last week's run, whose writers were killed."""
    before = schedule_moment(newest - timedelta(weeks=1))
    for model, draft, size in artifacts.prune_drafts(folder, before, dry_run=dry_run):
        yield Gone(DRAFT, f"{model} {draft}", size)


def _reports(folder: Path, before: date, *, dry_run: bool) -> Iterator[Gone]:
    # What somebody else put there has no date for a name, and stays.
    found = sorted(folder.glob("[0-9]*-[0-9]*-[0-9]*/")) if folder.is_dir() else []
    for place in found:
        if place.name >= before.isoformat():
            continue
        yield Gone(REPORT, str(place), sum(p.stat().st_size for p in place.rglob("*")))
        if not dry_run:
            try:
                shutil.rmtree(place)
            except OSError as error:
                raise StorageError(f"{place}: {error.strerror}.") from error


def _partitions(
    chosen: Settings, connection: Connection, newest: date, *, dry_run: bool
) -> Iterator[Gone]:
    """Drop old partitions, but none that a stage reads at this moment."""
    before = newest - timedelta(weeks=chosen.keep_partition_weeks)
    with hive.connect(hive_url(chosen)) as warehouse:
        for name in WORK_TABLES:
            for day in warehouse.partitions(chosen.work_database, name):
                if day >= before:
                    continue
                with _nobody_reads(connection, day) as free:
                    if not free:
                        log.warning("%s for %s stays: a stage is at work on it", name, day)
                        continue
                    if not dry_run:
                        warehouse.drop_partition(chosen.work_database, name, day)
                yield Gone(PARTITION, f"{chosen.work_database}.{name} {day}")


@contextmanager
def _nobody_reads(connection: Connection, day: date) -> Iterator[bool]:
    """Whether no stage reads the work tables of a date; none will until the block ends.

    See `stage.begin`, whose locks these are.
    """
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT bool_and(pg_try_advisory_xact_lock(hashtext('passbook work tables'),"
            " hashtext(base_date))) FROM unnest(%s) AS base_date",
            ([f"{base_date}" for base_date in base_dates_reading(day)],),
        )
        row = cursor.fetchone()
        yield bool(row and row[0])


def _airflow(chosen: Settings, newest: date, *, dry_run: bool) -> list[Gone]:
    """Run Airflow's own clean-up on its metadata, where the settings say where that is.

    Airflow always keeps the newest run of a DAG.

    Raises
    ------
    PublishingError
        E700 when it fails.
    """
    if chosen.airflow_metadata_url is None:
        return []
    moment = schedule_moment(newest - timedelta(weeks=chosen.keep_airflow_weeks)).isoformat()
    url = chosen.airflow_metadata_url.get_secret_value()
    done = subprocess.run(  # noqa: S603 (no word of it is a user's)
        [*_CLEAN, "--clean-before-timestamp", moment, *(["--dry-run"] if dry_run else [])],
        env=settings.environment_with(
            AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=url.replace(
                "postgresql://", "postgresql+psycopg2://", 1
            ),
            _AIRFLOW_PROCESS_CONTEXT="server",
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    log.debug("airflow db clean: %s%s", done.stdout, done.stderr)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["nothing"]
        raise PublishingError(f"airflow db clean failed, and said: {lines[-1][:200]}")
    return [Gone(METADATA, f"runs and logs in Airflow's metadata before {moment}")]
