"""Tells for every customer which segment they belong to.

**What it does.** Waits until `retrain_models` has passed for the base date, then assigns every
customer to the champion's deposit and insurance segments and to the rule bands, and publishes
`mart.customer_segment` and `mart.segment` in one swap.

**When red.** The task's last log line has a code and a sentence.

| code | meaning | what to do |
|---|---|---|
| E705 | an earlier stage was rejected | mend that stage, then clear this task |
| E301 | another number of clusters than the champion's | run `retrain_models` with *force* |
| E601 | no model for the base date | run `retrain_models` for it first |
| E602 | a model's files were changed | restore them or roll the model back |
| E701, E706 | Postgres unreachable, or a reader holds a lock | it retries; end the long query |
| E805 | the folder of the week's report cannot be written | mend its rights or make room |

Analysts go on reading the week before until the swap. Running it again publishes the same bytes.
"""

from typing import Any

from airflow.sdk import dag, task

from passbook.steps import airflow_tasks as chain
from passbook.steps.verdict_wait import WaitForVerdict


@dag(
    dag_id="segment_customers",
    dag_display_name="3 · segment customers",
    doc_md=__doc__,
    tags=["passbook", "weekly", "segments"],
    schedule=chain.WEEKLY,
    params={"base_date": chain.BASE_DATE_PARAM},
    **chain.DAG_ARGUMENTS,
)
def segment_customers() -> None:
    wait = WaitForVerdict(task_id="wait_for_models", stage="retrain_models")

    @task(outlets=[chain.mart_asset("customer_segment"), chain.mart_asset("segment")])
    def assign_and_publish() -> dict[str, Any]:
        from passbook.steps import segment_customers as step

        return chain.run_task("segment_customers", step.work)

    wait >> assign_and_publish()


segment_customers()
