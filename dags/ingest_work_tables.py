"""Builds the work tables of a base date out of the bank's own Hive tables and checks them.

**What it does.** Runs the source adapter's SELECTs inside Hive, one Parquet partition a work
table and base date; then holds them against their contract, looks for rows dated after the base
date, and runs the quality rules inside Hive. The verdict lets the later stages go on, or stops
them.

**When red.** The task's last log line has a code and a sentence.

| code | meaning | what to do |
|---|---|---|
| E101 | Hive unreachable | it retries; check HiveServer2 and the connection `hive_passbook` |
| E102 | a mandatory work table is empty | wait for the bank's load, then clear the task |
| E103, E106 | the adapter breaks the contract | correct its SQL, then clear the task |
| E104 | rows from the future | correct the source rows or the adapter's filter |
| E201 | a quality rule failed | see `ops.quality_result`; correct the source, then clear the task |

Last week's published results stay as they are. Running it again replaces the partitions.
"""

from typing import Any

from airflow.sdk import dag, task

from passbook.steps import airflow_tasks as chain


@dag(
    dag_id="ingest_work_tables",
    dag_display_name="1 · ingest work tables",
    doc_md=__doc__,
    tags=["passbook", "weekly", "hive"],
    schedule=chain.WEEKLY,
    params={"base_date": chain.BASE_DATE_PARAM},
    **chain.DAG_ARGUMENTS,
)
def ingest_work_tables() -> None:
    @task(outlets=[chain.WORK_TABLES], doc_md="Builds, checks, and gives the verdict.")
    def build_and_check() -> dict[str, Any]:
        from passbook.steps import ingest_work_tables as step

        return chain.run_task("ingest_work_tables", step.work)

    build_and_check()


ingest_work_tables()
