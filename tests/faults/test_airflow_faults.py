"""Nothing lost, nothing mixed: faults done to a real Airflow while a stage is at work.

A tiny bank's week stands in the mart with another content; every fault ends with the week of an
undisturbed run in its place, one row of the ledger a table, and readers who saw the one or the
other. The stage is held at a moment by a lock that the test takes in Postgres.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from passbook.base_date import last_sunday_before, now
from passbook.embedded import airflow, postgres, process
from passbook.embedded.week_runs import await_dags
from passbook.errors import AirflowRequestError
from tiny_bank import WHOLE_WEEK, tiny_bank

from .airflow_week import OLD_ROWS, PATIENCE, STAGE, TASK, AirflowWeek, FaultApi, ended, until
from .memory_group import memory_group

pytestmark = [
    pytest.mark.faults, pytest.mark.airflow, pytest.mark.postgres, pytest.mark.hive,
    pytest.mark.timeout(900),
]  # fmt: skip

SETTINGS = WHOLE_WEEK | {
    "PASSBOOK_RETRY_DELAY_SECONDS": "1",
    "PASSBOOK_LOCK_TIMEOUT_SECONDS": "5",
}
NOT_OFFERED = (
    "behaviour", "credit_outcome", "fund_holding", "insurance_holding", "insurance_profile",
)  # fmt: skip
"""Work tables of which the bank has none, so that its models are trained quickly."""

SHORT = """
[scheduler]
scheduler_heartbeat_sec = 2
scheduler_health_check_threshold = 10
task_instance_heartbeat_timeout = 20
task_instance_heartbeat_timeout_detection_interval = 2
orphaned_tasks_check_interval = 5
[workers]
min_heartbeat_interval = 3
"""
"""Airflow's own settings, so that a lost task is missed after seconds, not after five minutes."""

UPSTREAM = ("ingest_work_tables", "retrain_models")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the DAG files that Airflow reads and a test may change."""
    copy = tmp_path_factory.mktemp("checkout")
    for folder in ("dags", "plugins"):
        shutil.copytree(airflow.CHECKOUT / folder, copy / folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(airflow, "CHECKOUT", copy)
        yield copy


@pytest.fixture(scope="module")
def undisturbed(
    servers_home: Path,
    checkout: Path,
    tmp_path_factory: pytest.TempPathFactory,
    hive_url: str,
    postgres_superuser_url: str,
) -> Iterator[AirflowWeek]:
    """The week after its scheduled runs, on the session's servers."""
    (servers_home / "airflow").mkdir()
    (servers_home / "airflow" / "airflow.cfg").write_text(SHORT)
    folder = tmp_path_factory.mktemp("faults")
    scheduled = last_sunday_before(now() - timedelta(hours=1))
    with tiny_bank(
        servers_home,
        folder,
        "faults_test",
        SETTINGS,
        customers=600,
        base_date=scheduled,
        without=NOT_OFFERED,
    ) as bank:
        server = bank.airflow
        with FaultApi(server.url, "admin", server.passwords["admin"]) as api:
            week = AirflowWeek(bank, api)
            await_dags(api)
            for dag in (*UPSTREAM, STAGE):
                api.pause(dag, paused=False)
            for dag in (*UPSTREAM, STAGE):
                (run,) = until(lambda dag=dag: api.runs(dag), f"the scheduled {dag}")
                assert run.base_date == week.base_date
                assert week.await_end(run) == "success", dag
            week.keep_whole()
            yield week


@pytest.fixture
def week(undisturbed: AirflowWeek) -> Iterator[AirflowWeek]:
    """The week with another content in its place, and a reader before it."""
    undisturbed.await_ends()
    undisturbed.publish_old_week()
    with undisturbed.readers():
        yield undisturbed
    undisturbed.bank.revive()


@pytest.mark.parametrize("moment", ["reading", "publishing"])
def test_the_supervisor_killed(week: AirflowWeek, moment: str) -> None:
    """The task lives on without its supervisor, until the next attempt takes its session."""
    with week.held(moment) as hold:
        run = week.trigger()
        first = week.await_held(run)
        first.supervisor.kill()
        week.await_held(run, after=first)
        hold.close()
        assert week.await_end(run) == "success"
    until(lambda: ended(first.task), "the end of the task without a supervisor")
    assert week.attempts(run) == 2
    week.assert_whole(
        f"kill -9 of the task's supervisor, {moment}",
        "the task that lives on loses its session, the next attempt passes, identical hash",
    )


