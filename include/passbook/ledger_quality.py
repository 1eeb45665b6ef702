"""The ledger of quality: results, what earlier weeks were like, and operators' overrides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook.errors import InputError
from passbook.mart.connection import transaction


@dataclass(frozen=True)
class Result:
    """What a rule came to on a base date."""

    work_table: str
    rule: str
    severity: str
    passed: bool
    rows: int
    unexpected: int
    overridden: bool
    example_shape: str


@dataclass(frozen=True)
class Override:
    """That an operator lets a broken rule pass for a base date."""

    work_table: str
    rule: str
    reason: str
    expires_at: datetime
    made_by: str
    made_at: datetime
    in_force: bool
    """Whether it is the newest of its rule and has not expired."""


def results(connection: Connection, base_date: date) -> list[Result]:
    """Return every rule's result of a base date, the broken ones first."""
    with transaction(connection) as cursor:
        cursor.execute(
            """SELECT work_table, rule, severity, passed, rows, unexpected, overridden,
                      example_shape
               FROM ops.quality_result WHERE base_date = %s
               ORDER BY passed, severity, work_table, rule""",
            (base_date,),
        )
        return [Result(*row) for row in cursor.fetchall()]


def tables_built(connection: Connection, base_date: date) -> list[tuple[str, int, str]]:
    """Return work table, rows and fingerprint of what was built for a base date."""
    with transaction(connection) as cursor:
        cursor.execute(
            """SELECT work_table, rows, fingerprint FROM ops.work_table
               WHERE base_date = %s AND partition_date = base_date""",
            (base_date,),
        )
        return list(cursor.fetchall())


def column_figures(
    connection: Connection, base_date: date
) -> list[tuple[str, str, float | None, float | None]]:
    """Return work table, column, share of nulls and mean, as a base date was checked."""
    with transaction(connection) as cursor:
        cursor.execute(
            """SELECT work_table, column_name, null_share, mean FROM ops.column_figure
               WHERE base_date = %s""",
            (base_date,),
        )
        return list(cursor.fetchall())


def overrides(connection: Connection, base_date: date) -> list[Override]:
    """Return all overrides ever made for a base date, the newest first."""
    with transaction(connection) as cursor:
        cursor.execute(
            """SELECT work_table, rule, reason, expires_at, made_by, made_at,
                      expires_at > now() AND row_number() OVER (
                          PARTITION BY work_table, rule ORDER BY override_id DESC) = 1
               FROM ops.quality_override WHERE base_date = %s ORDER BY override_id DESC""",
            (base_date,),
        )
        return [Override(*row) for row in cursor.fetchall()]


def add_override(
    connection: Connection,
    base_date: date,
    work_table: str,
    rule: str,
    *,
    reason: str,
    expires_at: datetime,
    made_by: str,
) -> None:
    """Record that a rule may be broken for one base date until a moment.

    It takes the place of an earlier one of the same rule; one that has expired ends it.

    Raises
    ------
    InputError
        E803 without a reason.
    """
    if not reason.strip():
        raise InputError("An override needs a reason.")
    with transaction(connection) as cursor:
        cursor.execute(
            """INSERT INTO ops.quality_override
                   (base_date, work_table, rule, reason, expires_at, made_by)
               VALUES (%s, %s, %s, %s, %s, %s)""",
            (base_date, work_table, rule, reason.strip(), expires_at, made_by),
        )
