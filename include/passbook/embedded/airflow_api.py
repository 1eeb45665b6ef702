"""Airflow's REST API, as far as it is needed here: unpause, trigger, backfill, watch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from types import TracebackType
from typing import Any

import httpx

from passbook.base_date import last_sunday_before, schedule_moment
from passbook.errors import AirflowRequestError

FINISHED = ("success", "failed")


@dataclass(frozen=True)
class Run:
    """A run of a DAG, and the base date it speaks for."""

    dag: str
    run_id: str
    state: str
    base_date: date

    @property
    def finished(self) -> bool:
        """Whether it has ended, well or not."""
        return self.state in FINISHED


class AirflowApi(AbstractContextManager["AirflowApi"]):
    """A session of one user with Airflow's REST API.

    Raises
    ------
    AirflowRequestError
        E806 by any method whose request Airflow refuses or does not answer.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=60)
        answer = self._request("POST", "/auth/token", {"username": user, "password": password})
        self._client.headers["Authorization"] = f"Bearer {answer['access_token']}"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._client.close()

    def dags(self) -> list[str]:
        """Return the ids of the DAGs that Airflow has read."""
        return [dag["dag_id"] for dag in self._request("GET", "/api/v2/dags")["dags"]]

    def import_errors(self) -> list[str]:
        """Return what Airflow could not import, a line a file."""
        found = self._request("GET", "/api/v2/importErrors")["import_errors"]
        return [f"{e['filename']}: {e['stack_trace'].strip().splitlines()[-1]}" for e in found]

    def pause(self, dag: str, *, paused: bool) -> None:
        """Pause the DAG's schedule, or let it run."""
        self._request("PATCH", f"/api/v2/dags/{dag}", {"is_paused": paused})

    def runs(self, dag: str) -> list[Run]:
        """Return the newest runs of the DAG, newest first."""
        path = f"/api/v2/dags/{dag}/dagRuns?order_by=-run_after&limit=100"
        return [_run(dag, found) for found in self._request("GET", path)["dag_runs"]]

    def run(self, run: Run) -> Run:
        """Return the run as it is now."""
        path = f"/api/v2/dags/{run.dag}/dagRuns/{run.run_id}"
        return _run(run.dag, self._request("GET", path))

    def trigger(self, dag: str, conf: Mapping[str, Any]) -> Run:
        """Start a manual run."""
        body = {"logical_date": None, "conf": dict(conf)}
        return _run(dag, self._request("POST", f"/api/v2/dags/{dag}/dagRuns", body))

    def backfill(self, dag: str, base_date: date, *, again: bool = False) -> None:
        """Start a backfill of one base date.

        Parameters
        ----------
        dag : str
        base_date : date
        again : bool
            Whether to run it again when there is a finished run for that date.
        """
        moment = schedule_moment(base_date).isoformat()
        body = {
            "dag_id": dag, "from_date": moment, "to_date": moment, "max_active_runs": 1,
            "reprocess_behavior": "completed" if again else "failed",
        }  # fmt: skip
        self._request("POST", "/api/v2/backfills", body)

    def await_backfills(self, dag: str, *, patience: float) -> None:
        """Return when no backfill of the DAG goes on: Airflow allows one at a time."""
        path = f"/api/v2/backfills?dag_id={dag}&limit=1&order_by=-id"

        def ended() -> bool:
            return all(b["completed_at"] for b in self._request("GET", path)["backfills"])

        self.wait(ended, f"The end of the earlier backfill of {dag}", patience=patience)

    def tasks(self, run: Run) -> dict[str, str]:
        """Return the state of each task instance of the run, in order of starting."""
        path = f"/api/v2/dags/{run.dag}/dagRuns/{run.run_id}/taskInstances?order_by=start_date"
        found = self._request("GET", path)["task_instances"]
        return {task["task_id"]: task["state"] or "none" for task in found}

    def log(self, run: Run, task: str) -> list[str]:
        """Return what the last attempt of a task logged, the messages of exceptions included."""
        base = f"/api/v2/dags/{run.dag}/dagRuns/{run.run_id}/taskInstances/{task}"
        attempt = self._request("GET", base)["try_number"]
        content = self._request("GET", f"{base}/logs/{attempt}?full_content=true")["content"]
        return [line if isinstance(line, str) else _logged(line) for line in content]

    def wait(self, ready: Callable[[], bool], what: str, *, patience: float) -> None:
        """Return when `ready` says so.

        Raises
        ------
        AirflowRequestError
            E806 naming `what` when it is not within `patience` seconds.
        """
        deadline = time.monotonic() + patience
        while not ready():
            if time.monotonic() > deadline:
                raise AirflowRequestError(f"{what}: not within {patience:.0f} s.")
            time.sleep(0.5)

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        try:
            answer = self._client.request(method, path, json=body)
        except httpx.TransportError as error:
            raise AirflowRequestError(f"{method} {path}: {error}.") from error
        if answer.is_error:
            raise AirflowRequestError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json()


def _logged(line: Mapping[str, Any]) -> str:
    failures = [str(detail.get("exc_value", "")) for detail in line.get("error_detail") or ()]
    return " ".join([str(line.get("event", "")), *failures])


def _run(dag: str, found: Mapping[str, Any]) -> Run:
    requested = (found.get("conf") or {}).get("base_date")
    moment = datetime.fromisoformat(found.get("data_interval_end") or found["run_after"])
    speaks_for = last_sunday_before(moment)
    base_date = date.fromisoformat(requested) if requested else speaks_for
    return Run(dag, found["dag_run_id"], found["state"], base_date)
