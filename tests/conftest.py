"""Real servers for the tests that need them, started when first asked for, ended with the session.

``PASSBOOK_TEST_POSTGRES_URL`` (a superuser's) and ``PASSBOOK_TEST_HIVE_URL`` name servers that run
already. Tests make and drop databases there, but only such whose name ends in ``_test``.
``pytest --apache-hive`` (``make test-hive``) starts Apache Hive itself instead of Spark's server.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
from psycopg2 import sql
from pyhive import hive

from apache_hive import server
from faults.report import Report
from passbook import mart, settings
from passbook.embedded import hiveserver2, postgres

CHECKOUT = Path(__file__).resolve().parent.parent

ANY_PORT = 0
"""Workers that start at the same moment would both find a preferred port free."""

# A worker's main module has no file, which pyspark takes for its own doctests and exits.
vars(sys.modules["__main__"]).setdefault("__file__", __file__)


def _database_name(module: str) -> str:
    """Name a database after a test module and this process: several sessions share a server."""
    return re.sub(r"\W+", "_", f"{module}_{os.getpid()}_test").lower()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let Apache Hive take the embedded server's place."""
    parser.addoption("--apache-hive", action="store_true", help="run on Apache Hive itself")


def pytest_configure(config: pytest.Config) -> None:
    """Let the session that watches all workers write the table of faults."""
    report = os.environ.get("PASSBOOK_RELIABILITY_REPORT")
    if report and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Report(Path(report)))


@pytest.fixture(autouse=True)
def _settings_anew() -> Iterator[None]:
    """Settings are read once a process; here each test has its own."""
    settings.load.cache_clear()
    yield
    settings.load.cache_clear()


@pytest.fixture(scope="session")
def servers_home() -> Iterator[Path]:
    """Folder of the servers that this session starts.

    Not one of pytest's: each session makes those private again, and Postgres run by root has to
    traverse them as another user.
    """
    home = Path(tempfile.mkdtemp(prefix="passbook-servers-"))
    yield home
    postgres.stop(home)
    hiveserver2.stop(home)
    server.stop(home)
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def postgres_superuser_url(servers_home: Path) -> Iterator[str]:
    """Address of a superuser in the database ``postgres``."""
    if given := os.environ.get("PASSBOOK_TEST_POSTGRES_URL"):
        yield given
        return
    yield postgres.start(servers_home, port=ANY_PORT).url


@pytest.fixture(scope="session")
def hive_url(servers_home: Path, pytestconfig: pytest.Config) -> Iterator[str]:
    """Address of a HiveServer2."""
    if given := os.environ.get("PASSBOOK_TEST_HIVE_URL"):
        yield given
        return
    if pytestconfig.getoption("--apache-hive"):
        yield server.start(servers_home)
        return
    yield hiveserver2.start(servers_home, port=ANY_PORT).url


@pytest.fixture(scope="module")
def postgres_database(postgres_superuser_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """Superuser's address of a fresh database of this test module."""
    with _postgres_database(postgres_superuser_url, request.module.__name__) as url:
        yield url


@pytest.fixture(scope="module")
def prepared_mart(postgres_superuser_url: str, postgres_database: str) -> Iterator[mart.Addresses]:
    """Owner's, loader's and analyst's addresses of a mart before its migrations."""
    name = urlsplit(postgres_database).path.removeprefix("/")
    given = mart.prepare_database(postgres_superuser_url, name, "own:er@", "load/er", "읽기")
    yield given
    logins = [
        sql.Identifier(urlsplit(address).username or "")
        for address in (given.owner, given.loader, given.analyst)
    ]
    with closing(psycopg2.connect(postgres_database)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for login in logins:
            cursor.execute(sql.SQL("DROP OWNED BY {}").format(login))
            cursor.execute(sql.SQL("DROP ROLE {}").format(login))


@pytest.fixture(scope="module")
def addresses(prepared_mart: mart.Addresses) -> mart.Addresses:
    """Owner's, loader's and analyst's addresses of a migrated mart of this test module."""
    mart.migrate(prepared_mart.owner)
    return prepared_mart


@pytest.fixture(scope="module")
def hive_database(hive_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """Name of a fresh Hive database of this test module, at ``hive_url``."""
    name = _database_name(request.module.__name__)
    _hive(hive_url, f"DROP DATABASE IF EXISTS {name} CASCADE", f"CREATE DATABASE {name}")
    yield name
    _hive(hive_url, f"DROP DATABASE IF EXISTS {name} CASCADE")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real data sets; the test is skipped, saying so, where they are not."""
    folder = Path(os.environ.get("PASSBOOK_REAL_DATA", CHECKOUT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; PASSBOOK_REAL_DATA names another folder")
    return folder


@contextmanager
def _postgres_database(superuser_url: str, module: str) -> Iterator[str]:
    name = _database_name(module)
    _postgres(
        superuser_url,
        f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)',
        f'CREATE DATABASE "{name}"',
    )
    yield urlsplit(superuser_url)._replace(path=f"/{name}").geturl()
    _postgres(superuser_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _postgres(url: str, *statements: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for statement in statements:
            cursor.execute(statement)


def _hive(url: str, *statements: str) -> None:
    address = urlsplit(url)
    with (
        closing(
            hive.connect(address.hostname, address.port, username=address.username)
        ) as connection,
        closing(connection.cursor()) as cursor,
    ):
        for statement in statements:
            cursor.execute(statement)
