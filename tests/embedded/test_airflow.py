"""Airflow's configuration: local, authenticated, nothing of the surroundings leaks in."""

from __future__ import annotations

from pathlib import Path

import pytest

from passbook.embedded import airflow, credentials
from passbook.errors import SettingsError

DATABASE = "postgresql://postgres:secret@127.0.0.1:5432/airflow_demo"


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    return airflow.environment(tmp_path, DATABASE, credentials.keep(tmp_path), 8081)


def test_it_listens_on_this_machine_only_and_asks_for_passwords(variables: dict[str, str]) -> None:
    assert variables["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert variables["AIRFLOW__API__PORT"] == "8081"
    assert "ALL_ADMINS" not in " ".join(variables)
    assert (
        variables["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] == "admin:admin,op:op,analyst:viewer"
    )


def test_every_secret_is_set_and_its_own(variables: dict[str, str]) -> None:
    names = ("CORE__FERNET_KEY", "API__SECRET_KEY", "API_AUTH__JWT_SECRET")
    secrets = [variables[f"AIRFLOW__{name}"] for name in names]
    assert len(set(secrets)) == 3


def test_state_stays_under_the_home(variables: dict[str, str], tmp_path: Path) -> None:
    for name in ("AIRFLOW_HOME", "AIRFLOW__LOGGING__BASE_LOG_FOLDER"):
        assert Path(variables[name]).is_relative_to(tmp_path)
    assert (Path(variables["AIRFLOW__CORE__DAGS_FOLDER"]) / "ingest_work_tables.py").exists()


def test_no_log_server_listens() -> None:
    assert "--skip-serve-logs" in airflow._command("airflow-scheduler")
    assert "--skip-serve-logs" in airflow._command("airflow-triggerer")
    assert airflow._command("airflow-api-server")[-1] == "api-server"


def test_the_surroundings_do_not_configure_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("PASSBOOK_SEED", "7")
    complete = airflow._complete({"AIRFLOW__API__PORT": "1"})
    assert "AIRFLOW__CORE__EXECUTOR" not in complete
    assert complete["PASSBOOK_SEED"] == "7"
    assert complete["AIRFLOW__API__PORT"] == "1"


def test_airflows_own_command_needs_a_stack_that_was_started(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="E801"):
        airflow.kept_environment(tmp_path)
