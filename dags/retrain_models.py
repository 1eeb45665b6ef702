"""Keeps the models honest: measures drift, and trains challengers when there is a reason to.

**What it does.** Compares the work tables with the distributions each champion was trained on.
Without a champion, on drift, or when forced by the form, it trains challengers and promotes what
is better on the same holdout; else it measures the champions on it. `ops.*` keeps every figure.

**When red.** The task's last log line has a code and a sentence; the old champions stay in force.

| code | meaning | what to do |
|---|---|---|
| E705 | the ingest was rejected | mend it, then clear this task |
| E401, E501 | nothing to compare or train on | check the holdings' dates, `credit_outcome` |
| E403 | a fit would not fit the memory | raise `PASSBOOK_MEMORY_LIMIT_GB` |
| E701, E707 | Postgres unreachable, or the stage runs already | it retries |

Weeks depend on their past: a backfill needs "Reprocess Behavior" other than "Missing Runs".
With `PASSBOOK_APPROVAL_HOURS` a person answers under *Required Actions* before a promotion.
"""

from functools import partial
from typing import Any

from airflow.sdk import dag, task

from passbook.steps import airflow_tasks as chain
from passbook.steps import promotion_approval as approval
from passbook.steps.verdict_wait import WaitForVerdict

STAGE = "retrain_models"


@dag(
    dag_id="retrain_models",
    dag_display_name="2 · retrain models",
    doc_md=__doc__,
    tags=["passbook", "weekly", "models"],
    schedule=chain.WEEKLY,
    params={"base_date": chain.BASE_DATE_PARAM, "force": chain.FORCE_PARAM},
    **chain.DAG_ARGUMENTS,
)
def retrain_models() -> None:
    @task(depends_on_past=True, doc_md="A backfill must not run newest week first.")
    def in_order() -> None: ...

    wait = WaitForVerdict(
        task_id="wait_for_work_tables", stage="ingest_work_tables", **chain.AFTER_LAST_WEEK
    )

    @task(outlets=[chain.ledger_asset("drift")])
    def measure_drift(params: dict[str, Any] | None = None) -> dict[str, Any]:
        from passbook.steps import retrain_models as step

        work = partial(step.measure_drift, force=bool((params or {}).get("force")))
        return chain.run_task(STAGE, work, concludes=False)

    @task.branch
    def reason_to_retrain(drift: dict[str, Any]) -> str:
        return "train_challengers" if drift["due"] else "evaluate_champions"

    @task(outlets=[chain.ledger_asset("promotion")])
    def train_challengers(drift: dict[str, Any]) -> dict[str, Any]:
        from passbook.steps import retrain_models as step

        work = partial(step.train_challengers, due=drift["due"])
        return chain.run_task(STAGE, work, earlier=drift, concludes=not approval.needed())

    @task(outlets=[chain.ledger_asset("leaderboard")])
    def evaluate_champions(drift: dict[str, Any]) -> dict[str, Any]:
        from passbook.steps import retrain_models as step

        return chain.run_task(STAGE, step.evaluate_champions, earlier=drift)

    drift: Any = measure_drift()
    in_order() >> wait >> drift
    reason_to_retrain(drift) >> [trained := train_challengers(drift), evaluate_champions(drift)]
    approval.ask_if_needed(trained)


retrain_models()
