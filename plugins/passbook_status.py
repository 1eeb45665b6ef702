"""The entry *Passbook* in Airflow's menu, a status page, and the notes on runs.

Every Airflow process reads its plugins, each task's too; only the API server builds the page.
"""

from functools import cached_property
from typing import Any, ClassVar

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin


def status_app() -> Any:
    """Return the FastAPI app of the page. Airflow mounts it without authentication of its own."""
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
    from airflow.api_fastapi.core_api.security import requires_access_view
    from fastapi import Depends, FastAPI
    from fastapi.responses import HTMLResponse

    from passbook import status_page

    app = FastAPI(title="Passbook", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/", dependencies=[Depends(requires_access_view(AccessView.WEBSITE))])
    def status() -> HTMLResponse:
        """Answer in a thread of its own, so that a slow mart blocks no other request."""
        code, page = status_page.answer()
        return HTMLResponse(page, status_code=code)

    return app


class RunNotes:
    """Writes a note on every run of the weekly chain when it ends; runs in the scheduler."""

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
        from passbook.run_notes import read_note

        # `dag.test()` reports a run that no session keeps any more: nothing to write a note to.
        if run.dag_id not in STAGES or object_session(run) is None:
            return
        base_date = base_date_of_run(
            run_type=str(getattr(run.run_type, "value", run.run_type)),
            data_interval_end=run.data_interval_end,
            run_after=run.run_after,
            requested=(run.conf or {}).get("base_date"),
        )
        run.note = read_note(run.dag_id, base_date)


class PassbookPlugin(AirflowPlugin):
    """What the UI shows of Passbook."""

    name = "passbook"
    listeners: ClassVar = [RunNotes()]
    external_views: ClassVar = [
        {
            "name": "Passbook",
            "href": "/passbook/",
            "destination": "nav",
            "nav_top_level": True,
            "url_route": "passbook-status",
        }
    ]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        """The app, built when the API server asks for it."""
        return [{"app": status_app(), "url_prefix": "/passbook", "name": "Passbook"}]
