"""A writer killed at any moment leaves the published week as it was, and no rubbish behind."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from multiprocessing.connection import Connection as MultiprocessingConnection
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pyarrow as pa
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from passbook import ledger, mart
from passbook.embedded import postgres
from passbook.errors import MartUnreachableError
from passbook.mart import publishing

from .weeks import BASE_DATE, batch, rows, segments

pytestmark = pytest.mark.postgres

STAGE = "segment_customers"


def write(url: str, moment: str, reached: MultiprocessingConnection) -> None:
    """Publish in a process of its own, and wait to be killed at `moment`."""

    def pause(*_: object) -> None:
        reached.send(moment)
        time.sleep(600)

    def batches() -> Iterator[pa.RecordBatch]:
        yield segments([5] * 70_000)
        if moment == "mid-copy":
            pause()

    if moment == "before swap":
        publishing._swap = pause
    connection = mart.connect(url)
    fence = ledger.begin_stage(connection, STAGE, BASE_DATE, "killed run")
    mart.publish(connection, fence, {"customer_segment": batches()}, inputs={})
    pause()


@pytest.mark.parametrize("moment", ["mid-copy", "before swap", "after commit"])
def test_a_killed_writer(
    moment: str,
    addresses: mart.Addresses,
    loader: Connection,
    analyst: Connection,
    postgres_database: str,
) -> None:
    fence = ledger.begin_stage(loader, STAGE, BASE_DATE, "earlier run")
    mart.publish(loader, fence, {"customer_segment": [segments([1, 2])]}, inputs={})
    reached, told = multiprocessing.Pipe(duplex=False)
    writer = multiprocessing.get_context("fork").Process(
        target=write, args=(addresses.loader, moment, told)
    )
    writer.start()
    assert reached.poll(60)
    assert reached.recv() == moment
    writer.kill()
    writer.join()

    week = {"customer_segment": [segments([5] * 70_000)]}
    count = rows(analyst, "SELECT count(*) FROM mart.customer_segment")[0][0]
    assert count == (70_000 if moment == "after commit" else 2)
    again = ledger.begin_stage(loader, STAGE, BASE_DATE, "rerun")
    (done,) = mart.publish(loader, again, week, inputs={})
    record = rows(analyst, "SELECT rows, sha256, run_id FROM mart.publication")
    assert record == [(70_000, done.sha256, "rerun")]
    with closing(mart.connect(postgres_database)) as superuser:
        wait_until_alone(superuser)
        strays = rows(
            superuser,
            """SELECT relname FROM pg_class WHERE relnamespace = 'stage'::regnamespace
               AND relkind = 'r'
               AND relname NOT IN (SELECT partition FROM ops.replaced_publication)""",
        )
    assert strays == []


def test_a_lost_backend_is_retryable_and_changes_nothing(
    addresses: mart.Addresses, analyst: Connection, postgres_database: str
) -> None:
    before = rows(analyst, "SELECT * FROM mart.publication")
    with (
        closing(mart.connect(addresses.loader)) as connection,
        closing(mart.connect(postgres_database)) as superuser,
    ):
        fence = ledger.begin_stage(connection, STAGE, BASE_DATE, "run")

        def batches() -> Iterator[pa.RecordBatch]:
            yield segments([1])
            rows(superuser, "SELECT pg_terminate_backend(%s)", connection.info.backend_pid)
            yield segments([2]).slice(1)

        with pytest.raises(MartUnreachableError) as caught:
            mart.publish(connection, fence, {"customer_segment": batches()}, inputs={})
    assert caught.value.retryable
    assert rows(analyst, "SELECT * FROM mart.publication") == before


def test_the_backend_is_ended_at_each_statement_in_turn(
    addresses: mart.Addresses, loader: Connection, analyst: Connection, postgres_database: str
) -> None:
    """Until the last statement is through, nothing has changed; then all of it has."""
    day = BASE_DATE + timedelta(weeks=1)
    query = "SELECT * FROM mart.publication WHERE base_date = %s ORDER BY 1"
    fence = ledger.begin_stage(loader, STAGE, day, "earlier run")
    mart.publish(loader, fence, {"customer_segment": [segments([1], day)]}, inputs={})
    before = rows(analyst, query, day)
    week = {
        "customer_segment": [segments([2, 2], day)],
        "segment": [batch("segment", day, family=["deposit"], segment=[2])],
    }
    ended_at = 0
    with closing(mart.connect(postgres_database)) as superuser:
        superuser.autocommit = True
        for ended_at in itertools.count(1):
            fence = ledger.begin_stage(loader, STAGE, day, "run")
            with closing(mart.connect(addresses.loader)) as connection:
                connection.cursor_factory = ending_at(ended_at, superuser)
                try:
                    mart.publish(connection, fence, week, inputs={})
                except MartUnreachableError:
                    assert rows(analyst, query, day) == before
                else:
                    break
    assert ended_at > 8
    found = rows(analyst, "SELECT count(*), max(balance_band), max(segment)"
                 " FROM mart.customer_segment JOIN mart.segment USING (base_date)"
                 " WHERE base_date = %s", day)  # fmt: skip
    assert found == [(2, 2, 2)]
    assert len(rows(analyst, query, day)) == 2


def ending_at(number: int, superuser: Connection) -> type[Cursor]:
    """Return a cursor class that has its backend ended before its statement of this number."""
    count = itertools.count(1)

    class EndingCursor(Cursor):
        def execute(self, *arguments: Any) -> None:
            self._count()
            super().execute(*arguments)

        def copy_expert(self, *arguments: Any, **options: Any) -> None:
            self._count()
            super().copy_expert(*arguments, **options)

        def _count(self) -> None:
            if next(count) == number:
                rows(superuser, "SELECT pg_terminate_backend(%s)", self.connection.info.backend_pid)

    return EndingCursor


def test_a_restored_dump_has_the_hashes_of_its_ledger(
    loader: Connection, postgres_database: str, postgres_superuser_url: str
) -> None:
    fence = ledger.begin_stage(loader, STAGE, BASE_DATE, "run")
    mart.publish(loader, fence, {"customer_segment": [segments([3, None])]}, inputs={})
    name = f"restored_{os.getpid()}_test"
    restored = urlsplit(postgres_database)._replace(path=f"/{name}").geturl()
    binaries = postgres.binaries()
    with closing(psycopg2.connect(postgres_superuser_url)) as admin, admin.cursor() as cursor:
        admin.autocommit = True
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name}")
        try:
            dump = subprocess.run(
                [binaries / "pg_dump", postgres_database], capture_output=True, check=True
            )
            subprocess.run(
                [binaries / "psql", "--quiet", "--set=ON_ERROR_STOP=1", restored],
                input=dump.stdout, capture_output=True, check=True,
            )  # fmt: skip
            with closing(mart.connect(restored)) as connection:
                found = rows(
                    connection,
                    """SELECT sha256 = ops.content_hash(mart_table, base_date), count(*)
                       FROM ops.publication GROUP BY 1""",
                )
        finally:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
    assert [same for same, _ in found] == [True]


def wait_until_alone(connection: Connection) -> None:
    """Wait until Postgres has noticed that the killed writer is gone."""
    for _ in range(100):
        others = rows(
            connection,
            """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
               AND state = 'idle in transaction' AND pid <> pg_backend_pid()""",
        )
        if others == [(0,)]:
            return
        time.sleep(0.1)
    raise AssertionError("The killed writer's transaction is still open.")
