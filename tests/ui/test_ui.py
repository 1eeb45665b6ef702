"""The ops team's Monday in the browser: a backfill by its dialog, Passbook's pages, a viewer.

A real headless Chromium before the real Airflow. ``PASSBOOK_SCREENSHOTS`` names a folder for
pictures of what was seen.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from passbook.base_date import schedule_moment
from passbook.embedded.airflow_api import Run
from tiny_bank import TinyBank

from .browser import Browser, needs_chromium, picture

pytestmark = [
    pytest.mark.browser, pytest.mark.airflow, pytest.mark.hive, pytest.mark.postgres,
    pytest.mark.timeout(1800), needs_chromium,
]  # fmt: skip

DAG = "ingest_work_tables"
RUN_PATIENCE = 900


@pytest.fixture(scope="module")
def backfilled(bank: TinyBank, op: Browser) -> Run:
    """The run of a backfill of one week that the dialog has made, when it has ended."""
    week = bank.base_date - timedelta(weeks=3)
    moment = schedule_moment(week).astimezone(UTC)
    op.open(f"/dags/{DAG}")
    op.click(op.find('button[aria-label="Trigger Dag"]'))
    op.click(op.words("Run this Dag for a range of dates"))
    op.fill_moment(0, moment)
    op.fill_moment(1, moment)
    picture(op, "backfill-dialog")
    op.click(op.words("Run Backfill", "button"))
    with bank.api() as api:
        api.pause(DAG, paused=False)

        def found() -> Run | None:
            return next((run for run in api.runs(DAG) if run.base_date == week), None)

        run = op.wait(found)
        op.open(f"/dags/{DAG}/runs/{run.run_id}")
        api.wait(lambda: api.run(run).finished, "The backfill", patience=RUN_PATIENCE)
        return api.run(run)


def test_a_backfill_by_the_dialog_runs_to_its_end(op: Browser, backfilled: Run) -> None:
    assert backfilled.state == "success"
    path = f"/api/v2/dags/{DAG}/dagRuns/{quote(backfilled.run_id, safe='')}"
    assert _get(op, path)["note"].startswith(f"base date {backfilled.base_date}, ")
    op.open(f"/dags/{DAG}/runs/{backfilled.run_id}")
    assert op.words("Success")
    assert op.words(f"base date {backfilled.base_date}")
    picture(op, "run-note")


def test_a_task_links_to_its_week(op: Browser, backfilled: Run) -> None:
    op.open(f"/dags/{DAG}/runs/{backfilled.run_id}/tasks/build_and_check/details")
    address = op.words("Week and reports").get_attribute("href")
    assert address is not None
    op.driver.get(address)
    assert op.driver.current_url.endswith(f"/week/{backfilled.base_date}")
    assert op.words("Quality of the work tables")
    assert op.words("work_table")


def test_the_status_page_is_in_the_menu(bank: TinyBank, op: Browser, backfilled: Run) -> None:
    op.open("/")
    op.click(op.find('a[href$="/plugin/passbook-status"]'))
    text = op.frame_text()
    assert str(backfilled.base_date) in text
    assert "pass" in text
    picture(op, "status", height=1500)
    op.open(f"/passbook/week/{bank.base_date}")
    assert op.words(f"Week of {bank.base_date}")
    picture(op, "week", height=1500)


def test_a_viewer_reads_and_is_refused_the_rest(
    bank: TinyBank, viewer: Browser, backfilled: Run
) -> None:
    viewer.open(f"/dags/{DAG}")
    assert viewer.words("ingest work tables")
    viewer.click(viewer.find('button[aria-label="Trigger Dag"]'))
    viewer.click(viewer.words("Trigger", "div[@role='dialog']//button"))
    assert viewer.words("Forbidden")
    moment = schedule_moment(backfilled.base_date).isoformat()
    for path, body in (
        ("backfills", {"dag_id": DAG, "from_date": moment, "to_date": moment}),
        (f"dags/{DAG}/dagRuns", {"logical_date": None, "conf": {}}),
        (f"dags/{DAG}/clearTaskInstances", {"dry_run": False}),
    ):
        assert _status_of_post(viewer, f"/api/v2/{path}", body) == 403, path
    viewer.open("/plugin/passbook-status")
    assert str(backfilled.base_date) in viewer.frame_text()


def _get(window: Browser, path: str) -> dict[str, Any]:
    """Ask Airflow with the session of the page."""
    found: dict[str, Any] = window.driver.execute_async_script(
        "const [path, done] = arguments; fetch(path).then(answer => answer.json()).then(done);",
        path,
    )
    return found


def _status_of_post(window: Browser, path: str, body: dict[str, object]) -> int:
    """Send a request with the session of the page, as its own scripts would."""
    status: int = window.driver.execute_async_script(
        "const [path, body, done] = arguments;"
        "fetch(path, {method: 'POST', headers: {'Content-Type': 'application/json'},"
        " body: JSON.stringify(body)}).then(answer => done(answer.status));",
        path,
        body,
    )
    return status
