"""A writer killed at any moment leaves the published week as it was, and no rubbish behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import ledger, mart
from passbook.errors import MartUnreachableError

from .weeks import BASE_DATE, rows, segments

pytestmark = pytest.mark.postgres

STAGE = "segment_customers"
WRITER = """
import sys, time
from passbook import ledger, mart
from passbook.mart import publishing
sys.path.insert(0, sys.argv[3])
from mart.weeks import BASE_DATE, segments

def pause():
    print("paused", flush=True)
    time.sleep(600)

def batches():
    yield segments([5] * 70_000)
    if sys.argv[2] == "mid-copy":
        pause()

if sys.argv[2] == "before swap":
    publishing._swap = lambda *_: pause()
connection = mart.connect(sys.argv[1])
fence = ledger.begin_stage(connection, "segment_customers", BASE_DATE, "killed run")
mart.publish(connection, fence, {"customer_segment": batches()}, inputs={})
if sys.argv[2] == "after commit":
    pause()
"""


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
    tests = Path(__file__).parent.parent
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, addresses.loader, moment, str(tests)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "paused\n"
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    writer.stdout.close()

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

        def batches() -> object:
            yield segments([1])
            rows(superuser, "SELECT pg_terminate_backend(%s)", connection.info.backend_pid)
            yield segments([2]).slice(1)

        with pytest.raises(MartUnreachableError) as caught:
            mart.publish(connection, fence, {"customer_segment": batches()}, inputs={})
    assert caught.value.retryable
    assert rows(analyst, "SELECT * FROM mart.publication") == before


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
