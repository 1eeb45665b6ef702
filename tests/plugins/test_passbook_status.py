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
answers = {path: client.get(path).status_code for path in ("/", "/docs", "/openapi.json")}
print(json.dumps({"heavy": heavy, "answers": answers, "views": plugin.external_views}))
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
    assert told["answers"] == {"/": 401, "/docs": 404, "/openapi.json": 404}


def test_reading_the_plugin_costs_a_task_nothing(told: dict[str, Any]) -> None:
    assert "airflow.api_fastapi.core_api.security" not in told["heavy"]


def test_the_menu_has_an_entry(told: dict[str, Any]) -> None:
    assert [view["name"] for view in told["views"]] == ["Passbook"]
