"""The DAGs, as Airflow reads them: one a stage, and the housekeeping."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from passbook import errors
from passbook.contracts import STAGES

DAGS = Path(__file__).parents[2] / "dags"
pytestmark = pytest.mark.airflow


def parse(home: Path) -> dict[str, Any]:
    """Parse the DAG files in a process of its own, with this environment."""
    environment = os.environ | {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    script = Path(__file__).with_name("describe_dags.py")
    done = subprocess.run(
        [sys.executable, script, DAGS],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return parse(tmp_path_factory.mktemp("airflow"))


@pytest.fixture(scope="module")
def dags(parsed: dict[str, Any]) -> dict[str, Any]:
    assert parsed["errors"] == {}
    found: dict[str, Any] = parsed["dags"]
    return found


def test_there_is_one_dag_a_stage_the_housekeeping_and_no_other(dags: dict[str, Any]) -> None:
    assert set(dags) == {*STAGES, "maintain"}
    assert {path.stem for path in DAGS.glob("*.py")} == {*STAGES, "maintain"}


def test_housekeeping_tells_before_it_lets_go(dags: dict[str, Any]) -> None:
    dag = dags["maintain"]
    assert dag["schedule"] == ["0 5 * * 3", "Asia/Seoul"]
    assert dag["catchup"] is False
    assert dag["params"]["apply"] == {"type": "boolean", "title": "Apply"} | dag["params"]["apply"]
    after = {name: task["after"] for name, task in dag["tasks"].items()}
    assert after == {
        "tell_what_would_go": [], "may_go": ["tell_what_would_go"], "let_go": ["may_go"],
    }  # fmt: skip
    assert "**When red.**" in dag["doc"]


def test_dag_files_only_wire(parsed: dict[str, Any]) -> None:
    assert parsed["heavy"] == []
    lengths = {path.name: len(path.read_text().splitlines()) for path in DAGS.glob("*.py")}
    assert {name: lines for name, lines in lengths.items() if lines >= 80} == {}


@pytest.mark.parametrize("stage", STAGES)
def test_every_dag_is_weekly_and_never_overlaps_itself(dags: dict[str, Any], stage: str) -> None:
    dag = dags[stage]
    assert dag["schedule"] == ["0 1 * * 1", "Asia/Seoul"]
    assert dag["catchup"] is False
    assert dag["max_active_runs"] == 1


@pytest.mark.parametrize("stage", STAGES)
def test_every_dag_says_what_it_does_and_what_to_do_when_red(
    dags: dict[str, Any], stage: str
) -> None:
    dag = dags[stage]
    assert "**What it does.**" in dag["doc"]
    assert "**When red.**" in dag["doc"]
    assert {"passbook", "weekly"} <= set(dag["tags"])
    assert dag["params"]["base_date"]["format"] == "date"
    assert {task["owner"] for task in dag["tasks"].values()} == {"passbook"}


def test_the_codes_in_the_docs_exist(dags: dict[str, Any]) -> None:
    known = {kind.code for kind in vars(errors).values() if isinstance(kind, type)
             and issubclass(kind, errors.PassbookError)}  # fmt: skip
    for dag in dags.values():
        named = {word.strip(" ,|") for word in dag["doc"].split() if word.startswith("E")}
        codes = {word for word in named if word[1:4].isdigit()}
        assert codes
        assert codes <= known


def test_stages_wait_for_the_verdict_before_them(dags: dict[str, Any]) -> None:
    waits = {
        stage: [task["waits_for"] for task in dags[stage]["tasks"].values() if task["waits_for"]]
        for stage in STAGES
    }
    assert waits == {
        "ingest_work_tables": [],
        "retrain_models": ["ingest_work_tables"],
        "segment_customers": ["retrain_models"],
        "recommend_products": ["segment_customers"],
        "score_credit": ["retrain_models"],
    }


def test_the_retrain_shows_its_branch(dags: dict[str, Any]) -> None:
    tasks = dags["retrain_models"]["tasks"]
    for outcome in ("train_challengers", "evaluate_champions"):
        assert "reason_to_retrain" in tasks[outcome]["after"]
    assert dags["retrain_models"]["params"]["force"]["type"] == "boolean"


def test_a_week_of_models_depends_on_the_one_before(dags: dict[str, Any]) -> None:
    """Airflow then refuses a backfill that runs backwards."""
    tasks = dags["retrain_models"]["tasks"]
    assert [name for name, task in tasks.items() if task["depends_on_past"]] == ["in_order"]
    assert "in_order" in tasks["wait_for_work_tables"]["after"]


def test_approval_is_asked_for_only_where_the_settings_say_so(
    dags: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = {"anything_to_approve", "approve_promotion", "record_decision"}
    assert not asking & set(dags["retrain_models"]["tasks"])
    monkeypatch.setenv("PASSBOOK_APPROVAL_HOURS", "8")
    tasks = parse(tmp_path)["dags"]["retrain_models"]["tasks"]
    after = {name: set(tasks[name]["after"]) for name in asking}
    assert after == {
        "anything_to_approve": {"train_challengers"},
        "approve_promotion": {"anything_to_approve"},
        "record_decision": {"anything_to_approve", "approve_promotion", "train_challengers"},
    }


def test_only_what_may_heal_by_itself_is_retried(dags: dict[str, Any]) -> None:
    retryable = {
        f"passbook.errors.{kind.__name__}"
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.PassbookError) and kind.retryable
    }
    assert "passbook.errors.HiveUnreachableError" in retryable
    for dag in dags.values():
        for task in dag["tasks"].values():
            assert task["retries"] >= 1
            assert set(",".join(task["rules"]).split(",")) == retryable
            assert task["default"] == "fail"


def test_every_stage_declares_what_it_brings_forth(dags: dict[str, Any]) -> None:
    outlets = {
        stage: sorted(name for task in dags[stage]["tasks"].values() for name in task["outlets"])
        for stage in STAGES
    }
    assert outlets == {
        "ingest_work_tables": ["work_tables"],
        "retrain_models": ["ops.drift", "ops.leaderboard", "ops.promotion"],
        "segment_customers": ["mart.customer_segment", "mart.segment"],
        "recommend_products": ["mart.product", "mart.product_recommendation"],
        "score_credit": ["mart.credit_score"],
    }