def test_a_task_ended_for_good_without_its_own_code(week: AirflowWeek) -> None:
    """Nothing of it could say so; whoever waits for the stage is told all the same."""
    with week.held("publishing") as hold:
        run = week.trigger()
        first = week.await_held(run)
        week.api.mark_failed(run, TASK)
        assert week.await_end(run) == "failed"
        assert week.verdict() == ("reject", "E709")
        hold.close()
    until(lambda: ended(first.task), "the end of the task marked as failed")
    assert week.rows_seen() == {OLD_ROWS}
    week.api.clear(run)
    until(lambda: not week.api.run(run).finished, "the cleared run")
    assert week.await_end(run) == "success"
    week.assert_whole(
        "a task marked as failed by hand, publishing",
        "rejected (E709), nothing is published; once cleared it passes, identical hash",
        rejected=True,
    )


@pytest.mark.parametrize("moment", ["beginning", "reading", "publishing"])
def test_a_task_stopped_past_its_heartbeat_and_continued(week: AirflowWeek, moment: str) -> None:
    with week.held(moment) as hold:
        if moment == "beginning":
            hold.rollback()  # the stage before it has to be looked up first
        run = week.trigger()
        if moment == "beginning":
            week.await_task(run, "wait_for_models", "success")
            with week.held(moment):
                first = week.await_held(run)
                _stop(first.task, first.supervisor)
        else:
            first = week.await_held(run)
            _stop(first.task, first.supervisor)
            hold.close()
        assert week.await_end(run) == "success"
    assert week.attempts(run) == 2
    with week.held("reading"):
        # Only the task goes on, and as far as it is let.
        os.killpg(first.task.pid, signal.SIGCONT)
        with suppress(psutil.TimeoutExpired):
            first.task.wait(5)
        first.supervisor.resume()
        until(lambda: ended(first.task), "the end of the stale task")
    week.assert_whole(
        f"a task and its supervisor stopped past the heartbeat and continued, {moment}",
        "the next attempt passes, the stale writer is refused, identical hash",
    )


def _stop(task: psutil.Process, supervisor: psutil.Process) -> None:
    supervisor.suspend()
    os.killpg(task.pid, signal.SIGSTOP)


def test_the_scheduler_killed_and_started_again(week: AirflowWeek) -> None:
    with week.held("reading") as hold:
        run = week.trigger()
        first = week.await_held(run)
        scheduler = _server(week, "airflow-scheduler")
        scheduler.kill()
        until(lambda: ended(scheduler), "the end of the scheduler")
        week.bank.revive()
        week.await_held(run, after=first)
        hold.close()
        assert week.await_end(run) == "success"
    until(lambda: ended(first.task), "the end of the first scheduler's task")
    assert week.attempts(run) == 2
    week.assert_whole(
        "kill -9 of the scheduler mid-task, started again",
        "the task runs once more, identical hash",
    )


def _server(week: AirflowWeek, name: str) -> psutil.Process:
    running = process.running(week.bank.stack.home, name)
    assert running is not None
    return psutil.Process(running.pid)


def test_the_api_server_stopped_and_started_again(week: AirflowWeek) -> None:
    """Without it no attempt begins: where it stays away for longer than they last, one clears."""
    with week.held("reading") as hold:
        run = week.trigger()
        week.await_held(run)
        process.stop(week.bank.stack.home, airflow.API_SERVER)
        hold.close()
        week.bank.revive()
        if week.await_end(run) == "failed":
            week.api.clear(run)
            until(lambda: not week.api.run(run).finished, "the cleared run")
        assert week.await_end(run) == "success"
    week.assert_whole(
        "API server stopped mid-task and started again",
        "the task tells late or runs once more (clear it when its attempts have run out), "
        "identical hash",
    )


def test_postgres_restarted(week: AirflowWeek) -> None:
    """Airflow's metadata and the mart are databases of one Postgres here: both are away."""
    home = week.bank.stack.home
    with week.held("reading"):
        run = week.trigger()
        week.await_held(run)
        postgres.stop(home)
        postgres.start(home, port=week.bank.stack.postgres.port)
        week.bank.revive()
        assert week.await_end(run) == "success"
    week.assert_whole(
        "Postgres of Airflow's metadata and the mart restarted mid-task",
        "E701 (retried), identical hash",
    )


