"""A mart set up as in production: its own database, roles with real logins, migrations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import mart


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
