"""Old weeks go, the newest never does, and what went stays on record."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date, timedelta

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from passbook import ledger, mart
from passbook.errors import MartBusyError

from .weeks import BASE_DATE, batch, rows, segments

pytestmark = pytest.mark.postgres

STAGE = "segment_customers"
WEEKS = [BASE_DATE + timedelta(weeks=n) for n in range(4)]
QUERY = "SELECT base_date, count(*) FROM mart.customer_segment GROUP BY 1 ORDER BY 1"


@pytest.fixture
def published(loader: Connection, postgres_database: str) -> Iterator[dict[date, str]]:
    """Publish four weeks, the first one twice; the segment table in the first week alone."""
    hashes = {}
    for day in (WEEKS[0], *WEEKS):
        fence = ledger.begin_stage(loader, STAGE, day, "run")
        bands = [1, 2] if day in hashes else [1]
        inputs = {"m": f"sha of {day}"}
        tables = {"customer_segment": [segments(bands, day)]}
        if day == WEEKS[0]:
            tables["segment"] = [batch("segment", day, family=["deposit"], segment=[0])]
        hashes[day] = mart.publish(loader, fence, tables, inputs=inputs)[0].sha256
    yield hashes
    with closing(mart.connect(postgres_database)) as superuser:
        mart.retire(superuser, date(2100, 1, 1), dry_run=False)
        with superuser, superuser.cursor() as cursor:
            cursor.execute("DELETE FROM ops.publication RETURNING partition")
            for (partition,) in cursor.fetchall():
                cursor.execute(f"DROP TABLE mart.{partition}")
            cursor.execute("TRUNCATE ops.retired_publication")


def test_a_dry_run_only_tells(
    loader: Connection, analyst: Connection, published: dict[date, str]
) -> None:
    before = rows(analyst, QUERY)
    told = mart.retire(loader, WEEKS[2], dry_run=True)
    assert [(week.kind, week.table, week.base_date, week.rows) for week in told] == [
        ("published", "customer_segment", WEEKS[0], 2),
        ("replaced", "customer_segment", WEEKS[0], 1),
        ("published", "customer_segment", WEEKS[1], 1),
    ]
    assert all(week.bytes > 0 for week in told)
    assert rows(analyst, QUERY) == before


def test_old_weeks_go_and_stay_on_record(
    loader: Connection, analyst: Connection, published: dict[date, str]
) -> None:
    told = mart.retire(loader, WEEKS[2], dry_run=True)
    assert mart.retire(loader, WEEKS[2], dry_run=False) == told
    assert rows(analyst, QUERY) == [(WEEKS[2], 1), (WEEKS[3], 1)]
    recorded = rows(
        loader,
        """SELECT mart_table, base_date, sha256 FROM ops.retired_publication
           ORDER BY mart_table, base_date""",
    )
    assert recorded == [("customer_segment", day, published[day]) for day in WEEKS[:2]]
    assert mart.retire(loader, WEEKS[2], dry_run=False) == []


def test_the_newest_week_of_a_table_stays(
    loader: Connection, analyst: Connection, published: dict[date, str]
) -> None:
    mart.retire(loader, date(2100, 1, 1), dry_run=False)
    assert rows(analyst, QUERY) == [(WEEKS[3], 1)]
    assert rows(analyst, "SELECT base_date FROM mart.segment") == [(WEEKS[0],)]


def test_a_reader_keeps_its_week(
    loader: Connection, analyst: Connection, published: dict[date, str]
) -> None:
    analyst.autocommit = False
    with analyst.cursor() as cursor:
        cursor.execute(QUERY)
    with pytest.raises(MartBusyError):
        mart.retire(loader, WEEKS[2], dry_run=False, lock_timeout_seconds=0.3)
    assert len(rows(analyst, QUERY)) == 4


def test_a_week_that_is_being_published_anew_is_waited_for(
    loader: Connection,
    addresses: mart.Addresses,
    postgres_database: str,
    published: dict[date, str],
) -> None:
    tables = {
        "customer_segment": [segments([3], WEEKS[0])],
        "segment": [batch("segment", WEEKS[0], family=["insurance"], segment=[0])],
    }
    fence = ledger.begin_stage(loader, STAGE, WEEKS[0], "run")
    with (
        ThreadPoolExecutor() as pool,
        closing(mart.connect(addresses.loader)) as maintainer,
        closing(mart.connect(postgres_database)) as holder,
        holder.cursor() as cursor,
    ):
        # Held between the exchange of its first table and that of its second.
        cursor.execute("SELECT FROM ops.publication WHERE mart_table = 'segment' FOR UPDATE")
        publishing = pool.submit(mart.publish, loader, fence, tables, inputs={"m": "new"})
        _await_waiting(cursor, 1)
        retiring = pool.submit(mart.retire, maintainer, WEEKS[1], dry_run=False)
        _await_waiting(cursor, 2)
        holder.rollback()
        sha256 = publishing.result()[0].sha256
        gone = retiring.result()
    assert [(week.kind, week.rows) for week in gone] == [
        ("published", 1),
        ("replaced", 1),
        ("replaced", 2),
        ("replaced", 1),
    ]
    recorded = rows(loader, "SELECT base_date, sha256 FROM ops.retired_publication")
    assert recorded == [(WEEKS[0], sha256)]


def test_a_rollback_is_waited_for(loader: Connection, postgres_database: str) -> None:
    fence = ledger.begin_stage(loader, "retrain_models", BASE_DATE, "run")
    version = ledger.ModelVersion("credit.style", "1", BASE_DATE, "sha")
    ledger.record_model_version(loader, fence, version)
    with closing(mart.connect(postgres_database)) as rollback, rollback.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext('passbook rollback'), hashtext('credit.style'))"
        )
        with pytest.raises(MartBusyError):
            mart.retire(loader, WEEKS[0], dry_run=True, lock_timeout_seconds=0.3)
    assert mart.retire(loader, WEEKS[0], dry_run=True) == []


def _await_waiting(cursor: Cursor, sessions: int) -> None:
    """Return when so many sessions of this database wait for a lock."""
    waiting: list[tuple[int]] = []
    while waiting != [(sessions,)]:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        waiting = cursor.fetchall()