def test_a_training_process_killed_for_memory(week: AirflowWeek) -> None:
    models = "SELECT model, version, promoted FROM ops.promotion ORDER BY promotion_id"
    before = week.query(models)
    run = week.trigger("retrain_models", force=True)
    week.await_task(run, "reason_to_retrain", "success")
    with memory_group() as group:
        with week.held("training"):
            first = week.await_held(run, "train_challengers")
            if group is None:
                first.task.kill()
            else:
                (group / "cgroup.procs").write_text(str(first.task.pid))
        until(lambda: ended(first.task), "the end of the training")
    assert week.await_end(run) == "success"
    assert week.attempts(run, "train_challengers") == 2
    assert week.query(models) == before
    assert week.await_end(week.trigger()) == "success"
    by = "the kernel, in a group of little memory" if group else "SIGKILL, as the kernel does"
    week.assert_whole(
        f"a training process killed for memory by {by}",
        "trained once more, the same models and decisions, identical hash",
    )


def test_schedule_manual_and_backfill_of_one_base_date_at_once(week: AirflowWeek) -> None:
    (scheduled,) = (run for run in week.api.runs(STAGE) if run.run_id.startswith("scheduled"))
    before = week.attempts(scheduled)
    with week.held("reading") as hold:
        manual = week.trigger()
        week.await_held(manual)
        # The schedule's run of this base date is repeated in its place.
        week.api.backfill(STAGE, week.base_date, again=True)
        another = week.trigger()
        until(lambda: week.attempts(scheduled) > before + 1, "a try after the first E707")
        hold.close()
        assert {week.await_end(run) for run in (manual, scheduled, another)} == {"success"}
    week.assert_whole(
        "schedule, manual runs and a backfill of one base date at once, through Airflow",
        "one works, the others wait (E707, retried), identical hash",
    )


def test_two_backfills_racing_over_one_range(week: AirflowWeek) -> None:
    def start(_number: int) -> str:
        try:
            week.api.backfill_weeks("ingest_work_tables", week, 2)
        except AirflowRequestError as error:
            return str(error)
        return "started"

    tables = (
        "SELECT work_table, partition_date, fingerprint FROM ops.work_table"
        f" WHERE base_date = '{week.base_date}' ORDER BY 1, 2"
    )
    before = week.query(tables)
    with ThreadPoolExecutor(max_workers=2) as pool:
        answers = list(pool.map(start, range(2)))
    assert "started" in answers
    assert all(answer == "started" or " 409 " in answer for answer in answers), answers
    week.api.await_backfills("ingest_work_tables", patience=PATIENCE)
    runs = week.api.runs("ingest_work_tables")
    assert len({run.base_date for run in runs}) == len(runs) == 2
    assert {run.state for run in runs} == {"success"}
    assert week.query(tables) == before
    assert week.await_end(week.trigger()) == "success"
    week.assert_whole(
        "two backfills racing over one range, through Airflow's API",
        "one is refused, every week runs once, identical work tables and hash",
    )


def test_a_dag_file_changed_in_the_middle_of_a_run(week: AirflowWeek, checkout: Path) -> None:
    file = checkout / "dags" / f"{STAGE}.py"
    text = file.read_text(encoding="utf-8")
    changed = text.replace(
        "    wait >> assign_and_publish()\n",
        "    @task\n    def announce() -> None: ...\n\n"
        "    wait >> assign_and_publish() >> announce()\n",
    )
    assert changed != text
    try:
        with week.held("reading") as hold:
            run = week.trigger()
            week.await_held(run)
            known = week.api.versions(STAGE)
            file.write_text(changed, encoding="utf-8")
            until(lambda: week.api.versions(STAGE) > known, "the changed DAG file to be read")
            hold.close()
            assert week.await_end(run) == "success"
            assert week.attempts(run) == 1
            assert week.api.tasks(run)["announce"] == "success"
            later = week.trigger()
            assert week.await_end(later) == "success"
            assert week.api.tasks(later)["announce"] == "success"
    finally:
        file.write_text(text, encoding="utf-8")
    week.assert_whole(
        "a DAG file changed mid-run",
        "the task at work goes on, once; a task that the change adds follows it, identical hash",
    )
