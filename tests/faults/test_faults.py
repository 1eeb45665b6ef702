"""Nothing lost, nothing mixed: faults done to real processes that publish to a real Postgres.

After every fault readers have the old week or the new one, a rerun ends in the identical hash, and
the ledger has one row for it. ``PASSBOOK_RELIABILITY_REPORT`` names a file for the results.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import mart
from passbook.embedded import postgres

pytestmark = [
    pytest.mark.faults, pytest.mark.postgres, pytest.mark.hive, pytest.mark.timeout(600),
]  # fmt: skip

STAGE_PROCESS = Path(__file__).with_name("stage_process.py")
ROWS = 40_000
DONE: dict[str, str] = {}


class Bank:
    """A mart on a Postgres of its own, and processes that work for it."""

    def __init__(self, home: Path, hive_url: str) -> None:
        self.home = home
        self.server = postgres.start(home, port=15432)
        self.given = mart.prepare_database(self.server.url, "faults_test", "o", "l", "a")
        mart.migrate(self.given.owner)
        self.environment = os.environ | {
            "PASSBOOK_HOME": str(home),
            "PASSBOOK_SOURCE": "insurance_purchases",
            "PASSBOOK_MART_URL": self.given.loader,
            "PASSBOOK_HIVE_URL": hive_url,
            "PASSBOOK_LOCK_TIMEOUT_SECONDS": "2",
        }
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, run: str, moment: str = "never", **more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, STAGE_PROCESS, run, moment],
            env=self.environment | more,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.processes.append(process)
        return process

    def run(self, run: str, moment: str = "never", **more: str) -> dict[str, Any]:
        return answer(self.start(run, moment, **more))

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self.given.owner)) as owner, owner.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    def analyst(self) -> Connection:
        return psycopg2.connect(self.given.analyst)


def answer(process: subprocess.Popen[str], *, go_on: bool = False) -> dict[str, Any]:
    output, _ = process.communicate("\n" if go_on else None, timeout=240)
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def await_pause(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "paused\n"


@pytest.fixture(scope="module")
def bank(servers_home: Path, hive_url: str) -> Iterator[Bank]:
    made = Bank(servers_home / "faults", hive_url)
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.kill()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        process.wait()
    postgres.stop(made.home)
    if report := os.environ.get("PASSBOOK_RELIABILITY_REPORT"):
        write_report(Path(report))


def write_report(path: Path) -> None:
    """Write the table of faults between the marks of the document."""
    begin, end = "<!-- faults -->\n", "<!-- /faults -->"
    before, rest = path.read_text(encoding="utf-8").split(begin)
    after = rest.split(end)[1]
    lines = ["| fault | result |\n|---|---|\n", *(f"| {f} | {r} |\n" for f, r in DONE.items())]
    path.write_text(f"{before}{begin}{''.join(lines)}{end}{after}", encoding="utf-8")


@pytest.fixture(scope="module")
def whole(bank: Bank) -> str:
    """The hash of the undisturbed week."""
    first = bank.run("undisturbed")
    assert first["rows"] == ROWS
    return str(first["sha256"])


def assert_whole(bank: Bank, sha256: str, fault: str, result: str) -> None:
    """The published week and its one ledger row are those of an undisturbed run."""
    assert bank.query("SELECT rows, sha256 FROM ops.publication") == [(ROWS, sha256)]
    assert bank.query("SELECT ops.content_hash('customer_segment', '2022-12-04')") == [(sha256,)]
    DONE[fault] = result


@pytest.mark.parametrize("moment", ["begun", "copying", "published"])
def test_a_task_killed(bank: Bank, whole: str, moment: str) -> None:
    killed = bank.start("run", moment)
    await_pause(killed)
    killed.kill()
    killed.wait()
    assert bank.query("SELECT rows FROM ops.publication") == [(ROWS,)]
    assert bank.run("rerun")["sha256"] == whole
    assert_whole(bank, whole, f"kill -9 of the task, {moment}", "rerun passes, identical hash")


def test_a_task_stopped_past_its_heartbeat_and_continued(bank: Bank, whole: str) -> None:
    stopped = bank.start("run", "copying")
    await_pause(stopped)
    stopped.send_signal(signal.SIGSTOP)
    assert bank.run("run")["sha256"] == whole
    stopped.send_signal(signal.SIGCONT)
    assert answer(stopped, go_on=True)["code"] in {"E701", "E703"}
    assert bank.query("SELECT verdict FROM mart.verdict") == [("pass",)]
    assert_whole(
        bank, whole, "task stopped, retried, continued", "the retry passes, the old one is refused"
    )


def test_schedule_manual_and_backfill_at_once(bank: Bank, whole: str) -> None:
    first = bank.start("scheduled", "copying")
    await_pause(first)
    others = [bank.start(name) for name in ("manual", "backfill")]
    assert [answer(other)["code"] for other in others] == ["E707", "E707"]
    assert answer(first, go_on=True)["sha256"] == whole
    racing = [bank.start(name) for name in ("manual", "backfill")]
    found = [answer(process) for process in racing]
    assert any(f.get("sha256") == whole for f in found)
    assert all(f.get("sha256", whole) == whole and f.get("code", "E707") == "E707" for f in found)
    assert_whole(
        bank, whole, "schedule, manual run and backfill at once", "one runs, the others wait (E707)"
    )


def test_an_analyst_who_holds_a_lock(bank: Bank, whole: str) -> None:
    with closing(bank.analyst()) as analyst, analyst.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT count(*) FROM mart.customer_segment")
        assert cursor.fetchall() == [(ROWS,)]
        found = bank.run("run")
        assert found.get("code", "E706") == "E706"
        analyst.rollback()
    assert bank.run("rerun")["sha256"] == whole
    assert_whole(bank, whole, "an analyst holds a lock", "the swap gives up in time, rerun passes")


def test_postgres_restarted_in_the_middle_of_a_copy(bank: Bank, whole: str) -> None:
    working = bank.start("run", "copying")
    await_pause(working)
    postgres.stop(bank.home)
    postgres.start(bank.home, port=bank.server.port)
    assert answer(working, go_on=True)["code"] == "E701"
    assert bank.query("SELECT rows FROM ops.publication") == [(ROWS,)]
    assert bank.run("rerun")["sha256"] == whole
    assert_whole(bank, whole, "Postgres restarted mid-COPY", "E701 (retried), identical hash")


@pytest.mark.parametrize("moment", ["begun", "copying"])
def test_the_backend_ended(bank: Bank, whole: str, moment: str) -> None:
    working = bank.start("run", moment)
    await_pause(working)
    with closing(psycopg2.connect(bank.server.url)) as admin, admin.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = 'faults_test' AND usename LIKE '%loader'"
        )
    assert answer(working, go_on=True)["code"] == "E701"
    assert bank.run("rerun")["sha256"] == whole
    assert_whole(
        bank, whole, f"the task's Postgres backend ended, {moment}", "E701, then identical"
    )


def test_hive_gone(bank: Bank, whole: str) -> None:
    gone = {"PASSBOOK_HIVE_URL": "hive://nobody@127.0.0.1:1/?auth=NONE"}
    assert bank.run("run", **gone)["code"] == "E101"
    assert bank.query("SELECT verdict, code FROM mart.verdict") == [("reject", "E101")]
    assert bank.run("rerun")["sha256"] == whole
    assert_whole(bank, whole, "Hive gone", "E101 (retried), rerun passes")


def test_a_full_disk_under_the_artifacts(bank: Bank, whole: str) -> None:
    assert bank.run("run", "disk full")["code"] == "E805"
    folder = bank.home / "artifacts" / "insurance_purchases" / "m"
    assert not folder.exists() or list(folder.iterdir()) == []
    assert_whole(bank, whole, "disk full under the artifacts", "E805, no version is left")


def test_a_training_that_runs_out_of_memory(bank: Bank, whole: str) -> None:
    process = bank.start("run", "memory")
    process.communicate(timeout=240)
    assert process.returncode != 0
    assert bank.query("SELECT verdict, code FROM mart.verdict") == [("reject", "E000")]
    assert bank.run("rerun")["sha256"] == whole
    assert_whole(bank, whole, "out of memory", "rejected, rerun passes")


def test_a_reader_through_reruns_sees_whole_weeks_only(bank: Bank, whole: str) -> None:
    seen = set()
    writer = bank.start("run")
    with closing(bank.analyst()) as analyst:
        analyst.autocommit = True
        with analyst.cursor() as cursor:
            while writer.poll() is None:
                cursor.execute("SELECT count(*) FROM mart.customer_segment")
                seen.update(cursor.fetchall())
                time.sleep(0.01)
    assert seen == {(ROWS,)}
    assert_whole(bank, whole, "a reader during a rerun", "sees the whole week at every moment")


def test_a_restored_dump_verifies(bank: Bank, whole: str) -> None:
    dump = bank.home / "mart.dump"
    address = urlsplit(bank.server.url)
    tools = postgres.binaries()
    arguments = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    source = address._replace(path="/faults_test").geturl()
    copy = address._replace(path="/restored_test").geturl()
    subprocess.run([tools / "pg_dump", "-Fc", "-f", dump, source], check=True, **arguments)
    with closing(psycopg2.connect(bank.server.url)) as admin, admin.cursor() as cursor:
        admin.autocommit = True
        cursor.execute("CREATE DATABASE restored_test")
    subprocess.run([tools / "pg_restore", "-d", copy, dump], check=True, **arguments)
    with closing(psycopg2.connect(copy)) as restored, restored.cursor() as cursor:
        cursor.execute(
            "SELECT sha256, ops.content_hash(mart_table, base_date) FROM ops.publication"
        )
        assert cursor.fetchall() == [(whole, whole)]
    assert_whole(bank, whole, "restore from pg_dump", "every hash of the ledger verifies")
