"""The embedded Airflow: api-server, scheduler, dag-processor and triggerer with LocalExecutor.

``airflow standalone`` is not used: its children outlive it when it is killed. Each process is
started, watched and ended by its own id instead.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from passbook.embedded import process
from passbook.embedded.credentials import write_private
from passbook.errors import ServerStartError, SettingsError

API_SERVER = "airflow-api-server"
COMPONENTS = ("airflow-scheduler", "airflow-dag-processor", "airflow-triggerer", API_SERVER)
"""The processes, in the order of ending them: first the one that starts tasks."""

PREFERRED_PORT = 8080
PARALLELISM = 4
USERS = {"admin": "admin", "op": "op", "analyst": "viewer"}
"""Airflow's users and their roles."""

VARIABLES = "airflow.env.json"
"""File of what the processes were started with: when it changes, they are started anew."""

CHECKOUT = Path(__file__).resolve().parents[3]
"""Folder with ``dags/`` and ``plugins/``."""


@dataclass(frozen=True)
class AirflowServer:
    """A running Airflow."""

    port: int
    passwords: Mapping[str, str]

    @property
    def url(self) -> str:
        """Address of the UI and the REST API."""
        return f"http://{process.ADDRESS}:{self.port}"


def start(
    home: Path,
    *,
    database_url: str,
    credentials: Mapping[str, str],
    extra: Mapping[str, str],
    port: int = PREFERRED_PORT,
    patience: float = 240,
) -> AirflowServer:
    """Start Airflow's four processes, or those of them that do not run.

    Parameters
    ----------
    home : Path
    database_url : str
        ``postgresql://`` address of the metadata database, which must exist.
    credentials : Mapping[str, str]
        As `credentials.keep` returns them.
    extra : Mapping[str, str]
        Environment of the tasks: connections and settings.
    port : int
        Taken when free, else another free one.
    patience : float
        Seconds to wait until all four report to be healthy.

    Raises
    ------
    ServerStartError
        E804 with the log's telling line and place.
    """
    home = process.prepare_home(home)
    passwords = {user: credentials[f"airflow_{user}"] for user in USERS}
    api = process.running(home, API_SERVER)
    kept = _kept_variables(home)
    chosen = api.port if api else process.free_port(int(kept.get("AIRFLOW__API__PORT", port)))
    variables = {**environment(home, database_url, credentials, chosen), **extra}
    if kept != variables:
        stop(home)
    write_private(home / VARIABLES, json.dumps(variables, indent=1))
    write_private(home / "airflow" / "passwords.json", json.dumps(passwords))
    for name in COMPONENTS:
        if process.running(home, name) is None:
            process.spawn(home, name, _command(name), port=chosen, environment=_complete(variables))
    server = AirflowServer(chosen, passwords)
    try:
        _wait_until_healthy(home, server, patience)
    except ServerStartError:
        if port == process.ANY_PORT or not process.taken(chosen):
            raise
        # Another server has taken the port since it was found free.
        stop(home)
        (home / VARIABLES).unlink()
        return start(
            home,
            database_url=database_url,
            credentials=credentials,
            extra=extra,
            port=process.ANY_PORT,
            patience=patience,
        )
    return server


def _wait_until_healthy(home: Path, server: AirflowServer, patience: float) -> None:
    for name in reversed(COMPONENTS):
        current = process.running(home, name)
        if current is None:
            raise process.start_error(home, name, "It ended while starting")
        process.wait_until_healthy(
            home,
            current,
            partial(healthy, server.url, name),
            patience=patience,
            listens=name == API_SERVER,
        )


def stop(home: Path) -> list[str]:
    """End all four processes and the tasks they run; return the names of those that ran."""
    return [name for name in COMPONENTS if process.stop(home.absolute(), name)]


