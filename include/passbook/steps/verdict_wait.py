"""Waiting for an earlier stage's verdict without holding a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook, BaseOperator, DagRunState
from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from passbook import settings as settings_module
from passbook.base_date import schedule_moment
from passbook.errors import MartUnreachableError, StageRejectedError
from passbook.steps.airflow_tasks import context_base_date
from passbook.steps.stage import mart_url, reject, url_of_connection

if TYPE_CHECKING:
    from airflow.sdk import Context

SHORTEST_PAUSE, LONGEST_PAUSE = 3.0, 30.0
"""Seconds between two looks into the ledger, each of which opens a connection."""
PAUSE_SHARE = 0.03
"""Of the wait so far: what is late by this share is not felt."""


class WaitForVerdict(BaseOperator):
    """Wait until `stage` has passed for this run's base date; fail at once when it was rejected.

    Parameters
    ----------
    stage : str
        The stage whose verdict is awaited.
    own_stage : str, optional
        A stage of which no run may be under way for the base date before: this one depends on
        what it leaves behind.
    published_by : sequence of str
        Stages that publish what `own_stage` reads of the week before: they are let finish when
        they are at work on that week and `own_stage` has passed for it.
    """

    ui_color = "#e8eef7"

    def __init__(
        self,
        *,
        stage: str,
        own_stage: str | None = None,
        published_by: Sequence[str] = (),
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.stage = stage
        self.own_stage = own_stage
        self.published_by = tuple(published_by)

    def execute(self, context: Context) -> dict[str, Any]:
        """Look once, and wait in the triggerer when the verdict is open."""
        settings = settings_module.load()
        base_date = context_base_date(context)
        found = None
        if not held_up(self.stage, self.own_stage, base_date):
            found = look(mart_url(settings), self.stage, self.own_stage, base_date)
        if found is None or still_publishing(found, self.published_by, base_date):
            self.defer(
                trigger=VerdictTrigger(
                    self.stage, self.own_stage, base_date.isoformat(), self.published_by
                ),
                method_name="execute_complete",
                timeout=timedelta(hours=settings.verdict_wait_hours),
            )
        return self.execute_complete(context, found)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Return what was awaited, or raise the reason why it will not come."""
        if event["verdict"] == "unreachable":
            raise MartUnreachableError(event["reason"])
        if event["verdict"] == "reject":
            error = StageRejectedError(
                f"{self.stage} for {event['base_date']} was rejected: {event['reason']}"
            )
            # Whoever waits for this stage must not wait for a verdict that will never come.
            run = context["dag_run"]
            reject(
                settings_module.load(), run.dag_id, context_base_date(context), run.run_id, error
            )
            raise error
        return event


class VerdictTrigger(BaseTrigger):
    """Looks into the ledger every few seconds, less often the longer it waits."""

    def __init__(
        self, stage: str, own_stage: str | None, base_date: str, published_by: Sequence[str] = ()
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.stage = stage
        self.own_stage = own_stage
        self.published_by = tuple(published_by)
        self.base_date = base_date

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the triggerer needs to build this again; no address, no password."""
        return (
            "passbook.steps.verdict_wait.VerdictTrigger",
            {
                "stage": self.stage,
                "own_stage": self.own_stage,
                "base_date": self.base_date,
                "published_by": list(self.published_by),
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield the verdict once there is one."""
        settings = await asyncio.to_thread(settings_module.load)
        if settings.mart_url:
            url = settings.mart_url.get_secret_value()
        else:
            connection = await BaseHook.aget_connection("mart_passbook")
            url = url_of_connection("postgresql", connection)
        base_date = date.fromisoformat(self.base_date)
        for pause in pauses():
            found = None
            try:
                if not await sync_to_async(held_up)(self.stage, self.own_stage, base_date):
                    found = await asyncio.to_thread(
                        look, url, self.stage, self.own_stage, base_date
                    )
                    waits = sync_to_async(still_publishing)
                    if found and await waits(found, self.published_by, base_date):
                        found = None
            except MartUnreachableError as error:
                found = {"verdict": "unreachable", "reason": error.detail}
            if found is not None:
                yield TriggerEvent(found)  # type: ignore[no-untyped-call]
                return
            await asyncio.sleep(pause)


def pauses() -> Iterator[float]:
    """Yield the seconds to let pass after each look."""
    waited = 0.0
    while True:
        pause = min(max(PAUSE_SHARE * waited, SHORTEST_PAUSE), LONGEST_PAUSE)
        yield pause
        waited += pause


def held_up(stage: str, own_stage: str | None, base_date: date) -> bool:
    """Whether Airflow has an unfinished run of `stage`, or one of `own_stage` for the week before.

    While there is one, its verdict is an older run's, or there is none yet: a backfill of several
    weeks, or of all five DAGs, starts them at the same moment. A queued run of the week before
    does not count: one that was cleared may itself have to wait for the present one's end.
    """
    before = base_date - timedelta(weeks=1)
    return bool(
        _runs(stage, base_date, DagRunState.QUEUED, DagRunState.RUNNING)
        or (own_stage and _runs(own_stage, before, DagRunState.RUNNING))
    )


def still_publishing(
    found: Mapping[str, Any], published_by: Sequence[str], base_date: date
) -> bool:
    """Whether stages are at work on the week before, so that more of it may be published.

    Queued runs do not count: newest week first, they come after this one. Nor does a week before
    that has no models: its stages wait for them, maybe in vain.
    """
    week_before = base_date - timedelta(weeks=1)
    return found.get("week_before") == "pass" and any(
        _runs(stage, week_before, DagRunState.RUNNING) for stage in published_by
    )


def _runs(stage: str, base_date: date, *states: DagRunState) -> int:
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance  # noqa: PLC0415

    return RuntimeTaskInstance.get_dr_count(
        dag_id=stage, logical_dates=[schedule_moment(base_date)], states=list(states)
    )


def look(url: str, stage: str, own_stage: str | None, base_date: date) -> dict[str, Any] | None:
    """Return the verdict of `stage`, or None while it is open or the week before isn't done."""
    from passbook import ledger, mart  # noqa: PLC0415

    connection = mart.connect(url)
    try:
        verdict = ledger.latest_verdict(connection, stage, base_date)
        before = None
        if own_stage:
            before = ledger.latest_verdict(connection, own_stage, base_date - timedelta(weeks=1))
            if before is not None and before.verdict == "running":
                return None
    finally:
        connection.close()
    if verdict is None or verdict.verdict == "running":
        return None
    return {
        "verdict": verdict.verdict,
        "base_date": base_date.isoformat(),
        "stage": stage,
        "reason": verdict.reason,
        "week_before": before.verdict if before else None,
    }
