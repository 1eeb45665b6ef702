"""What a stack tells of itself: to settings by stack.env, to people in a few lines."""

from __future__ import annotations

import stat
from datetime import date
from pathlib import Path

import pytest

from passbook import settings
from passbook.embedded import airflow, hiveserver2, postgres, stack
from passbook.errors import UnknownSourceError
from passbook.mart import Addresses

OWNER = "postgresql://passbook_demo_owner:pw@127.0.0.1:5433/passbook_demo"


@pytest.fixture
def running(tmp_path: Path) -> stack.Stack:
    passwords = {user: f"{user}-secret" for user in airflow.USERS}
    return stack.Stack(
        tmp_path,
        "demo",
        postgres.PostgresServer(5433, "pw"),
        hiveserver2.HiveServer2(10001),
        Addresses(OWNER, OWNER.replace("owner", "loader"), OWNER.replace("owner", "analyst")),
        airflow.AirflowServer(8081, passwords),
    )


def test_stack_env_is_private_and_is_what_settings_read(
    running: stack.Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = stack._settings(running.home, "demo", running.hive, running.mart)
    stack.write_environment(running.home, {**variables, "PASSBOOK_SCHEDULE_UNTIL": "2020-08-30"})
    file = running.home / "stack.env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    monkeypatch.setenv("PASSBOOK_HOME", str(running.home))
    loaded = settings.load()
    assert loaded.hive_url is not None
    assert loaded.hive_url.get_secret_value() == running.hive.url
    assert loaded.mart_owner_url is not None
    assert loaded.mart_owner_url.get_secret_value() == OWNER
    assert loaded.schedule_until == date(2020, 8, 30)


def test_it_says_where_to_log_in_and_how_to_open_the_mart(running: stack.Stack) -> None:
    lines = list(stack.describe(running))
    assert lines[0] == "Airflow   http://127.0.0.1:8081"
    assert any("user op, password op-secret" in line for line in lines)
    psql, address = stack.psql_line(running.mart.analyst).split()
    assert Path(psql).is_file()
    assert address == f"'{running.mart.analyst}'"


def test_airflows_connections_carry_the_addresses(running: stack.Stack) -> None:
    made = stack._connections(running.hive, running.mart)
    assert set(made) == {"AIRFLOW_CONN_HIVE_PASSBOOK", "AIRFLOW_CONN_MART_PASSBOOK"}
    assert '"login": "passbook_demo_loader"' in made["AIRFLOW_CONN_MART_PASSBOOK"]
    assert '"port": 10001' in made["AIRFLOW_CONN_HIVE_PASSBOOK"]


def test_an_unknown_source_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnknownSourceError, match="E105"):
        stack.start(tmp_path / "home", "nowhere")
    assert not (tmp_path / "home").exists()


def test_nothing_to_stop(tmp_path: Path) -> None:
    assert stack.stop(tmp_path) == []