def migrate(home: Path, database_url: str, credentials: Mapping[str, str]) -> None:
    """Bring the metadata database to this Airflow's schema, unless it was brought there before.

    Raises
    ------
    ServerStartError
        E804 when it cannot be.
    """
    (home / "airflow").mkdir(mode=0o700, exist_ok=True)
    done = home / "airflow" / f"{urlsplit(database_url).path[1:]}-{version('apache-airflow')}"
    if done.exists():
        return
    name = "airflow-db-migrate"
    with process.log_path(home, name).open("ab") as log:
        result = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            stdout=log,
            stderr=log,
            env=_complete(environment(home, database_url, credentials, PREFERRED_PORT)),
            cwd=home,
            check=False,
        )
    if result.returncode:
        raise process.start_error(home, name, f"Exit status {result.returncode}")
    done.touch()


def kept_environment(home: Path) -> dict[str, str]:
    """Return the environment that Airflow was last started with.

    Raises
    ------
    SettingsError
        E801 when it never was.
    """
    variables = _kept_variables(home)
    if not variables:
        raise SettingsError(f"No Airflow was ever started under {home}: run `passbook start`.")
    return _complete(variables)


def kept_url(home: Path) -> str | None:
    """Return where Airflow was last started; None: it never was."""
    return _kept_variables(home).get("AIRFLOW__API__BASE_URL")


def healthy(url: str, name: str) -> bool:
    """Return whether Airflow's own monitor calls this component healthy."""
    try:
        report = httpx.get(f"{url}/api/v2/monitor/health", timeout=5)
    except httpx.TransportError:
        return False
    if report.status_code != httpx.codes.OK:
        return False
    part = name.removeprefix("airflow-").replace("-", "_")
    key = "metadatabase" if name == API_SERVER else part
    return bool(report.json()[key]["status"] == "healthy")


def environment(
    home: Path, database_url: str, credentials: Mapping[str, str], port: int
) -> dict[str, str]:
    """Return Airflow's configuration as environment variables."""
    url = f"http://{process.ADDRESS}:{port}"
    configuration = {
        "AIRFLOW_HOME": home / "airflow",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url.replace(
            "postgresql://", "postgresql+psycopg2://", 1
        ),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        # LocalExecutor forks this many workers at once; more than cores only costs memory.
        "AIRFLOW__CORE__PARALLELISM": PARALLELISM,
        "AIRFLOW__CORE__DAGS_FOLDER": CHECKOUT / "dags",
        "AIRFLOW__CORE__PLUGINS_FOLDER": CHECKOUT / "plugins",
        "AIRFLOW__CORE__LOAD_EXAMPLES": False,
        "AIRFLOW__CORE__FERNET_KEY": credentials["airflow_fernet_key"],
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
            f"{user}:{role}" for user, role in USERS.items()
        ),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": home / "airflow" / "passwords.json",
        "AIRFLOW__API__HOST": process.ADDRESS,
        "AIRFLOW__API__PORT": port,
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": 1,
        "AIRFLOW__API__SECRET_KEY": credentials["airflow_api_secret_key"],
        "AIRFLOW__API_AUTH__JWT_SECRET": credentials["airflow_jwt_secret"],
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": home / "logs" / "airflow",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": 1,
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": 60,
        # A changed file is read at once; reading unchanged ones every 30 s keeps a core busy.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": 600,
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": False,
        "PYTHONUNBUFFERED": 1,
    }
    return {name: str(value) for name, value in configuration.items()}


def _kept_variables(home: Path) -> dict[str, str]:
    """Return what the running processes were started with."""
    file = home / VARIABLES
    return dict(json.loads(file.read_text())) if file.exists() else {}


def _complete(variables: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment, less what would configure Airflow, and `variables`."""
    foreign = ("AIRFLOW_", "PASSBOOK_TEST_", "PYTHONPATH", "PYTEST_")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    return {**inherited, **variables}


def _command(name: str) -> list[str]:
    component = name.removeprefix("airflow-")
    command = [sys.executable, "-m", "airflow", component]
    # Task logs are read from the folder; the log servers would listen on every address.
    return [*command, "--skip-serve-logs"] if component in {"scheduler", "triggerer"} else command
