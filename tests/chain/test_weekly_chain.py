"""The whole week through a real scheduler: five DAGs, one base date, and the same again.

The source is a copy of the demo adapter under a name of its own, found in a folder outside the
repository, as a bank's own adapter would be.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow.parquet as pq
import pytest

from passbook import hive, sources
from passbook.base_date import last_sunday_before, now
from passbook.contracts import MART_TABLES, STAGES
from passbook.demo import load
from passbook.demo.bank.simulation import simulate
from passbook.embedded import airflow, postgres, stack, week_runs
from passbook.embedded.airflow_api import AirflowApi, Run

pytestmark = [
    pytest.mark.chain, pytest.mark.airflow, pytest.mark.hive, pytest.mark.postgres,
    pytest.mark.timeout(2400),
]  # fmt: skip

SOURCE = "chain_test"
CUSTOMERS = 2000
QUICKLY = {
    "PASSBOOK_CREDIT_SEARCH_TRIALS": "2",
    "PASSBOOK_SEGMENT_COUNTS": "[4, 5]",
    "PASSBOOK_SEGMENT_MINIMUM_CUSTOMERS": "100",
}


@dataclass(frozen=True)
class Week:
    """A stack with a filled bank, after its week has run."""

    stack: stack.Stack
    base_date: date
    bank: Path
    first: dict[str, Run]
    published: list[tuple[Any, ...]]
    second: dict[str, Run]
    published_again: list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def week(servers_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    """Run a week that the schedule has passed twice, as Airflow backfills."""
    adapters = tmp_path_factory.mktemp("adapters")
    shutil.copytree(sources.BUILT_IN / "demo", adapters / SOURCE)
    base_date = last_sunday_before(last_sunday_before(now()))
    bank = servers_home / "chain-bank"
    simulate(bank, customers=CUSTOMERS, seed=7, end=base_date)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in QUICKLY.items():
            environment.setenv(name, value)
        found = stack.start(servers_home, SOURCE, adapters, schedule_until=base_date)
    try:
        with hive.connect(found.hive.url) as connection:
            load.register(connection, bank, SOURCE)
        first = _run(found, base_date)
        published = _publications(found)
        second = _run(found, base_date, again=True)
        yield Week(found, base_date, bank, first, published, second, _publications(found))
    finally:
        airflow.stop(servers_home)


def _run(found: stack.Stack, base_date: date, *, again: bool = False) -> dict[str, Run]:
    assert found.airflow is not None
    with AirflowApi(found.airflow.url, "admin", found.airflow.passwords["admin"]) as api:
        runs = week_runs.backfill(api, base_date, lambda *_: None, again=again)
        failed = [run for run in runs.values() if run.state == "failed"]
        assert not failed, {run.dag: week_runs.reason(api, run) for run in failed}
        return runs


def _rows(found: stack.Stack, query: str, *, url: str | None = None) -> list[tuple[Any, ...]]:
    with (
        closing(psycopg2.connect(url or found.mart.owner)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(query)
        return cursor.fetchall()


def _publications(found: stack.Stack) -> list[tuple[Any, ...]]:
    return _rows(
        found, "SELECT mart_table, base_date, rows, sha256 FROM mart.publication ORDER BY 1, 2"
    )


def test_every_stage_passes(week: Week) -> None:
    verdicts = _rows(week.stack, "SELECT stage, base_date, verdict FROM mart.verdict")
    assert sorted(verdicts) == sorted((stage, week.base_date, "pass") for stage in STAGES)
    assert {run.state for run in week.first.values()} == {"success"}


def test_every_mart_table_is_published_for_the_base_date(week: Week) -> None:
    rows = {table: count for table, _, count, _ in week.published}
    assert set(rows) == set(MART_TABLES)
    assert {day for _, day, _, _ in week.published} == {week.base_date}
    assert rows["customer_segment"] > 0.5 * CUSTOMERS
    assert rows["credit_score"] > 0
    assert rows["recommendation_list"] > CUSTOMERS
    # Nothing was offered before the first week, so it has no outcomes.
    assert {table for table, count in rows.items() if count == 0} == {"offer_outcome"}


def test_the_same_backfill_again_changes_no_byte(week: Week) -> None:
    assert {run.state for run in week.second.values()} == {"success"}
    assert {dag: run.run_id for dag, run in week.second.items()} == {
        dag: run.run_id for dag, run in week.first.items()
    }
    assert week.published_again == week.published


def test_the_leaderboard_has_popularity_and_one_champion_a_scenario(week: Week) -> None:
    found = _rows(
        week.stack,
        "SELECT model, count(*) FILTER (WHERE champion), bool_or(recommender LIKE 'popularity%'),"
        " count(*) - count(DISTINCT recommender) FROM mart.leaderboard GROUP BY model",
    )
    assert len(found) >= 4
    for model, champions, popularity, duplicates in found:
        assert (champions, popularity, duplicates) == (1, True, 0), model


def test_the_analyst_reads_the_mart_and_not_the_stage(week: Week) -> None:
    analyst = week.stack.mart.analyst
    ((customers,),) = _rows(week.stack, "SELECT count(*) FROM mart.customer", url=analyst)
    assert customers > 0.9 * CUSTOMERS
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        _rows(week.stack, "SELECT * FROM ops.verdict", url=analyst)


def test_no_customer_number_is_in_a_log_or_in_airflows_database(week: Week) -> None:
    customers = pq.read_table(week.bank / "tables" / "customer_master", columns=["cust_no"])
    numbers = {number.encode() for number in customers["cust_no"].to_pylist()}
    shape = re.compile(rb"(?<![0-9A-Za-z])" + re.sub(rb"\d", rb"\\d", min(numbers)) + rb"(?!\w)")
    for log in (week.stack.home / "logs").rglob("*.log"):
        assert not numbers.intersection(shape.findall(log.read_bytes())), log.name
    metadata = week.stack.postgres.database_url(f"airflow_{SOURCE}")
    for query in ("SELECT value::text FROM xcom", "SELECT extra::text FROM asset_event"):
        text = "\n".join(row[0] or "" for row in _rows(week.stack, query, url=metadata))
        assert text, query
        assert not numbers.intersection(shape.findall(text.encode())), query


def test_a_run_for_a_day_that_is_no_sunday_fails_and_changes_nothing(week: Week) -> None:
    server = week.stack.airflow
    assert server is not None
    with AirflowApi(server.url, "op", server.passwords["op"]) as api:
        run = api.trigger("ingest_work_tables", {"base_date": "2022-12-05"})

        def ended() -> bool:
            return api.run(run).state in {"success", "failed"}

        api.wait(ended, "The refused run", patience=120)
        assert api.run(run).state == "failed"
        assert any("E802" in line for line in api.log(run, "build_and_check"))
    assert _publications(week.stack) == week.published_again


def test_postgres_programs_come_with_the_stack(week: Week) -> None:
    assert Path(stack.psql_line(week.stack.mart.analyst).split()[0]) == postgres.binaries() / "psql"
