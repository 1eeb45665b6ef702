"""Run the weekly chain through Airflow for one base date, and watch it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import date

from passbook.base_date import now, schedule_moment
from passbook.contracts import STAGES
from passbook.embedded.airflow_api import AirflowApi, Run
from passbook.errors import AirflowRequestError

Report = Callable[[dict[str, Run], dict[str, dict[str, str]]], None]
"""Told the runs by DAG, and their tasks' states, about every two seconds."""

CODED = re.compile(r"\bE\d{3} .*")

PARSE_PATIENCE = 120
SCHEDULE_PATIENCE = 120
BACKFILL_PATIENCE = 300
RUN_PATIENCE = 4 * 3600


def await_dags(api: AirflowApi) -> None:
    """Return when Airflow has read the five DAGs.

    Raises
    ------
    AirflowRequestError
        E806 with the import errors when it cannot.
    """

    def ready() -> bool:
        if broken := api.import_errors():
            raise AirflowRequestError(f"A DAG file cannot be imported: {broken[0]}")
        return set(STAGES) <= set(api.dags())

    api.wait(ready, "Reading the DAG files", patience=PARSE_PATIENCE)


def run_newest(
    api: AirflowApi, base_date: date, report: Report, *, again: bool = False
) -> dict[str, Run]:
    """Let the schedule run the newest base date, and return the finished runs by DAG.

    Unpausing a DAG makes its scheduled run of this week. A stage that has failed for `base_date`
    gets a manual run; one that has succeeded gets one only `again`.
    """
    await_dags(api)
    before = {dag: _newest_run(api, dag, base_date) for dag in STAGES}
    for dag in STAGES:
        api.pause(dag, paused=False)
    runs: dict[str, Run] = {}
    for dag in STAGES:
        earlier = before[dag]
        if earlier is not None and (earlier.state == "failed" or (again and earlier.finished)):
            runs[dag] = api.trigger(dag, {"base_date": base_date.isoformat()})
        else:
            runs[dag] = _await_scheduled(api, dag, base_date)
    return _watch(api, runs, report)


def backfill(
    api: AirflowApi,
    base_date: date,
    report: Report,
    *,
    again: bool = False,
    stages: Sequence[str] = STAGES,
) -> dict[str, Run]:
    """Backfill one base date in the stages' DAGs, and return the finished runs by DAG.

    Parameters
    ----------
    api : AirflowApi
    base_date : date
    report : callable
    again : bool
        Whether stages that have succeeded are run again.
    stages : sequence of str
        In the order of the chain; one that waits for a stage outside goes by its last verdict.
    """
    await_dags(api)
    done = {
        dag: run
        for dag in stages
        if (run := _newest_run(api, dag, base_date)) and run.state == "success" and not again
    }
    runs = dict(done)
    for dag in stages:
        api.pause(dag, paused=False)
        if dag not in done:
            api.await_backfills(dag, patience=BACKFILL_PATIENCE)
            api.backfill(dag, base_date, again=again)
    for dag in stages:
        if dag not in done:
            runs[dag] = _await_run(api, dag, base_date, patience=SCHEDULE_PATIENCE)
    return _watch(api, runs, report)


def reason(api: AirflowApi, run: Run) -> str:
    """Return the coded sentence of the task that failed the run, else where its log is."""
    failed = [task for task, state in api.tasks(run).items() if state == "failed"]
    for task in failed:
        for line in reversed(api.log(run, task)):
            if found := CODED.search(line):
                return found[0]
    return f"see the log of {', '.join(failed) or run.dag} in Airflow."


def _await_scheduled(api: AirflowApi, dag: str, base_date: date) -> Run:
    """Return the week's scheduled run; trigger one when the schedule's hour is still to come."""
    if schedule_moment(base_date) > now():
        return _newest_run(api, dag, base_date) or api.trigger(
            dag, {"base_date": base_date.isoformat()}
        )
    return _await_run(api, dag, base_date, patience=SCHEDULE_PATIENCE)


def _await_run(api: AirflowApi, dag: str, base_date: date, *, patience: float) -> Run:
    found: list[Run] = []

    def ready() -> bool:
        run = _newest_run(api, dag, base_date)
        found.extend([run] if run else [])
        return bool(found)

    api.wait(ready, f"A run of {dag} for {base_date}", patience=patience)
    return found[-1]


def _newest_run(api: AirflowApi, dag: str, base_date: date) -> Run | None:
    return next((run for run in api.runs(dag) if run.base_date == base_date), None)


def _watch(api: AirflowApi, runs: dict[str, Run], report: Report) -> dict[str, Run]:
    """Return the runs when all have ended; a stage waits for the earlier ones by itself."""
    deadline = time.monotonic() + RUN_PATIENCE
    tasks: dict[str, dict[str, str]] = {}
    while True:
        open_before = [dag for dag, run in runs.items() if not run.finished]
        runs = {dag: run if run.finished else api.run(run) for dag, run in runs.items()}
        for dag, run in runs.items():
            if dag in open_before or dag not in tasks:
                tasks[dag] = api.tasks(run)
        report(runs, tasks)
        if all(run.finished for run in runs.values()):
            return runs
        if time.monotonic() > deadline:
            raise AirflowRequestError(f"The week did not end within {RUN_PATIENCE} s.")
        time.sleep(2)
