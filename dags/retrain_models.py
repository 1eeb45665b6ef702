"""Keeps the models honest: measures drift, and trains challengers when there is a reason to.

**What it does.** Compares the work tables with the distributions each champion was trained on.
Without a champion, on drift, or when forced by the form, it searches, trains and compares
challengers on the time-split holdout and promotes those that are better; otherwise it measures
the champions on this week's holdout. `ops.drift`, `ops.trial`, `ops.leaderboard`,
`ops.model_version` and `ops.promotion` keep every figure.

**When red.** The task's last log line has a code and a sentence; the old champions stay in force.

| code | meaning | what to do |
|---|---|---|
| E705 | the ingest was rejected | mend it, then clear this task |
| E401 | no acquisitions in the holdout month | check the holdings' dates |
| E501 | outcomes not fit to train on | check `credit_outcome` |
| E403 | a fit would not fit the memory | raise `PASSBOOK_MEMORY_LIMIT_GB` |
| E701, E707 | Postgres unreachable, or the stage runs already | it retries |

Weeks depend on their past: a backfill needs "Reprocess Behavior" other than "Missing Runs".
"""

from airflow.sdk import dag, task

from passbook.steps import airflow_tasks as chain
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
        task_id="wait_for_work_tables", stage="ingest_work_tables", own_stage=STAGE
    )

    @task(outlets=[chain.ledger_asset("drift")])
    def measure_drift(params: dict | None = None) -> dict:
        from passbook.steps import retrain_models as step

        force = bool((params or {}).get("force"))
        return chain.run_task(STAGE, lambda s: step.measure_drift(s, force=force), concludes=False)

    @task.branch
    def reason_to_retrain(drift: dict) -> str:
        return "train_challengers" if drift["due"] else "evaluate_champions"

    @task(outlets=[chain.ledger_asset("promotion")])
    def train_challengers(drift: dict) -> dict:
        from passbook.steps import retrain_models as step

        due = tuple(drift["due"])
        return chain.run_task(STAGE, lambda s: step.train_challengers(s, due), earlier=drift)

    @task(outlets=[chain.ledger_asset("leaderboard")])
    def evaluate_champions(drift: dict) -> dict:
        from passbook.steps import retrain_models as step

        return chain.run_task(STAGE, step.evaluate_champions, earlier=drift)

    drift = measure_drift()
    in_order() >> wait >> drift
    reason_to_retrain(drift) >> [train_challengers(drift), evaluate_champions(drift)]


retrain_models()
