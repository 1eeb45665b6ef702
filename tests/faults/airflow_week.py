"""One stage of a tiny bank's week on a real Airflow: held at a moment, watched, held to account."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psutil
import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import ledger, mart
from passbook.base_date import schedule_moment
from passbook.embedded.airflow_api import AirflowApi, Run
from passbook.errors import AirflowRequestError
from tiny_bank import TinyBank

from .report import DONE
from .stage_process import segments

STAGE, TASK = "segment_customers", "assign_and_publish"
OLD_ROWS = 50
PATIENCE = 240
"""Seconds in which everything awaited has to happen."""

HOLDS = {
    # A stage's first statement looks up the migration, its next ones lock and begin it.
    "beginning": "LOCK TABLE ops.alembic_version IN ACCESS EXCLUSIVE MODE",
    "training": "LOCK TABLE ops.trial IN ACCESS EXCLUSIVE MODE",
    "reading": "LOCK TABLE ops.work_table IN ACCESS EXCLUSIVE MODE",
    "publishing": "SELECT FROM ops.publication WHERE mart_table = 'customer_segment' FOR UPDATE",
}
"""What the test locks to hold a stage at a moment, without a hook in the product."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class Attempt:
    """A task at work, held by the test."""

    number: int
    task: psutil.Process
    supervisor: psutil.Process
    backend: int
    """Postgres's process for the task's session."""


class AirflowWeek:
    """The week, its stage, and those who watch."""

    def __init__(self, bank: TinyBank, api: FaultApi) -> None:
        self.bank = bank
        self.api = api
        self.base_date = bank.base_date
        self.mart = bank.stack.mart
        self.seen: set[int] = set()
        database = urlsplit(bank.stack.mart.owner).path.removeprefix("/")
        self._superuser = bank.stack.postgres.database_url(database)
        self._whole: list[tuple[str, int, str]] = []
        self._token = 0

    def query(self, statement: str, *, url: str | None = None) -> list[tuple[Any, ...]]:
        address = url or self.mart.owner
        with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    def keep_whole(self) -> None:
        """Remember the undisturbed week."""
        self._whole = self._published()
        assert len({table for table, _, _ in self._whole}) == len(self._whole) == 4

    def publish_old_week(self) -> None:
        """Put another content in the week's place: what readers see until the stage's swap."""
        block = segments(self.base_date, 0, OLD_ROWS)
        with closing(mart.connect(self.mart.loader)) as loader:
            fence = ledger.begin_stage(loader, STAGE, self.base_date, "an older week")
            mart.publish(loader, fence, {"customer_segment": [block]}, inputs={})
            ledger.record_verdict(loader, fence, "pass")
        self._token = fence.token

    @contextmanager
    def readers(self) -> Iterator[None]:
        """Let an analyst read the week over and over."""
        ended = threading.Event()
        self.seen = set()

        def read() -> None:
            while not ended.wait(0.05):
                with suppress(psycopg2.OperationalError):
                    self.seen |= self.rows_seen()

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield
        finally:
            ended.set()
            reader.join()

    @contextmanager
    def held(self, moment: str) -> Iterator[Connection]:
        """Hold every stage that reaches the moment until the connection is closed."""
        with closing(psycopg2.connect(self.mart.owner)) as holder, holder.cursor() as cursor:
            cursor.execute(HOLDS[moment])
            yield holder

    def trigger(self, dag: str = STAGE, **conf: Any) -> Run:
        return self.api.trigger(dag, {"base_date": self.base_date.isoformat(), **conf})

    def await_task(self, run: Run, task: str, *states: str) -> None:
        """Return when a task is in one of the states."""
        until(lambda: self.api.tasks(run).get(task) in states, f"{task}: {states}")

    def await_held(self, run: Run, task: str = TASK, *, after: Attempt | None = None) -> Attempt:
        """Return the next attempt when it is at work and waits for the lock that the test holds.

        By then the attempt before it has lost its session.
        """
        attempt = after.number + 1 if after else 1

        def there() -> Attempt | None:
            found = self.api.instance(run, task)
            waiting = self.query(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                " AND wait_event_type = 'Lock' AND usename LIKE '%loader'",
                url=self._superuser,
            )
            at_work = (found["state"], found["try_number"]) == ("running", attempt)
            if not at_work or not found["pid"] or len(waiting) != 1:
                return None
            if after and waiting[0][0] == after.backend:
                return None
            process = psutil.Process(found["pid"])
            supervisor = process.parent()
            assert supervisor is not None
            assert "LocalExecutor" in " ".join(supervisor.cmdline())
            return Attempt(attempt, process, supervisor, waiting[0][0])

        return until(there, f"attempt {attempt} of {task}")

    def await_end(self, run: Run) -> str:
        """Return the state in which a run has ended.

        Servers that end meanwhile, for a fault done to another one, are started again.
        """

        def ended() -> str | None:
            self.bank.revive()
            found = self.api.run(run)
            return found.state if found.finished else None

        return until(ended, f"the end of {run.run_id}")

    def await_ends(self) -> None:
        """Return when no run is left of a fault before, were it one that failed."""

        def ended() -> bool:
            self.bank.revive()
            return all(run.finished for run in self.api.runs(STAGE))

        until(ended, "the end of earlier runs")

    def attempts(self, run: Run, task: str = TASK) -> int:
        number: int = self.api.instance(run, task)["try_number"]
        return number

    def verdict(self) -> tuple[str, str]:
        """Return the stage's newest verdict, and its code."""
        with closing(mart.connect(self.mart.loader)) as loader:
            found = ledger.latest_verdict(loader, STAGE, self.base_date)
        assert found is not None
        return found.verdict, found.code

    def assert_whole(self, fault: str, result: str, *, rejected: bool = False) -> None:
        """Readers saw the old week or the new one; the new one is that of an undisturbed run."""
        whole = {table: rows for table, rows, _ in self._whole}["customer_segment"]
        assert self._published() == self._whole
        assert self.rows_seen() == {whole}
        assert self.seen <= {OLD_ROWS, whole}
        for table, _, sha256 in self._whole:
            found = self.query(f"SELECT ops.content_hash('{table}', '{self.base_date}')")
            assert found == [(sha256,)], table
        verdicts = [
            verdict
            for (verdict,) in self.query(
                f"SELECT verdict FROM ops.verdict WHERE stage = '{STAGE}'"
                f" AND base_date = '{self.base_date}' AND token > {self._token} ORDER BY token"
            )
        ]
        assert verdicts[-1] == "pass"
        assert ("reject" in verdicts) == rejected
        DONE[fault] = result

    def _published(self) -> list[tuple[str, int, str]]:
        return self.query(
            f"SELECT mart_table, rows, sha256 FROM ops.publication WHERE stage = '{STAGE}'"
            f" AND base_date = '{self.base_date}' ORDER BY mart_table"
        )

    def rows_seen(self) -> set[int]:
        statement = "SELECT count(*) FROM mart.customer_segment WHERE base_date = %s"
        with closing(psycopg2.connect(self.mart.analyst)) as analyst, analyst.cursor() as cursor:
            cursor.execute(statement, (self.base_date,))
            return {rows for (rows,) in cursor.fetchall()}


