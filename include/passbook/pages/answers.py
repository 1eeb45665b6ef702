"""What a request for a page is answered with: an HTTP status and HTML."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import date
from html import escape
from pathlib import Path

from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import mart, settings
from passbook.errors import PassbookError
from passbook.pages import status, week
from passbook.pages.layout import page
from passbook.steps.stage import mart_url

Answer = tuple[int, str]

NOT_FOUND = (404, page("Not found", "<p>There is no such page.</p>"))


def status_answer() -> Answer:
    """Answer with the status page as the ledger has it now."""
    return _from_mart(lambda connection: (200, status.render(status.read_status(connection))))


def week_answer(day: date) -> Answer:
    """Answer with the page of a base date."""

    def answer(connection: Connection) -> Answer:
        found = week.read_week(connection, day)
        reports = sorted(path.stem for path in _report_folder(day).glob("*.html"))
        return 200, week.render(found, reports)

    return _from_mart(answer)


def run_answer(run_id: str) -> Answer | date:
    """Answer with the base date of an Airflow run."""
    found: list[date] = []

    def answer(connection: Connection) -> Answer:
        found.extend(filter(None, [week.base_date_of(connection, run_id)]))
        return 404, page("Not yet", "<p>This run has not begun to work on a week.</p>")

    told = _from_mart(answer)
    return found[0] if found else told


def report_answer(day: date, name: str) -> Answer:
    """Answer with a page of pictures that a stage has left for a base date."""
    for path in _report_folder(day).glob("*.html"):
        if path.stem == name:
            return 200, path.read_text("utf-8")
    return NOT_FOUND


def _report_folder(day: date) -> Path:
    chosen = settings.load()
    return chosen.reports / day.isoformat()


def _from_mart(answer: Callable[[Connection], Answer]) -> Answer:
    try:
        with closing(mart.connect(mart_url(settings.load()))) as connection:
            connection.set_session(readonly=True)
            return answer(connection)
    except PassbookError as error:
        return 503, page("Passbook", f"<p>{escape(str(error))}</p>", refresh_seconds=60)
