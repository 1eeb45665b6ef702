"""Parse the DAG files as Airflow's DAG processor does, and print what they are as JSON."""

import json
import logging
import sys
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import Asset

HEAVY = ("sklearn", "xgboost", "great_expectations", "numba", "scipy", "pandas", "implicit",
         "pyarrow", "psycopg2", "pyhive", "thrift")  # fmt: skip


def describe(dag: Any) -> dict[str, Any]:
    """Return what the tests ask about a DAG."""
    return {
        "schedule": [dag.timetable.expression, str(dag.timetable.timezone)],
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "tags": sorted(dag.tags),
        "doc": dag.doc_md or "",
        "params": {name: dict(dag.params.get_param(name).schema) for name in dag.params},
        "tasks": {
            task.task_id: {
                "after": sorted(task.upstream_task_ids),
                "owner": task.owner,
                "depends_on_past": task.depends_on_past,
                "retries": task.retries,
                "rules": [rule.exception_path for rule in task.retry_policy.rules],
                "default": task.retry_policy.default.value,
                "outlets": [outlet.name for outlet in task.outlets if isinstance(outlet, Asset)],
                "waits_for": getattr(task, "stage", None),
            }
            for task in dag.tasks
        },
    }


logging.disable(logging.CRITICAL)
bag = DagBag(sys.argv[1])
print(
    json.dumps(
        {
            "errors": bag.import_errors,
            "heavy": [module for module in HEAVY if module in sys.modules],
            "dags": {dag_id: describe(dag) for dag_id, dag in bag.dags.items()},
        }
    )
)
