"""The entry *Passbook* in Airflow's menu with its pages, a link on tasks, and notes on runs.

Every Airflow process reads its plugins, each task's too; only the API server builds the pages.
"""

from functools import cached_property
from typing import Any, ClassVar

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin
from airflow.providers.standard.decorators.python import _PythonDecoratedOperator
from airflow.sdk import BaseOperatorLink


def pages_app() -> Any:
    """Return the FastAPI app of the pages. Airflow mounts it without authentication of its own."""
    from datetime import date

    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
    from airflow.api_fastapi.core_api.security import requires_access_view
    from fastapi import Depends, FastAPI
    from fastapi.responses import HTMLResponse, RedirectResponse, Response

    from passbook.pages import answers

    logged_in = Depends(requires_access_view(AccessView.WEBSITE))
    app = FastAPI(
        title="Passbook", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[logged_in]
    )

    # Plain functions: each answers in a thread, so that a slow mart blocks no other request.
    @app.get("/")
    def status() -> Response:
        return _html(*answers.status_answer())

    @app.get("/week/{day}")
    def week(day: date) -> Response:
        return _html(*answers.week_answer(day))

    @app.get("/run")
    def run(run_id: str) -> Response:
        found = answers.run_answer(run_id)
        return RedirectResponse(f"week/{found}") if isinstance(found, date) else _html(*found)

    @app.get("/report/{day}/{name}")
    def report(day: date, name: str) -> Response:
        return _html(*answers.report_answer(day, name))

    def _html(status_code: int, page: str) -> Response:
        return HTMLResponse(page, status_code=status_code)

    return app


class WeekLink(BaseOperatorLink):
    """The button on a task that opens its week: quality results, reports, what was published."""

    name = "Week and reports"
    operators: ClassVar = [_PythonDecoratedOperator]

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the page of the run's base date."""
        from urllib.parse import urlencode

        from passbook.contracts import STAGES

        if ti_key.dag_id not in STAGES:
            return ""
        return f"/passbook/run?{urlencode({'run_id': ti_key.run_id})}"


class EndedRuns:
    """Writes a note on every run of the weekly chain when it ends, and closes what it left open.

    Runs in the scheduler, or in the API server where a person marks the run.
    """

    @hookimpl
    def on_dag_run_success(self, dag_run: Any, msg: str) -> None:
        """Note what the run brought."""
        self._note(dag_run)

    @hookimpl
    def on_dag_run_failed(self, dag_run: Any, msg: str) -> None:
        """Note why it failed."""
        self._note(dag_run)

    def _note(self, run: Any) -> None:
        from sqlalchemy.orm import object_session

        from passbook.base_date import base_date_of_run
        from passbook.contracts import STAGES
        from passbook.ended_runs import conclude

        # `dag.test()` reports a run that no session keeps any more: nothing to write a note to.
        if run.dag_id not in STAGES or object_session(run) is None:
            return
        base_date = base_date_of_run(
            run_type=str(getattr(run.run_type, "value", run.run_type)),
            data_interval_end=run.data_interval_end,
            run_after=run.run_after,
            requested=(run.conf or {}).get("base_date"),
        )
        run.note = conclude(run.dag_id, base_date, run.run_id)


class PassbookPlugin(AirflowPlugin):
    """What the UI shows of Passbook."""

    name = "passbook"
    listeners = [EndedRuns()]
    operator_extra_links = [WeekLink()]
    external_views = [
        {
            "name": "Passbook",
            "href": "/passbook/",
            "destination": "nav",
            "nav_top_level": True,
            "url_route": "passbook-status",
        }
    ]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The app, built when the API server asks for it."""
        return [{"app": pages_app(), "url_prefix": "/passbook", "name": "Passbook"}]
