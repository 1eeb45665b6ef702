"""The status page is in the menu, and nobody sees it without logging in."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
pytestmark = pytest.mark.airflow

SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
import passbook_status
heavy = [m for m in ("fastapi", "airflow.api_fastapi.core_api.security") if m in sys.modules]
plugin = passbook_status.PassbookPlugin()
from fastapi.testclient import TestClient
client = TestClient(plugin.fastapi_apps[0]["app"])
paths = ("/", "/week/2022-12-04", "/run?run_id=x", "/report/2022-12-04/drift", "/docs",
         "/openapi.json")
answers = {path: client.get(path, follow_redirects=False).status_code for path in paths}
link = plugin.operator_extra_links[0]
from types import SimpleNamespace
run = "backfill__2022-12-05T01:00:00+09:00"
keys = [SimpleNamespace(dag_id=dag, run_id=run) for dag in ("score_credit", "someone_elses")]
links = [link.get_link(None, ti_key=key) for key in keys]
told = {"heavy": heavy, "answers": answers, "views": plugin.external_views, "links": links}
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("airflow")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, PLUGINS],
        env=os.environ | {"AIRFLOW_HOME": str(home)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_page_asks_for_a_login_and_shows_no_schema(told: dict[str, Any]) -> None:
    answers = told["answers"]
    assert answers.pop("/docs") == answers.pop("/openapi.json") == 404
    assert len(answers) == 4
    assert set(answers.values()) == {401}


def test_a_task_links_to_the_page_of_its_week(told: dict[str, Any]) -> None:
    run = "backfill__2022-12-05T01%3A00%3A00%2B09%3A00"
    assert told["links"] == [f"/passbook/run?run_id={run}", ""]


def test_reading_the_plugin_costs_a_task_nothing(told: dict[str, Any]) -> None:
    assert "airflow.api_fastapi.core_api.security" not in told["heavy"]


def test_the_menu_has_an_entry(told: dict[str, Any]) -> None:
    assert [view["name"] for view in told["views"]] == ["Passbook"]
