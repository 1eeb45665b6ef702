"""The loader's connection that stages are tried with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import mart


@pytest.fixture(scope="module")
def loader(addresses: mart.Addresses) -> Iterator[Connection]:
    """The loader's connection to a migrated mart."""
    with closing(mart.connect(addresses.loader)) as connection:
        yield connection
