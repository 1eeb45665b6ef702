"""Whether all that Passbook needs is there: connections, schema, rights, disk, clock, versions.

Each check returns findings; one that fails says what to do. A check never changes anything that it
does not undo.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING, Final

import psycopg2
from packaging.requirements import Requirement

from passbook import hive, mart, sources
from passbook.base_date import BANK_TIMEZONE, newest_base_date, now
from passbook.errors import PassbookError
from passbook.mart.connection import HEAD
from passbook.steps.stage import hive_url, mart_url

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812

    from passbook.settings import Settings

LEAST_FREE_GB: Final = 5.0
LARGEST_CLOCK_DIFFERENCE: Final = timedelta(seconds=60)
PYTHON: Final = (3, 11)
_PROBE: Final = "passbook_doctor"
_LOADER_RIGHTS: Final = {
    "write the ledger": "has_table_privilege('ops.verdict', 'INSERT, UPDATE')",
    "read the mart": "has_table_privilege('mart.customer_segment', 'SELECT')",
    "publish": "bool_or(has_function_privilege(p.oid, 'EXECUTE')) FROM pg_proc p"
    " WHERE p.proname = 'swap' AND p.pronamespace = 'ops'::regnamespace",
    "make temporary tables": "has_database_privilege(current_database(), 'TEMPORARY')",
}
_LEFT_OPEN: Final = """
    SELECT string_agg(format('%%s for %%s', stage, base_date), ', ' ORDER BY base_date, stage)
    FROM mart.verdict
    WHERE verdict = 'running' AND started_at < %(before)s
      AND pg_try_advisory_xact_lock(
          hashtext('passbook stage'), hashtext(stage || ' ' || base_date))"""
"""Stages that wait for a verdict while nobody holds their lock; see `stage.begin`."""


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    check : str
    fine : bool
    detail : str
        What was seen; no password.
    fix : str
        What to do; empty when all is fine.
    """

    check: str
    fine: bool
    detail: str
    fix: str = ""


def examine(chosen: Settings) -> list[Finding]:
    """Run every check. One that cannot be made is a finding of its own, and the rest go on."""
    checks: tuple[tuple[str, Callable[[Settings], Iterator[Finding]]], ...] = (
        ("versions", _versions),
        ("source", _source),
        ("disk", _disk),
        ("mart", _mart),
        ("hive", _hive),
    )
    found: list[Finding] = []
    for name, check in checks:
        try:
            found += check(chosen)
        except PassbookError as error:
            found.append(Finding(name, False, f"{error.code} {error.detail}", error.remedy))
        except Exception as error:
            # A connection that is not set up raises whatever Airflow makes of it.
            fix = "Set PASSBOOK_MART_URL and PASSBOOK_HIVE_URL, or Airflow's connections."
            found.append(Finding(name, False, f"{type(error).__name__}: {error}"[:300], fix))
    return found


def _versions(_chosen: Settings) -> Iterator[Finding]:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    yield Finding(
        "versions: Python", sys.version_info[:2] == PYTHON, python, "Install with Python 3.11."
    )
    wrong = []
    for line in requires("passbook") or []:
        needed = Requirement(line)
        if needed.marker is not None and not needed.marker.evaluate():
            continue
        try:
            there = version(needed.name)
        except PackageNotFoundError:
            there = "absent"
        if there == "absent" or not needed.specifier.contains(there, prereleases=True):
            wrong.append(f"{needed.name} {there}, needed {needed.specifier or 'any'}")
    detail = "; ".join(wrong) or f"passbook {version('passbook')} and what it needs"
    yield Finding(
        "versions: packages", not wrong, detail, "Install requirements.txt with its hashes."
    )


def _source(chosen: Settings) -> Iterator[Finding]:
    adapter = sources.find(chosen.source, chosen.sources)
    yield Finding("source", True, f"{adapter.name}, in {adapter.folder}")


def _disk(chosen: Settings) -> Iterator[Finding]:
    home = chosen.home.absolute()
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=place) as probe:
            probe.write(b"x")
        writable = True
    except OSError:
        writable = False
    yield Finding(
        "disk: rights", writable, f"{place} can{'' if writable else 'not'} be written",
        "Give this user the right to write there, or set PASSBOOK_HOME elsewhere.",
    )  # fmt: skip
    free = shutil.disk_usage(place).free / 1e9
    yield Finding(
        "disk: space", free >= LEAST_FREE_GB, f"{free:.1f} GB free in {place}",
        f"Have {LEAST_FREE_GB:.0f} GB free: `passbook maintain --apply` lets go of old weeks.",
    )  # fmt: skip


