"""What the DAG files share: their schedules, their forms, and how a task runs a stage.

Everything heavy is imported when a task runs, not when a DAG file is parsed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import (
    Asset,
    CronTriggerTimetable,
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryRule,
    get_current_context,
)
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from passbook import alerts, settings
from passbook.base_date import (
    BANK_TIMEZONE,
    base_date_of_run,
    newest_base_date,
    schedule_moment,
)
from passbook.errors import PassbookError
from passbook.steps.alert_notifier import AlertNotifier

if TYPE_CHECKING:
    from airflow.sdk import Context

    from passbook.steps.stage import Stage

log = logging.getLogger(__name__)

OWNER: Final = "passbook"
RETRIES: Final = 3


def _retryable(kind: type[PassbookError] = PassbookError) -> list[type[PassbookError]]:
    below = [found for child in kind.__subclasses__() for found in _retryable(child)]
    return [kind, *below] if kind.retryable else below


WEEKLY: Final = CronTriggerTimetable("0 1 * * 1", timezone="Asia/Seoul")
"""Monday 01:00 in Seoul, after the bank's weekend load."""


def _schedule_end() -> datetime | None:
    """Return the last moment of the schedule, None: it has no end."""
    last = settings.load().schedule_until
    return schedule_moment(last) if last else None


def _deadline() -> DeadlineAlert | None:
    """Return after how long a run is late; None: never."""
    hours = settings.load().run_deadline_hours
    if hours is None:
        return None
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=hours),
        callback=AsyncCallback(AlertNotifier, kwargs={"event": "late"}),
    )


DAG_ARGUMENTS: Final[dict[str, Any]] = {
    # Not the first run: catchup is off. A backfill may go back to it.
    "start_date": datetime(2015, 1, 5, tzinfo=BANK_TIMEZONE),
    "end_date": _schedule_end(),
    "catchup": False,
    "max_active_runs": 1,
    "deadline": _deadline(),
    "default_args": {
        "owner": OWNER,
        "retries": RETRIES,
        "on_failure_callback": AlertNotifier("failed"),
        "retry_delay": timedelta(seconds=settings.load().retry_delay_seconds),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=15),
        "retry_policy": ExceptionRetryPolicy(
            rules=[RetryRule(exception=list(_retryable()), action=RetryAction.RETRY)],
            default=RetryAction.FAIL,
        ),
    },
}
"""Arguments of every DAG of the weekly chain."""

AFTER_THE_WEEK: Final = CronTriggerTimetable("0 5 * * 3", timezone="Asia/Seoul")
"""Wednesday 05:00 in Seoul: the week is done, or somebody is at work on it."""

HOUSEKEEPING_ARGUMENTS: Final[dict[str, Any]] = {
    name: value for name, value in DAG_ARGUMENTS.items() if name not in {"end_date", "deadline"}
}
"""Arguments of a DAG beside the weekly chain."""

APPLY_PARAM: Final = Param(
    False,
    type="boolean",
    title="Apply",
    description_md="Let go of what the first task names. Without it the run only tells.",
)

BASE_DATE_PARAM: Final = Param(
    None,
    type=["null", "string"],
    format="date",
    title="Base date",
    description_md="A **Sunday**, not in the future. Empty: the last Sunday before the run. "
    "Leave it empty in a backfill: each of its runs has its own.",
)

FORCE_PARAM: Final = Param(
    False,
    type="boolean",
    title="Force a retrain",
    description_md="Train challengers even without drift; they still have to beat the champions.",
)


def mart_asset(table: str) -> Asset:
    """Return the asset that stands for a table of the mart in the UI's lineage."""
    return Asset(name=f"mart.{table}", uri=f"passbook://mart/{table}", group="mart")


def ledger_asset(table: str) -> Asset:
    """Return the asset that stands for a table of the ledger."""
    return Asset(name=f"ops.{table}", uri=f"passbook://ops/{table}", group="ledger")


AFTER_LAST_WEEK: Final[dict[str, Any]] = {
    "own_stage": "retrain_models",
    "published_by": ("segment_customers", "recommend_products", "score_credit"),
}
"""What `retrain_models` waits for of the week before: its models, and what they said."""

WORK_TABLES: Final = Asset(name="work_tables", uri="passbook://hive/work_tables", group="hive")


def context_base_date(context: Context) -> date:
    """Return the base date of the run that `context` belongs to."""
    run = context["dag_run"]
    return base_date_of_run(
        run_type=str(getattr(run.run_type, "value", run.run_type)),
        data_interval_end=run.data_interval_end,
        run_after=run.run_after,
        requested=(context["params"] or {}).get("base_date"),
    )


def run_task(
    stage: str,
    work: Callable[[Stage], Mapping[str, Any]],
    *,
    earlier: Mapping[str, Any] | None = None,
    concludes: bool = True,
) -> dict[str, Any]:
    """Run a stage, or a part of it, inside the current Airflow task.

    Parameters
    ----------
    earlier : Mapping, optional
        What the stage's earlier part returned: this part goes on with its fence and adds to its
        figures.
    concludes : bool
        Whether the stage ends with this part.

    Returns
    -------
    dict
        The figures; they become the task's XCom and the extra of its asset events.
    """
    from passbook.steps.stage import run_stage  # noqa: PLC0415

    context = get_current_context()
    instance = context["ti"]
    known = {k: v for k, v in (earlier or {}).items() if k not in {"token", "base_date"}}
    figures = run_stage(
        stage,
        context_base_date(context),
        context["dag_run"].run_id,
        lambda running: {**known, **work(running)},
        # A version 7 UUID, new with every attempt: later ones sort behind earlier ones.
        attempt=str(instance.id),
        token=earlier["token"] if earlier else None,
        concludes=concludes,
        last_attempt=instance.try_number > instance.max_tries,
    )
    for outlet in context["outlets"]:
        if isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra = figures
    if concludes:
        alerts.tell_figures(stage, figures)
    return figures


def run_maintenance(*, dry_run: bool) -> dict[str, int]:
    """Run the housekeeping inside the current Airflow task; every item is in the log."""
    from passbook.steps.maintain import maintain, summary  # noqa: PLC0415

    gone = maintain(settings.load(), newest_base_date(), dry_run=dry_run)
    for item in gone:
        log.info("%s: %s", item.kind, item.what)
    return summary(gone)


def may_let_go(asked: bool | None) -> bool:
    """Whether housekeeping is more than a dry run."""
    return bool(asked) or settings.load().maintain_applies
