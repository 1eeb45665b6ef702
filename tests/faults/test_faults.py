"""Nothing lost, nothing mixed: faults done to real processes that publish to a real Postgres.

After every fault readers have the old week or the new one, a rerun ends in the identical hash, and
the ledger has one row for it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pyarrow as pa
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import ledger, mart
from passbook.embedded import postgres
from tcp_proxy import proxy_before

from .report import DONE
from .stage_process import segments

pytestmark = [
    pytest.mark.faults, pytest.mark.postgres, pytest.mark.hive, pytest.mark.timeout(600),
]  # fmt: skip

STAGE_PROCESS = Path(__file__).with_name("stage_process.py")
ROWS = 40_000
COUNT = "SELECT count(*) FROM mart.customer_segment WHERE base_date = '2022-12-04'"


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


@pytest.fixture(scope="module")
def whole(bank: Bank) -> str:
    """The hash of the undisturbed week."""
    first = bank.run("undisturbed")
    assert first["rows"] == ROWS
    return str(first["sha256"])


def assert_whole(bank: Bank, sha256: str, fault: str, result: str) -> None:
    """The published week and its one ledger row are those of an undisturbed run."""
    record = "SELECT rows, sha256 FROM ops.publication WHERE base_date = '2022-12-04'"
    assert bank.query(record) == [(ROWS, sha256)]
    assert bank.query("SELECT ops.content_hash('customer_segment', '2022-12-04')") == [(sha256,)]
    DONE[fault] = result


@pytest.mark.parametrize("moment", ["begun", "copying", "staged", "published"])
def test_a_task_killed(bank: Bank, whole: str, moment: str) -> None:
    killed = bank.start("run", moment)
    await_pause(killed)
    killed.kill()
    killed.wait()
    assert bank.query(COUNT) == [(ROWS,)]
    assert bank.run("rerun")["sha256"] == whole
    assert_whole(bank, whole, f"kill -9 of the task, {moment}", "rerun passes, identical hash")


def test_a_task_stopped_past_its_heartbeat_and_continued(bank: Bank, whole: str) -> None:
    stopped = bank.start("run", "copying")
    await_pause(stopped)
    stopped.send_signal(signal.SIGSTOP)
    assert bank.run("run")["sha256"] == whole
    stopped.send_signal(signal.SIGCONT)
    assert answer(stopped, go_on=True)["code"] in {"E701", "E703"}
    assert bank.query("SELECT verdict FROM mart.verdict WHERE base_date = '2022-12-04'") == [
        ("pass",)
    ]
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
    """The swap of another content steps back again and again, so that readers do not pile up."""
    other = {"FAULTS_ROWS": str(ROWS + 1)}
    with closing(bank.analyst()) as holder, holder.cursor() as cursor:
        cursor.execute(COUNT)
        assert cursor.fetchall() == [(ROWS,)]
        writer = bank.start("run", **other)
        longest = 0.0
        while writer.poll() is None:
            began = time.monotonic()
            assert bank.query(COUNT) == [(ROWS,)]
            longest = max(longest, time.monotonic() - began)
        assert answer(writer)["code"] == "E706"
        assert longest < 5
        holder.rollback()
    assert bank.run("rerun", **other)["rows"] == ROWS + 1
    assert bank.query(COUNT) == [(ROWS + 1,)]
    assert bank.run("rerun")["sha256"] == whole
    assert_whole(
        bank, whole, "an analyst holds a lock",
        "the swap gives up in time (E706), other readers go on, the rerun passes",
    )  # fmt: skip


def test_postgres_restarted_in_the_middle_of_a_copy(bank: Bank, whole: str) -> None:
    working = bank.start("run", "copying")
    await_pause(working)
    postgres.stop(bank.home)
    postgres.start(bank.home, port=bank.server.port)
    assert answer(working, go_on=True)["code"] == "E701"
    assert bank.query(COUNT) == [(ROWS,)]
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


def test_the_backend_ended_at_each_statement_in_turn(bank: Bank, whole: str) -> None:
    found = bank.run("run", "each statement")
    assert found["sha256"] == whole
    assert found["codes"] == ["E701"]
    assert found["ended"] > 10
    assert_whole(
        bank, whole, "the task's Postgres backend ended at each statement in turn",
        f"E701 (retried) {found['ended']} times, then identical",
    )  # fmt: skip


def test_two_backfills_racing(bank: Bank, whole: str) -> None:
    days = ["2022-11-13", "2022-11-20", "2022-11-27"]
    racing = [
        bank.start(name, FAULTS_BASE_DATES=" ".join(order))
        for name, order in (("upwards", days), ("downwards", days[::-1]))
    ]
    assert all("sha256" in answer(process) for process in racing)
    record = bank.query(
        "SELECT base_date::text, count(*), min(sha256) FROM ops.publication"
        " WHERE base_date < '2022-12-04' GROUP BY 1 ORDER BY 1"
    )
    assert [row[:2] for row in record] == [(day, 1) for day in days]
    again = {day: bank.run("alone", FAULTS_BASE_DATES=day)["sha256"] for day in days}
    assert again == {day: sha256 for day, _, sha256 in record}
    assert_whole(
        bank, whole, "two backfills of three weeks racing, in opposite order",
        "each week published once a writer, identical to a run alone",
    )  # fmt: skip


def test_clocks_of_other_timezones(bank: Bank, whole: str) -> None:
    """The bank's week turns on Monday 01:00 in Seoul, wherever the machine thinks it is."""
    asked = (
        "from datetime import datetime as d; from passbook.base_date import last_sunday_before;"
        "print(*(last_sunday_before(d.fromisoformat(f'2022-12-0{m}+09:00')) for m in"
        " ('4T23:59:59', '5T00:00:00', '5T01:00:00')))"
    )
    for zone in ("Pacific/Kiritimati", "Pacific/Auckland", "America/Los_Angeles", "UTC"):
        told = subprocess.run(
            [sys.executable, "-c", asked], env=bank.environment | {"TZ": zone},
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        assert told.stdout.split() == ["2022-11-27", "2022-12-04", "2022-12-04"], zone
        assert bank.run("run", TZ=zone)["sha256"] == whole
    assert_whole(
        bank, whole, "clocks at the week's boundary in four timezones",
        "the same base date and hash in each",
    )  # fmt: skip


def test_a_corrupt_artifact(bank: Bank, whole: str) -> None:
    assert bank.run("run", "corrupt")["code"] == "E602"
    assert bank.query("SELECT verdict, code FROM mart.verdict WHERE base_date = '2022-12-04'") == [
        ("reject", "E602")
    ]
    assert bank.run("rerun")["sha256"] == whole
    assert_whole(bank, whole, "a byte of a model's file changed", "E602, nothing is published")


@pytest.mark.parametrize("what", ["gone", "hanging"])
def test_hive_in_the_middle_of_a_fetch(bank: Bank, whole: str, what: str) -> None:
    address = urlsplit(bank.environment["PASSBOOK_HIVE_URL"])
    with proxy_before(address.hostname or "", address.port or 0) as proxy:
        url = f"hive://passbook@127.0.0.1:{proxy.port}/?auth=NONE&timeout=5"
        working = bank.start("run", "hive", PASSBOOK_HIVE_URL=url)
        await_pause(working)
        if what == "gone":
            proxy.close()
        else:
            proxy.freeze()
        began = time.monotonic()
        assert answer(working, go_on=True)["code"] == "E101"
        assert time.monotonic() - began < 60
    assert bank.run("rerun")["sha256"] == whole
    assert_whole(bank, whole, f"Hive {what} mid-fetch", "E101 (retried) in time, rerun passes")


def test_a_full_disk_under_the_stage(bank: Bank, whole: str) -> None:
    """The mart's new tables go to a tablespace on a file system of four megabytes."""
    small = bank.home / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", small],
        check=False, capture_output=True,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip("a small file system may not be mounted here")
    try:
        shutil.chown(small, postgres.LENT_USER, postgres.LENT_USER)
        with closing(psycopg2.connect(bank.server.url)) as admin, admin.cursor() as cursor:
            admin.autocommit = True
            cursor.execute(f"CREATE TABLESPACE small LOCATION '{small}'")
            cursor.execute("GRANT CREATE ON TABLESPACE small TO PUBLIC")
            cursor.execute("ALTER DATABASE faults_test SET default_tablespace = small")
            found = bank.run("run", FAULTS_ROWS="200000")
            cursor.execute("ALTER DATABASE faults_test RESET default_tablespace")
            cursor.execute("DROP TABLESPACE small")
        assert found["code"] == "E701"
        assert bank.query(COUNT) == [(ROWS,)]
    finally:
        subprocess.run(["umount", "--lazy", small], check=True)
    assert bank.run("rerun")["sha256"] == whole
    assert_whole(bank, whole, "disk full under the stage", "E701 (retried), nothing is published")


def test_hive_gone(bank: Bank, whole: str) -> None:
    gone = {"PASSBOOK_HIVE_URL": "hive://nobody@127.0.0.1:1/?auth=NONE"}
    assert bank.run("run", **gone)["code"] == "E101"
    assert bank.query("SELECT verdict, code FROM mart.verdict WHERE base_date = '2022-12-04'") == [
        ("reject", "E101")
    ]
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
    assert bank.query("SELECT verdict, code FROM mart.verdict WHERE base_date = '2022-12-04'") == [
        ("reject", "E000")
    ]
    assert bank.run("rerun")["sha256"] == whole
    assert_whole(bank, whole, "out of memory", "rejected, rerun passes")


def test_a_reader_through_reruns_sees_whole_weeks_only(bank: Bank, whole: str) -> None:
    seen = set()
    writer = bank.start("run")
    with closing(bank.analyst()) as analyst:
        analyst.autocommit = True
        with analyst.cursor() as cursor:
            while writer.poll() is None:
                cursor.execute(COUNT)
                seen.update(cursor.fetchall())
                time.sleep(0.01)
    assert seen == {(ROWS,)}
    assert_whole(bank, whole, "a reader during a rerun", "sees the whole week at every moment")


def test_a_reader_through_a_hundred_swaps(bank: Bank, whole: str) -> None:
    """Every version of the week has rows of one band only, and one row more than the one before."""
    day, rows = date(2022, 10, 2), 50
    seen: set[tuple[int, int, int]] = set()
    ended = threading.Event()

    def read() -> None:
        query = """SELECT count(*), min(balance_band), max(balance_band)
                   FROM mart.customer_segment WHERE base_date = '2022-10-02'"""
        with closing(bank.analyst()) as analyst, analyst.cursor() as cursor:
            analyst.autocommit = True
            while not ended.is_set():
                cursor.execute(query)
                seen.update(cursor.fetchall())

    with closing(mart.connect(bank.given.loader)) as loader:
        reader = threading.Thread(target=read)
        for version in range(101):
            fence = ledger.begin_stage(loader, "segment_customers", day, "swaps")
            block = segments(day, 0, rows + version)
            band = pa.array([version % 6] * block.num_rows, pa.int32())
            place = block.schema.get_field_index("balance_band")
            block = block.set_column(place, block.schema.field(place), band)
            mart.publish(loader, fence, {"customer_segment": [block]}, inputs={})
            if version == 0:
                reader.start()
        ended.set()
        reader.join()
    assert len(seen) > 1
    assert all(low == high == (count - rows) % 6 for count, low, high in seen)
    assert_whole(
        bank, whole, "a reader through 100 swaps of a week", "sees a whole version every time"
    )


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
            "SELECT count(*), count(*) FILTER (WHERE sha256 <> ops.content_hash(mart_table,"
            " base_date)) FROM ops.publication"
        )
        ((weeks, differing),) = cursor.fetchall()
    assert weeks >= 1
    assert differing == 0
    assert_whole(bank, whole, "restore from pg_dump", "every hash of the ledger verifies")