def _mart(chosen: Settings) -> Iterator[Finding]:
    with closing(mart.connect(mart_url(chosen), check_migration=False)) as connection:
        login = connection.info.user
        yield Finding("mart: connection", True, f"{login} on {connection.info.host}")
        yield from _clock("mart: clock", _one(connection, "SELECT clock_timestamp()"))
        found = _migration(connection)
        if found is None:
            yield _loader_finding(login, list(_LOADER_RIGHTS))
            return
        yield Finding(
            "mart: schema", found == HEAD, f"at {found}, this code needs {HEAD}",
            "Run `passbook migrate` as the owner (PASSBOOK_MART_OWNER_URL).",
        )  # fmt: skip
        if found == HEAD:
            lacks = [
                right for right, asked in _LOADER_RIGHTS.items()
                if not _one(connection, f"SELECT {asked}")
            ]  # fmt: skip
            yield _loader_finding(login, lacks)
            yield _verdicts(connection, chosen)


def _verdicts(connection: Connection, chosen: Settings) -> Finding:
    """Tell which stages nobody is at work on any more, though later ones wait for them."""
    hours = chosen.verdict_wait_hours
    before = now() - timedelta(hours=hours)
    left = _one(connection, _LEFT_OPEN, before=before)
    return Finding(
        "mart: verdicts", left is None,
        f"open for over {hours:g} h with nobody at work: {left or 'none'}",
        "Clear the failed task of its run in Airflow, or trigger the DAG for the base date.",
    )  # fmt: skip


def _loader_finding(login: str, lacks: list[str]) -> Finding:
    detail = f"{login} may not {', '.join(lacks)}" if lacks else f"{login} may publish"
    fix = (
        "Run `passbook prepare`, or make the login a member of passbook_loader and let that make"
        " temporary tables."
    )
    return Finding("mart: rights", not lacks, detail, fix)


def _migration(connection: Connection) -> str | None:
    """Return the migration the mart is at; None: this login may not look."""
    if not _one(
        connection,
        "SELECT true FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'ops' AND c.relname = 'alembic_version'",
    ):
        return "nothing"
    found = _one(
        connection, "SELECT coalesce(max(version_num), 'nothing') FROM ops.alembic_version"
    )
    return None if found is None else str(found)


def _one(connection: Connection, query: str, **values: object) -> object:
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(query, values or None)
            row = cursor.fetchone()
    except psycopg2.errors.InsufficientPrivilege:
        return None
    return row[0] if row else None


def _clock(check: str, there: object) -> Iterator[Finding]:
    if isinstance(there, datetime):
        apart = abs(there - now())
        yield Finding(
            check, apart <= LARGEST_CLOCK_DIFFERENCE,
            f"{apart.total_seconds():.1f} s from this machine's; here it is"
            f" {now().astimezone(BANK_TIMEZONE):%Y-%m-%d %H:%M %Z}, base date {newest_base_date()}",
            "Let both machines follow the same time server: the base date comes from the clock.",
        )  # fmt: skip


def _hive(chosen: Settings) -> Iterator[Finding]:
    with hive.connect(hive_url(chosen)) as connection:
        databases = connection.query("SHOW DATABASES").column(0).to_pylist()
        yield Finding("hive: connection", True, f"{len(databases)} databases")
        yield Finding(
            "hive: bank", chosen.bank_database in databases,
            f"the bank's own tables are looked for in {chosen.bank_database}",
            "Set PASSBOOK_SOURCE_DATABASE to the Hive database of the bank's tables.",
        )  # fmt: skip
        database = chosen.work_database
        made = database not in databases
        connection.execute(f"CREATE DATABASE IF NOT EXISTS {database}")
        try:
            yield from _work_tables(connection, database)
        finally:
            connection.execute(f"DROP TABLE IF EXISTS {database}.{_PROBE}")
            if made:
                connection.execute(f"DROP DATABASE IF EXISTS {database}")


def _work_tables(connection: hive.Hive, database: str) -> Iterator[Finding]:
    """Write a row as an ingest would, and read it as a stage would."""
    day = newest_base_date()
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {database}.{_PROBE} (x INT)"
        " PARTITIONED BY (base_date DATE) STORED AS PARQUET"
    )
    connection.execute(
        f"INSERT OVERWRITE TABLE {database}.{_PROBE} PARTITION (base_date='{day}') SELECT 1"
    )
    yield Finding("hive: rights", True, f"tables can be made and filled in {database}")
    dataset, _ = connection.open_files(database, _PROBE, day)
    yield Finding(
        "hive: files", dataset.count_rows() == 1, f"files of {database} can be read from here",
        "Let this machine reach the warehouse, or set read=thrift in PASSBOOK_HIVE_URL.",
    )  # fmt: skip
