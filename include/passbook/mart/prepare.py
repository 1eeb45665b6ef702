"""Set the mart up: its database, its roles and logins, its migrations."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (it is a class)
from psycopg2.extensions import encrypt_password

from passbook.errors import InputError, MigrationError
from passbook.mart.connection import connect, named_error

if TYPE_CHECKING:
    import sqlalchemy

OWNER, LOADER, ANALYST = "passbook_owner", "passbook_loader", "passbook_analyst"
ROLES = (OWNER, LOADER, ANALYST)
"""Group roles without login: who owns the schema, who publishes, who reads."""

_LOCK = 7_046_029
"""Advisory lock of whoever changes roles or the schema."""


@dataclass(frozen=True)
class Addresses:
    """Addresses of a mart's logins."""

    owner: str
    loader: str
    analyst: str


def prepare_database(
    admin_url: str,
    database: str,
    owner_password: str,
    loader_password: str,
    analyst_password: str,
) -> Addresses:
    """Prepare a database on the administrator's server with logins of its own.

    Logins are named ``<database>_owner``, ``_loader``, ``_analyst``, so that marts on one server
    share none. See `prepare`.

    Returns
    -------
    Addresses
        With the passwords.
    """
    addresses = Addresses(
        *(
            _address(admin_url, database, f"{database}_{kind}", password)
            for kind, password in (
                ("owner", owner_password),
                ("loader", loader_password),
                ("analyst", analyst_password),
            )
        )
    )
    prepare(admin_url, addresses)
    return addresses


def prepare(admin_url: str, addresses: Addresses) -> None:
    """Make the database, the group roles and the three logins of `addresses`; set the passwords.

    Repeating it changes nothing but the passwords. The schema is `migrate`'s work.

    Parameters
    ----------
    admin_url : str
        ``postgresql://…`` of a superuser, or of a role that may create roles and databases.
    addresses : Addresses
        Of one database. Nobody else may connect to it afterwards.

    Raises
    ------
    InputError
        E803 when an address lacks a part, or they name several databases.
    MartUnreachableError
        E701.
    """
    targets = {
        role: urlsplit(url)
        for role, url in zip(
            ROLES, (addresses.owner, addresses.loader, addresses.analyst), strict=True
        )
    }
    databases = {unquote(target.path.removeprefix("/")) for target in targets.values()}
    if len(databases) != 1 or not all(t.username and t.password for t in targets.values()):
        raise InputError("The three logins' addresses need a user, a password and one database.")
    logins = {role: unquote(target.username or "") for role, target in targets.items()}
    passwords = {role: unquote(target.password or "") for role, target in targets.items()}
    with closing(connect(admin_url, check_migration=False)) as connection:
        connection.autocommit = True  # CREATE DATABASE refuses a transaction
        try:
            with connection.cursor() as cursor:
                _prepare(cursor, databases.pop(), logins, passwords)
        except psycopg2.Error as error:
            raise named_error(error) from None


def migrate(owner_url: str) -> None:
    """Bring the mart's schema to this code's migration; nothing to do is fine.

    Parameters
    ----------
    owner_url : str
        ``postgresql://…`` of a member of ``passbook_owner``, or of a superuser.

    Raises
    ------
    MartUnreachableError
        E701.
    MigrationError
        E704 when a role is missing and this login may not make it, or a migration fails.
    """
    # Alembic and SQLAlchemy take longer to import than most tasks of a week take to publish.
    import sqlalchemy  # noqa: PLC0415
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    connection = connect(owner_url, check_migration=False)
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg2://", creator=lambda: connection, poolclass=sqlalchemy.pool.StaticPool
    )
    try:
        with engine.begin() as bound, as_file(files("passbook") / "migrations") as folder:
            bound.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            with connection.cursor() as cursor:
                _ensure_owner(cursor)
            config = Config()
            config.set_main_option("script_location", str(folder))
            config.attributes["connection"] = bound
            masked = _unmask(bound)
            command.upgrade(config, "head")
            if masked:  # again, and with it what a migration has added
                bound.exec_driver_sql("SELECT ops.mask_analysts(true)")
    except (psycopg2.Error, sqlalchemy.exc.DBAPIError) as error:
        original = error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) else error
        raise MigrationError(f"It could not be migrated: {str(original).strip()}") from error
    finally:
        engine.dispose()
        connection.close()


def _unmask(bound: sqlalchemy.Connection) -> bool:
    """Take masked views out of a migration's way; return whether there are any."""
    known = bound.exec_driver_sql("SELECT to_regproc('ops.analysts_are_masked') IS NOT NULL")
    if not known.scalar() or not bound.exec_driver_sql("SELECT ops.analysts_are_masked()").scalar():
        return False
    bound.exec_driver_sql("SELECT ops.drop_masked_views()")
    return True


def _prepare(
    cursor: Cursor, database: str, logins: dict[str, str], passwords: dict[str, str]
) -> None:
    cursor.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    _create_missing(cursor, dict.fromkeys(ROLES, "NOLOGIN"))
    _create_missing(cursor, dict.fromkeys(logins.values(), "LOGIN"))
    for role, login in logins.items():
        # Only a verifier goes to the server, which may log statements.
        verifier = encrypt_password(
            passwords[role], login, scope=cursor.connection, algorithm="scram-sha-256"
        )
        cursor.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                sql.Identifier(login), sql.Literal(verifier)
            )
        )
        cursor.execute(
            sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(login))
        )
    name = sql.Identifier(database)
    cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
    if cursor.fetchone() is None:
        cursor.execute(
            sql.SQL(
                "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'"
            ).format(name)
        )
    cursor.execute(sql.SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC").format(name))
    cursor.execute(
        sql.SQL("GRANT CONNECT, CREATE ON DATABASE {} TO {}").format(name, sql.Identifier(OWNER))
    )
    # Offers are held against purchases in a temporary table.
    cursor.execute(
        sql.SQL("GRANT TEMPORARY ON DATABASE {} TO {}").format(name, sql.Identifier(LOADER))
    )
    for login in logins.values():
        cursor.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, sql.Identifier(login))
        )
    cursor.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


def _ensure_owner(cursor: Cursor) -> None:
    """Make the group roles where they are missing, and let the owner create schemas here."""
    _create_missing(cursor, dict.fromkeys(ROLES, "NOLOGIN"))
    cursor.execute("SELECT current_database(), has_database_privilege(%s, current_database(), %s)",
                   (OWNER, "CREATE"))  # fmt: skip
    row = cursor.fetchone()
    if row is not None and not row[1]:
        cursor.execute(
            sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(
                sql.Identifier(row[0]), sql.Identifier(OWNER)
            )
        )


def _create_missing(cursor: Cursor, roles: dict[str, str]) -> None:
    """Create roles unless they exist; another session may create them at the same moment."""
    for role, kind in roles.items():
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
        if cursor.fetchone() is None:
            cursor.execute(
                sql.SQL(
                    "DO $$ BEGIN CREATE ROLE {} {}; "
                    "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
                ).format(sql.Identifier(role), sql.SQL(kind))
            )


def _address(admin_url: str, database: str, login: str, password: str) -> str:
    server = urlsplit(admin_url)
    place = server.netloc.rpartition("@")[2]
    netloc = f"{quote(login, safe='')}:{quote(password, safe='')}@{place}"
    return server._replace(netloc=netloc, path=f"/{quote(database, safe='')}").geturl()
