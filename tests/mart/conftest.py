"""A mart set up as in production: its own database, roles with real logins, migrations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import mart


@pytest.fixture(scope="module")
def addresses(postgres_superuser_url: str, postgres_database: str) -> Iterator[mart.Addresses]:
    """Addresses of the owner, the loader and the analyst of a migrated mart."""
    database = urlsplit(postgres_database).path.removeprefix("/")
    given = mart.prepare_database(postgres_superuser_url, database, "own:er@", "load/er", "읽기")
    mart.migrate(given.owner)
    yield given
    with closing(psycopg2.connect(postgres_database)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for address in (given.owner, given.loader, given.analyst):
            login = sql.Identifier(urlsplit(address).username or "")
            cursor.execute(sql.SQL("DROP OWNED BY {}").format(login))
            cursor.execute(sql.SQL("DROP ROLE {}").format(login))


@pytest.fixture
def loader(addresses: mart.Addresses) -> Iterator[Connection]:
    """A loader's connection."""
    with closing(mart.connect(addresses.loader)) as connection:
        yield connection


@pytest.fixture
def analyst(addresses: mart.Addresses) -> Iterator[Connection]:
    """An analyst's connection, each statement in a transaction of its own."""
    with closing(mart.connect(addresses.analyst, check_migration=False)) as connection:
        connection.autocommit = True
        yield connection
