"""Connections to the mart's Postgres, and what its failures mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2 import errorcodes
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extensions import parse_dsn

from passbook.errors import (
    AuditError,
    MartBusyError,
    MartUnreachableError,
    MigrationError,
    ModelError,
    PassbookError,
    PublishingError,
    SettingsError,
    StaleWriterError,
)

HEAD = "0016"
"""The newest migration, which this code needs."""

STALE_WRITER = "PB703"
"""SQLSTATE that the mart's functions raise when the fence has moved on."""

WRONG_VERSION = "PB600"
"""SQLSTATE that the mart's functions raise when a model's version cannot be put in force."""

CONNECT_SECONDS = 10
_BUSY = {errorcodes.LOCK_NOT_AVAILABLE, errorcodes.DEADLOCK_DETECTED}
_BAD_DATA_CLASSES = ("22", "23")


def connect(url: str, *, check_migration: bool = True) -> Connection:
    """Connect to the mart.

    Parameters
    ----------
    url : str
        ``postgresql://user:password@host:port/database``.
    check_migration : bool
        Refuse a mart whose schema is not the one this code was written for.

    Raises
    ------
    MartUnreachableError
        E701.
    MigrationError
        E704.
    SettingsError
        E801 when the address cannot be read.
    """
    _check_address(url)
    try:
        connection = psycopg2.connect(
            url,
            connect_timeout=CONNECT_SECONDS,
            application_name="passbook",
            keepalives_idle=30,
            client_encoding="UTF8",
        )
    except psycopg2.OperationalError as error:
        raise MartUnreachableError(str(error).strip().splitlines()[0]) from None
    if check_migration:
        try:
            _check_migration(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def _check_address(url: str) -> None:
    """Refuse an address that libpq would take apart wrongly, and quote of it: it has a password."""
    try:
        host = parse_dsn(url).get("host", "")
    except psycopg2.ProgrammingError:
        host = "@"
    if "@" in host:
        raise SettingsError(
            "An address of Postgres cannot be read. It is postgresql://user:password@host:port/"
            "database; in user and password write %40 for @, %25 for %, %2F for /."
        )


@contextmanager
def transaction(connection: Connection) -> Iterator[Cursor]:
    """Yield a cursor in a transaction of its own; commit at the end, roll back on an error.

    Postgres quotes the offending row in its messages. Only the error's code and constraint are
    kept here: the row is a customer's.
    """
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    except psycopg2.Error as error:
        raise named_error(error) from None


def named_error(error: psycopg2.Error) -> PassbookError:
    """Return Passbook's error for one of Postgres's, without the data that its message quotes."""
    code = error.pgcode or ""
    constraint = error.diag.constraint_name if error.diag is not None else None
    if code == STALE_WRITER:
        return StaleWriterError(error.diag.message_primary or "")
    if code == WRONG_VERSION:
        return ModelError(error.diag.message_primary or "")
    if code in _BUSY:
        return MartBusyError()
    if not code or code.startswith(("08", "57P", "53")):
        lacks = "Postgres lacks disk, memory or connections"
        what = lacks if code.startswith("53") else "The connection was lost"
        return MartUnreachableError(f"{what} ({code or type(error).__name__}).")
    if code.startswith(_BAD_DATA_CLASSES):
        where = f", constraint {constraint}" if constraint else ""
        return AuditError(f"Postgres refused a value ({errorcodes.lookup(code)}{where}).")
    return PublishingError(f"Postgres refused the statement ({code} {type(error).__name__}).")


def _check_migration(connection: Connection) -> None:
    with transaction(connection) as cursor:
        cursor.execute("SELECT to_regclass('ops.alembic_version') IS NOT NULL")
        row = cursor.fetchone()
        if row is None or not row[0]:
            raise MigrationError("The mart has not been set up.")
        cursor.execute("SELECT version_num FROM ops.alembic_version")
        found = cursor.fetchone()
    version = found[0] if found else "nothing"
    if version != HEAD:
        raise MigrationError(f"The mart is at {version}, this code needs {HEAD}.")
