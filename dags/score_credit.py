"""Gives every customer with behaviour a style and a credit index from 300 to 850, with reasons.

**What it does.** Waits until `retrain_models` has passed for the base date, scores the customers
in blocks with the champions `credit.style` and `credit.default`, and publishes
`mart.credit_score` in one swap. A bank without behaviour or outcomes has nothing to do here, and
the stage passes.

**When red.** The task's last log line has a code and a sentence.

| code | meaning | what to do |
|---|---|---|
| E705 | an earlier stage was rejected | mend that stage, then clear this task |
| E502 | features are not fit to score | correct `behaviour` and the profiles, ingest again |
| E601, E602 | no model, or its files were changed | run `retrain_models`, or roll back |
| E702 | the scores failed their audit | nothing was published; report it with the log |
| E701, E706 | Postgres unreachable, or a reader holds a lock | it retries; end the long query |

Analysts go on reading the week before until the swap. Running it again publishes the same bytes.
"""

from typing import Any

from airflow.sdk import dag, task

from passbook.steps import airflow_tasks as chain
from passbook.steps.verdict_wait import WaitForVerdict


@dag(
    dag_id="score_credit",
    dag_display_name="5 · score credit",
    doc_md=__doc__,
    tags=["passbook", "weekly", "credit"],
    schedule=chain.WEEKLY,
    params={"base_date": chain.BASE_DATE_PARAM},
    **chain.DAG_ARGUMENTS,
)
def score_credit() -> None:
    wait = WaitForVerdict(task_id="wait_for_models", stage="retrain_models")

    @task(outlets=[chain.mart_asset("credit_score")])
    def score_and_publish() -> dict[str, Any]:
        from passbook.steps import score_credit as step

        return chain.run_task("score_credit", step.work)

    wait >> score_and_publish()


score_credit()
