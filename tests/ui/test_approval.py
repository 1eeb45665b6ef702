"""A person's word on promotions, on a real Airflow: approved in the browser, rejected, unanswered.

What happens is told to a real webhook, and a run that waits too long is late.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from passbook.embedded.airflow_api import AirflowApi, Run
from passbook.embedded.week_runs import await_dags
from tiny_bank import WHOLE_WEEK, WHOLE_WEEK_CUSTOMERS, TinyBank, tiny_bank

from .browser import Browser, browser, needs_chromium, picture

pytestmark = [
    pytest.mark.browser, pytest.mark.airflow, pytest.mark.hive, pytest.mark.postgres,
    pytest.mark.timeout(1800), needs_chromium,
]  # fmt: skip

PATIENCE = 900
NOT_OFFERED = (
    "behaviour", "credit_outcome", "fund_holding", "insurance_holding", "insurance_profile",
)  # fmt: skip
"""Left out to be quicker: what a person is asked about is the same."""
ANSWER_SECONDS = 150
"""Time to approve: long enough for the browser, short enough to wait for its end."""


@dataclass(frozen=True)
class Waiting:
    """A bank where promotions need a person, and what its alerts have told."""

    bank: TinyBank
    told: list[str]

    @property
    def weeks(self) -> list[date]:
        """Three base dates, in order."""
        return [self.bank.base_date - timedelta(weeks=n) for n in (2, 1, 0)]


@pytest.fixture(scope="module")
def told() -> Iterator[tuple[str, list[str]]]:
    """Address of a chat's webhook, and the messages that it has got."""
    received: list[str] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(json.loads(body)["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", received
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def waiting(
    servers_home: Path, told: tuple[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Waiting]:
    webhook, received = told
    chosen = WHOLE_WEEK | {
        "PASSBOOK_APPROVAL_HOURS": str(ANSWER_SECONDS / 3600),
        "PASSBOOK_RUN_DEADLINE_HOURS": str(5 / 3600),
        "PASSBOOK_ALERT_WEBHOOK": webhook,
    }
    folder = tmp_path_factory.mktemp("approval")
    with tiny_bank(
        servers_home, folder, "approval_test", chosen, customers=WHOLE_WEEK_CUSTOMERS,
        without=NOT_OFFERED,
    ) as found:  # fmt: skip
        made = Waiting(found, received)
        with found.api() as api:
            await_dags(api)
            for dag in ("ingest_work_tables", "retrain_models"):
                api.pause(dag, paused=False)
        yield made


@pytest.fixture(scope="module")
def op(waiting: Waiting, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    found = waiting.bank.airflow
    with browser(found.url, tmp_path_factory.mktemp("profile")) as window:
        window.log_in("op", found.passwords["op"])
        yield window


def ended(api: AirflowApi, run: Run) -> Run:
    api.wait(lambda: api.run(run).finished, f"The end of {run.run_id}", patience=PATIENCE)
    return api.run(run)


def ask(waiting: Waiting, week: date) -> Run:
    """Ingest a week, force its retrain, and return the run once it waits for a person."""
    with waiting.bank.api() as api:
        ingest = api.trigger("ingest_work_tables", {"base_date": f"{week}"})
        assert ended(api, ingest).state == "success"
        run = api.trigger("retrain_models", {"base_date": f"{week}", "force": True})

        def asked() -> bool:
            assert not api.run(run).finished, api.tasks(run)
            return api.tasks(run).get("approve_promotion") == "awaiting_input"

        api.wait(asked, "The question", patience=PATIENCE)
    # Airflow loses an answer of the second in which the task lets go, and asks again.
    time.sleep(5)
    return run


def outcome(waiting: Waiting, run: Run) -> list[tuple[bool, str, str]]:
    """Return the decisions of a run when it has ended: promoted, by whom, why."""
    with waiting.bank.api() as api:
        assert ended(api, run).state == "success"
    decisions = "SELECT DISTINCT promoted, decided_by, reason FROM ops.promotion WHERE run_id = %s"
    found: list[tuple[bool, str, str]] = waiting.bank.rows(f"{decisions} ORDER BY 1, 3", run.run_id)
    return found


def in_force(waiting: Waiting, week: date) -> list[tuple[str, str]]:
    """Return model and version in force on a base date."""
    return waiting.bank.rows(
        "SELECT DISTINCT model, ops.champion(model, %s) FROM ops.model_version ORDER BY 1", week
    )


@pytest.fixture(scope="module")
def approved(waiting: Waiting, op: Browser) -> list[tuple[bool, str, str]]:
    """Decisions of the first week, which an operator approves on the page of the task."""
    run = ask(waiting, waiting.weeks[0])
    path = f"/dags/{run.dag}/runs/{quote(run.run_id, safe='')}/tasks/approve_promotion"
    op.open(f"{path}/required_actions")
    assert op.words("The rules would promote these models.")
    op.fill_words("reason", "분기 첫 모형")
    picture(op, "approval")
    op.click(op.find('button[data-testid="hitl-option-Approve"]'))
    return outcome(waiting, run)


def test_an_approval_promotes_and_keeps_who_and_why(
    waiting: Waiting, approved: list[tuple[bool, str, str]]
) -> None:
    promoted = [decision for decision in approved if decision[0]]
    assert len(promoted) >= 2
    assert {by for _, by, _ in promoted} == {"op"}
    assert all("approved by op: 분기 첫 모형." in reason for _, _, reason in promoted)
    champions = dict(in_force(waiting, waiting.weeks[0]))
    assert sum(version is not None for version in champions.values()) == len(promoted)
    verdict = "SELECT figures FROM ops.verdict WHERE stage = 'retrain_models' AND base_date = %s"
    (figures,) = waiting.bank.rows(verdict, waiting.weeks[0])[0]
    assert len(figures["promoted"]) == len(promoted)


def test_a_viewer_cannot_answer_and_a_rejection_keeps_the_champions(
    waiting: Waiting, approved: list[tuple[bool, str, str]]
) -> None:
    assert approved
    before = in_force(waiting, waiting.weeks[0])
    run = ask(waiting, waiting.weeks[1])
    path = (
        f"/api/v2/dags/{run.dag}/dagRuns/{quote(run.run_id, safe='')}"
        "/taskInstances/approve_promotion/-1/hitlDetails"
    )
    answer = {"chosen_options": ["Reject"], "params_input": {"reason": "명절 전에는 안 됩니다"}}
    with waiting.bank.api("analyst") as viewer, pytest.raises(Exception, match="403"):
        viewer._request("PATCH", path, answer)
    with waiting.bank.api("op") as api:
        api._request("PATCH", path, answer)
    decisions = outcome(waiting, run)
    assert {promoted for promoted, _, _ in decisions} == {False}
    assert any(
        by == "op" and "rejected by op: 명절 전에는 안 됩니다." in reason
        for _, by, reason in decisions
    )
    assert in_force(waiting, waiting.weeks[1]) == before


def test_no_answer_in_time_rejects(waiting: Waiting, approved: list[tuple[bool, str, str]]) -> None:
    assert approved
    before = in_force(waiting, waiting.weeks[0])
    decisions = outcome(waiting, ask(waiting, waiting.weeks[2]))
    assert {promoted for promoted, _, _ in decisions} == {False}
    assert "nobody in time" in {by for _, by, _ in decisions}
    assert in_force(waiting, waiting.weeks[2]) == before


def test_people_were_told_that_it_waited_what_became_of_it_and_that_it_was_late(
    waiting: Waiting, approved: list[tuple[bool, str, str]]
) -> None:
    assert approved
    subjects = [text.splitlines()[0].strip("*") for text in waiting.told]
    for subject in ("waits for approval", "promoted models", "is late"):
        assert f"Passbook: retrain_models {subject}" in subjects
