"""A stack of its own with a tiny demo bank, for tests that need Airflow itself."""

from __future__ import annotations

import io
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from passbook import cli, hive, sources
from passbook import settings as settings_module
from passbook.base_date import last_sunday_before, now, schedule_moment
from passbook.demo import load
from passbook.demo.bank.simulation import simulate
from passbook.embedded import airflow, process, stack
from passbook.embedded.airflow_api import AirflowApi

CUSTOMERS = 300
WHOLE_WEEK_CUSTOMERS = 1200
"""Enough that every stage of the chain has something to learn from."""
WHOLE_WEEK = {
    "PASSBOOK_CREDIT_SEARCH_TRIALS": "1",
    "PASSBOOK_SEGMENT_COUNTS": "[4]",
    "PASSBOOK_SEGMENT_MINIMUM_CUSTOMERS": "100",
}
"""Settings for a whole week that is over soon."""


@dataclass(frozen=True)
class TinyBank:
    """A running stack, and the newest base date that its schedule has passed."""

    stack: stack.Stack
    base_date: date
    adapters: Path
    files: Path
    """Folder of the bank's own tables."""

    def revive(self) -> None:
        """Start those of its servers that do not run."""
        if not all(process.running(self.stack.home, name) for name in stack.SERVERS):
            _start(self.stack.home, self.stack.source, self.adapters, self.base_date)

    @property
    def airflow(self) -> airflow.AirflowServer:
        """The running Airflow."""
        assert self.stack.airflow is not None
        return self.stack.airflow

    def api(self, user: str = "admin") -> AirflowApi:
        """Return a session of one of its users with Airflow's REST API."""
        return AirflowApi(self.airflow.url, user, self.airflow.passwords[user])

    def command(self, *words: object, status: int | None = 0) -> str:
        """Run a command of ``passbook`` on the stack and return what it told.

        It has to end with `status`; None: with any.
        """
        told = io.StringIO()
        with pytest.MonkeyPatch.context() as environment, redirect_stdout(told):
            environment.setenv("PASSBOOK_HOME", str(self.stack.home))
            settings_module.load.cache_clear()
            found = cli.main([str(word) for word in words])
        settings_module.load.cache_clear()
        assert status is None or found == status, told.getvalue()
        return told.getvalue()

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what a query of the mart's owner finds."""
        with (
            closing(psycopg2.connect(self.stack.mart.owner)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(query, values or None)
            return cursor.fetchall()


@contextmanager
def tiny_bank(
    home: Path,
    folder: Path,
    source: str,
    settings: Mapping[str, str] | None = None,
    *,
    customers: int = CUSTOMERS,
    base_date: date | None = None,
    without: Collection[str] = (),
) -> Iterator[TinyBank]:
    """Start a stack under `home` whose bank's own files and adapter are in `folder`.

    Without a base date the bank's data end where the schedule has nothing left to run. The adapter
    is the demo bank's, `without` some work tables.
    """
    adapters, bank = folder / "adapters", folder / "bank"
    shutil.copytree(sources.BUILT_IN / "demo", adapters / source)
    for table in without:
        (adapters / source / f"{table}.sql").unlink()
    base_date = base_date or last_sunday_before(last_sunday_before(now()))
    simulate(bank, customers=customers, seed=7, end=base_date)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in (settings or {}).items():
            environment.setenv(name, value)
        found = _start(home, source, adapters, base_date)
        try:
            with hive.connect(found.hive.url) as connection:
                load.register(connection, bank, source)
            yield TinyBank(found, base_date, adapters, bank)
        finally:
            airflow.stop(home)


def start_backfill(api: AirflowApi, dag: str, weeks: Sequence[date], **more: Any) -> None:
    """Start a backfill of a range of weeks, as the dialog would."""
    first, last = (schedule_moment(week).isoformat() for week in (weeks[0], weeks[-1]))
    body = {"dag_id": dag, "from_date": first, "to_date": last, "max_active_runs": 1,
            "reprocess_behavior": "completed", **more}  # fmt: skip
    api._request("POST", "/api/v2/backfills", body)


def _start(home: Path, source: str, adapters: Path, base_date: date) -> stack.Stack:
    return stack.start(home, source, adapters, heap="1g", schedule_until=base_date)
