"""The embedded stack of one bank: Postgres with its mart, HiveServer2, Airflow.

Servers that run already are kept. One stack serves one source at a time: starting it for another
one keeps Postgres and HiveServer2 and starts Airflow anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
from psycopg2 import sql

from passbook import mart, sources
from passbook.embedded import airflow, credentials, hiveserver2, postgres, process
from passbook.settings import STACK_ENVIRONMENT

SERVERS = (postgres.NAME, hiveserver2.NAME, *reversed(airflow.COMPONENTS))


@dataclass(frozen=True)
class Stack:
    """A running stack. `airflow` is None when only the databases were asked for."""

    home: Path
    source: str
    postgres: postgres.PostgresServer
    hive: hiveserver2.HiveServer2
    mart: mart.Addresses
    airflow: airflow.AirflowServer | None


def start(
    home: Path,
    source: str,
    extra: Path | None = None,
    *,
    heap: str = "2g",
    schedule_until: date | None = None,
    with_airflow: bool = True,
) -> Stack:
    """Start what does not run yet, and leave its addresses in ``<home>/stack.env``.

    Parameters
    ----------
    home : Path
        Folder of all local state.
    source : str
        Name of the source adapter that this stack serves.
    extra : Path, optional
        Folder of adapters beside the built-in ones.
    heap : str
        Heap of HiveServer2.
    schedule_until : date, optional
        Last base date to schedule, for a source that gets no new data.
    with_airflow : bool
        Whether to start Airflow too.

    Raises
    ------
    UnknownSourceError, AdapterError
        E105 or E106, before anything is started.
    ServerStartError
        E804 with the server's name, the log's telling line and place.
    StorageError
        E805 when `home` cannot be written.
    """
    sources.find(source, extra)
    home = process.prepare_home(home)
    kept = credentials.keep(home)
    with ThreadPoolExecutor(max_workers=1) as pool:
        starting_hive = pool.submit(hiveserver2.start, home, heap=heap)
        database = postgres.start(home)
        addresses = _prepare_mart(database, source, kept)
        metadata = _prepare_metadata(home, database, source, kept) if with_airflow else ""
        hive = starting_hive.result()
    variables = _settings(home, source, hive, addresses)
    if metadata:
        variables["PASSBOOK_AIRFLOW_METADATA_URL"] = metadata
    if extra:
        variables["PASSBOOK_SOURCES"] = str(extra.absolute())
    if schedule_until:
        variables["PASSBOOK_SCHEDULE_UNTIL"] = schedule_until.isoformat()
    write_environment(home, variables)
    server = None
    if with_airflow:
        connections = _connections(hive, addresses)
        server = airflow.start(
            home, database_url=metadata, credentials=kept, extra={**variables, **connections}
        )
    return Stack(home, source, database, hive, addresses, server)


def stop(home: Path) -> list[str]:
    """End every server under `home`, those that use another one first; return who ran."""
    home = home.absolute()
    stopped = airflow.stop(home)
    with ThreadPoolExecutor(max_workers=2) as pool:
        hive, database = pool.submit(hiveserver2.stop, home), pool.submit(postgres.stop, home)
        ran = {hiveserver2.NAME: hive.result(), postgres.NAME: database.result()}
    return [*stopped, *(name for name, was_running in ran.items() if was_running)]


def describe(stack: Stack) -> Iterator[str]:
    """Yield lines that say where everything is and how to log in."""
    if stack.airflow:
        yield f"Airflow   {stack.airflow.url}"
        for user, role in airflow.USERS.items():
            password = stack.airflow.passwords[user]
            yield f"          user {user}, password {password} (role {role})"
    yield f"Analyst   {psql_line(stack.mart.analyst)}"
    yield f"Hive      {stack.hive.url} (no password: any program on this machine may read it)"
    yield f"State     {stack.home} (logs in {stack.home / 'logs'})"


def psql_line(analyst: str) -> str:
    """Return a command that opens the mart as the analyst, ready to paste."""
    return f"{postgres.binaries() / 'psql'} '{analyst}'"


def write_environment(home: Path, variables: Mapping[str, str]) -> None:
    """Write ``stack.env``, which `passbook.settings` reads."""
    lines = [f"{name}='{value}'\n" for name, value in variables.items() if name != "PASSBOOK_HOME"]
    credentials.write_private(home / STACK_ENVIRONMENT, "".join(lines))


def _prepare_mart(
    database: postgres.PostgresServer, source: str, kept: Mapping[str, str]
) -> mart.Addresses:
    addresses = mart.prepare_database(
        database.url,
        f"passbook_{source}",
        owner_password=kept["mart_owner"],
        loader_password=kept["mart_loader"],
        analyst_password=kept["mart_analyst"],
    )
    mart.migrate(addresses.owner)
    return addresses


def _prepare_metadata(
    home: Path, database: postgres.PostgresServer, source: str, kept: Mapping[str, str]
) -> str:
    """Make Airflow's metadata database of this source and bring it to Airflow's version."""
    name = f"airflow_{source}"
    with closing(psycopg2.connect(database.url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", (name,))
        if cursor.fetchone() is None:
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = database.database_url(name)
    airflow.migrate(home, url, kept)
    return url


def _settings(
    home: Path, source: str, hive: hiveserver2.HiveServer2, addresses: mart.Addresses
) -> dict[str, str]:
    return {
        "PASSBOOK_HOME": str(home),
        "PASSBOOK_SOURCE": source,
        "PASSBOOK_HIVE_URL": hive.url,
        "PASSBOOK_MART_URL": addresses.loader,
        "PASSBOOK_MART_OWNER_URL": addresses.owner,
        "PASSBOOK_ANALYST_URL": addresses.analyst,
    }


def _connections(hive: hiveserver2.HiveServer2, addresses: mart.Addresses) -> dict[str, str]:
    """Return Airflow's connections hive_passbook and mart_passbook, as JSON in the environment."""
    loader = urlsplit(addresses.loader)
    described = {
        "HIVE": {
            "conn_type": "hiveserver2", "host": process.ADDRESS, "port": hive.port,
            "login": hiveserver2.USER, "extra": {"auth": "NONE"},
        },
        "MART": {
            "conn_type": "postgres", "host": loader.hostname, "port": loader.port,
            "login": loader.username, "password": loader.password, "schema": loader.path[1:],
        },
    }  # fmt: skip
    return {
        f"AIRFLOW_CONN_{name}_PASSBOOK": json.dumps(connection)
        for name, connection in described.items()
    }
