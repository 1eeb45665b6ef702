"""A person's word on promotions, where the settings ask for one: Airflow's human in the loop.

Without an answer in time the promotion is rejected; who answered and why is kept in the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param, TriggerRule, get_current_context, task

from passbook import settings
from passbook.steps import airflow_tasks as chain
from passbook.steps.alert_notifier import AlertNotifier

APPROVE, REJECT = "Approve", "Reject"
NOBODY: Final = "nobody in time"
_BODY: Final = """\
The rules would promote these models. They take their places together, or not at all.
{% for found in ti.xcom_pull(task_ids='train_challengers')['awaiting'] %}
* **{{ found.model }}** `{{ found.version }}`: {{ found.reason }}
{%- endfor %}
"""


def needed() -> bool:
    """Whether promotions need a person's approval."""
    return settings.load().approval_hours is not None


def ask_if_needed(trained: Any) -> None:
    """Add the tasks that ask a person after `trained`, and record what was said; else none.

    Parameters
    ----------
    trained : XComArg
        Figures of ``train_challengers``.
    """
    hours = settings.load().approval_hours
    if hours is None:
        return

    @task.branch(doc_md="Asks nobody when the rules have refused everything.")
    def anything_to_approve(trained: dict[str, Any]) -> str:
        return "approve_promotion" if trained["awaiting"] else "record_decision"

    approve_promotion = HITLOperator(
        task_id="approve_promotion",
        subject="Promote the models of run {{ run_id }}?",
        body=_BODY,
        options=[APPROVE, REJECT],
        defaults=[REJECT],
        params={"reason": Param("", type="string", title="Why", description="Kept in the ledger.")},
        response_timeout=timedelta(hours=hours),
        notifiers=[AlertNotifier("waiting")],
        doc_md="*Required Actions* of the run: approve or reject, and say why.",
    )

    @task(
        outlets=[chain.ledger_asset("promotion")],
        trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
    )
    def record_decision(trained: dict[str, Any]) -> dict[str, Any]:
        from passbook.steps import retrain_models as step  # noqa: PLC0415

        answer = get_current_context()["ti"].xcom_pull(task_ids="approve_promotion")
        approved, by, why = said(answer)
        return chain.run_task(
            "retrain_models",
            lambda s: step.record_decision(s, trained, approved=approved, by=by, why=why),
            earlier=trained,
        )

    recorded = record_decision(trained)
    anything_to_approve(trained) >> [approve_promotion, recorded]
    approve_promotion >> recorded


def said(answer: Mapping[str, Any] | None) -> tuple[bool, str, str]:
    """Return whether an answer approves, who gave it, and why; nobody asked: nothing approved."""
    if answer is None:
        return False, NOBODY, ""
    user = answer.get("responded_by_user")
    by = user["name"] if user else NOBODY
    return (
        APPROVE in answer["chosen_options"],
        by,
        (answer.get("params_input") or {}).get("reason", ""),
    )
