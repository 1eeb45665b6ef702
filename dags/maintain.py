"""Lets go of what is older than the settings keep; tells first, and by default only tells.

**What it does.** Lists published weeks with their reports and models, partitions of the work
tables in Hive, and runs in Airflow's metadata that are older than `PASSBOOK_KEEP_…` says, and what
killed tasks left unfinished beside the models. It lets go of them only with *Apply* in the form, or
always with `PASSBOOK_MAINTAIN_APPLIES`. What a kept week was computed with stays; so does whatever
a stage is at work on.

**When red.** The task's last log line has a code and a sentence; what went before has gone.

| code | meaning | what to do |
|---|---|---|
| E101, E701 | Hive or Postgres unreachable | it retries |
| E706 | a reader holds a lock | it retries; end the long query |
| E700 | Airflow's own clean-up failed | check `PASSBOOK_AIRFLOW_METADATA_URL` |
| E805 | a folder cannot be deleted | check who owns it |

Hashes of weeks that went stay in `ops.retired_publication`.
"""

from typing import Any

from airflow.sdk import dag, task

from passbook.steps import airflow_tasks as chain


@dag(
    dag_id="maintain",
    dag_display_name="6 · maintain",
    doc_md=__doc__,
    tags=["passbook", "housekeeping"],
    schedule=chain.AFTER_THE_WEEK,
    params={"apply": chain.APPLY_PARAM},
    **chain.HOUSEKEEPING_ARGUMENTS,
)
def maintain() -> None:
    @task(doc_md="A dry run: its log names everything that would go.")
    def tell_what_would_go() -> dict[str, Any]:
        return chain.run_maintenance(dry_run=True)

    @task.short_circuit(doc_md="Goes on with *Apply*, or when the settings say so.")
    def may_go(params: dict[str, Any] | None = None) -> bool:
        return chain.may_let_go((params or {}).get("apply"))

    @task
    def let_go() -> dict[str, Any]:
        return chain.run_maintenance(dry_run=False)

    tell_what_would_go() >> may_go() >> let_go()


maintain()