class FaultApi(AirflowApi):
    """What only these tests ask of Airflow."""

    def instance(self, run: Run, task: str) -> dict[str, Any]:
        """Return the task instance as it is now."""
        path = f"/api/v2/dags/{run.dag}/dagRuns/{run.run_id}/taskInstances/{task}"
        found: dict[str, Any] = self._request("GET", path)
        return found

    def versions(self, dag: str) -> int:
        """Return how many versions of the DAG Airflow has read."""
        number: int = self._request("GET", f"/api/v2/dags/{dag}/dagVersions")["total_entries"]
        return number

    def clear(self, run: Run) -> None:
        """Let the failed tasks of a run be done again, as an operator does."""
        body = {"dry_run": False, "dag_run_id": run.run_id, "only_failed": True}
        self._request("POST", f"/api/v2/dags/{run.dag}/clearTaskInstances", body)

    def mark_failed(self, run: Run, task: str) -> None:
        """Mark a task as failed, as an operator does; Airflow ends it where it is at work."""
        path = f"/api/v2/dags/{run.dag}/dagRuns/{run.run_id}/taskInstances/{task}"
        self._request("PATCH", path, {"new_state": "failed"})

    def backfill_weeks(self, dag: str, week: AirflowWeek, weeks: int) -> int:
        """Start a backfill of the week and those before it, and return its number."""
        first = week.base_date - timedelta(weeks=weeks - 1)
        body = {
            "dag_id": dag, "from_date": schedule_moment(first).isoformat(),
            "to_date": schedule_moment(week.base_date).isoformat(), "max_active_runs": 2,
            "reprocess_behavior": "completed",
        }  # fmt: skip
        number: int = self._request("POST", "/api/v2/backfills", body)["id"]
        return number


def until(ready: Callable[[], Found | None], what: str) -> Found:
    """Return what `ready` finds when it finds something; servers may be away meanwhile."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(AirflowRequestError, psycopg2.OperationalError, psutil.NoSuchProcess):
            if found := ready():
                return found
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE} s"
        time.sleep(0.2)


def ended(process: psutil.Process) -> bool:
    """Whether the process has ended; one that nobody has waited for counts too."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
