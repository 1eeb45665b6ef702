"""Let go of old weeks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook.mart.connection import transaction
from passbook.mart.exchange import with_patience


@dataclass(frozen=True)
class RetiredWeek:
    """A table's week that goes: ``published`` rows, or ``replaced`` ones kept for a rollback."""

    kind: str
    table: str
    base_date: date
    rows: int
    bytes: int


def retire(
    connection: Connection, before: date, *, dry_run: bool, lock_timeout_seconds: float = 30.0
) -> list[RetiredWeek]:
    """Let go of weeks before a date, all of them in one transaction.

    The newest week of a table, and the newest complete one, always stay. Hashes stay on record in
    ``ops.retired_publication``.

    Parameters
    ----------
    dry_run : bool
        Only tell what would go.

    Raises
    ------
    MartBusyError
        E706 when readers kept their locks longer than `lock_timeout_seconds`.
    """
    with transaction(connection) as cursor:
        with_patience(
            cursor,
            "SELECT * FROM ops.retire(%(before)s, %(dry_run)s)",
            {"before": before, "dry_run": dry_run},
            lock_timeout_seconds,
        )
        return [RetiredWeek(*row) for row in cursor.fetchall()]
