"""Backfills of one DAG by the command and by the API, beside the schedule, on a real Airflow.

`tests/chain` backfills a week of all five.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest

from passbook.embedded.airflow_api import AirflowApi, Run
from passbook.errors import AirflowRequestError
from tiny_bank import TinyBank, start_backfill

pytestmark = [
    pytest.mark.browser, pytest.mark.airflow, pytest.mark.hive, pytest.mark.postgres,
    pytest.mark.timeout(1800),
]  # fmt: skip

DAG = "ingest_work_tables"
PATIENCE = 900


@dataclass(frozen=True)
class Backfilled:
    """Two weeks by the command, and the newest by its schedule beside them."""

    weeks: list[date]
    told: str
    fingerprints: list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def backfilled(bank: TinyBank) -> Backfilled:
    """Backfill two weeks; unpausing the DAG starts the newest week's run at the same time."""
    weeks = [bank.base_date - timedelta(weeks=n) for n in (2, 1)]
    told = bank.command("backfill", weeks[0], weeks[1], "--only", DAG)
    with bank.api() as api:
        assert ended(api, scheduled(api)).state == "success"
    return Backfilled(weeks, told, fingerprints(bank, weeks))


def scheduled(api: AirflowApi) -> Run:
    return next(run for run in api.runs(DAG) if run.run_id.startswith("scheduled__"))


def ended(api: AirflowApi, run: Run) -> Run:
    api.wait(lambda: api.run(run).finished, f"The end of {run.run_id}", patience=PATIENCE)
    return api.run(run)


def fingerprints(bank: TinyBank, weeks: list[date]) -> list[tuple[Any, ...]]:
    """Return what the ledger has of the weeks' partitions: rows and hash of their content."""
    return bank.rows(
        """SELECT base_date, work_table, partition_date, rows, fingerprint FROM ops.work_table
           WHERE base_date = ANY(%s) AND partition_date = base_date ORDER BY 1, 2""",
        weeks,
    )


def test_the_command_runs_one_stage_a_week_in_order_and_tells_its_progress(
    backfilled: Backfilled, bank: TinyBank
) -> None:
    found = re.findall(r"(\w+) (\S+) success after \d+ s", backfilled.told)
    assert found == [(DAG, str(week)) for week in backfilled.weeks]
    assert "2 weeks are done" in backfilled.told
    verdicts = bank.rows(
        "SELECT stage, verdict FROM mart.verdict WHERE base_date = ANY(%s)", backfilled.weeks
    )
    assert verdicts == [(DAG, "pass")] * 2
    assert {row[0] for row in backfilled.fingerprints} == set(backfilled.weeks)


def test_the_scheduled_week_beside_it_is_the_schedules_own(
    backfilled: Backfilled, bank: TinyBank
) -> None:
    assert backfilled
    (found,) = bank.rows(
        "SELECT verdict FROM ops.verdict WHERE base_date = %s AND run_id LIKE 'scheduled__%%'",
        bank.base_date,
    )
    assert found == ("pass",)


def test_newest_week_first_and_two_at_once_end_in_the_same_content(
    backfilled: Backfilled, bank: TinyBank
) -> None:
    with bank.api() as api:
        api.await_backfills(DAG, patience=PATIENCE)  # Airflow closes one some time after its runs
        start_backfill(api, DAG, backfilled.weeks, max_active_runs=2, run_backwards=True)
        with pytest.raises(AirflowRequestError, match="409"):  # one backfill of a DAG at a time
            start_backfill(api, DAG, backfilled.weeks)
        api.await_backfills(DAG, patience=PATIENCE)
        runs = [run for run in api.runs(DAG) if run.base_date in backfilled.weeks]
        assert [run.state for run in runs] == ["success"] * 2
    assert fingerprints(bank, backfilled.weeks) == backfilled.fingerprints


@pytest.mark.parametrize("wrong", [{"run_backwards": True}, {"reprocess_behavior": "none"}])
def test_models_are_never_trained_backwards(bank: TinyBank, wrong: dict[str, Any]) -> None:
    weeks = [bank.base_date - timedelta(weeks=n) for n in (2, 1)]
    with bank.api() as api, pytest.raises(AirflowRequestError, match="depends_on_past"):
        start_backfill(api, "retrain_models", weeks, **wrong)


def test_a_base_date_in_a_backfills_form_is_refused(backfilled: Backfilled, bank: TinyBank) -> None:
    with bank.api() as api:
        api.await_backfills(DAG, patience=PATIENCE)
        start_backfill(
            api, DAG, backfilled.weeks[:1], dag_run_conf={"base_date": str(bank.base_date)}
        )
        api.await_backfills(DAG, patience=PATIENCE)
        run = next(run for run in api.runs(DAG) if run.state == "failed")
        assert any("E802" in line for line in api.log(run, "build_and_check"))
    assert fingerprints(bank, backfilled.weeks) == backfilled.fingerprints
