"""Gives every customer five products per scenario, each with a reason.

**What it does.** Waits until `segment_customers` has passed for the base date, ranks the products
of `up_sell` and `cross_sell` with the champions, drops what a customer holds or may not buy, and
publishes `mart.product_recommendation` and `mart.product` in one swap.

**When red.** The task's last log line has a code and a sentence.

| code | meaning | what to do |
|---|---|---|
| E705 | an earlier stage was rejected | mend that stage, then clear this task |
| E402 | no product of a scenario is on sale | check `sale_start` and `sale_end` in `product` |
| E403 | a fit would not fit the memory | lower the factors or raise `PASSBOOK_MEMORY_LIMIT_GB` |
| E601, E602 | no model, or its files were changed | run `retrain_models`, or roll back |
| E702, E708 | audit or proof of the offers failed | nothing was published; report it with the log |
| E701, E706 | Postgres unreachable, or a reader holds a lock | it retries; end the long query |

Analysts go on reading the week before until the swap. Running it again publishes the same bytes.
"""

from typing import Any

from airflow.sdk import dag, task

from passbook.steps import airflow_tasks as chain
from passbook.steps.verdict_wait import WaitForVerdict


@dag(
    dag_id="recommend_products",
    dag_display_name="4 · recommend products",
    doc_md=__doc__,
    tags=["passbook", "weekly", "recommendations"],
    schedule=chain.WEEKLY,
    params={"base_date": chain.BASE_DATE_PARAM},
    **chain.DAG_ARGUMENTS,
)
def recommend_products() -> None:
    wait = WaitForVerdict(task_id="wait_for_segments", stage="segment_customers")

    @task(outlets=[chain.mart_asset("product_recommendation"), chain.mart_asset("product")])
    def rank_and_publish() -> dict[str, Any]:
        from passbook.steps import recommend_products as step

        return chain.run_task("recommend_products", step.work)

    wait >> rank_and_publish()


recommend_products()
