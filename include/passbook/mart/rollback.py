"""Put an earlier version of a model in force again, together with what it had published."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook.mart.connection import transaction
from passbook.mart.exchange import with_patience


@dataclass(frozen=True)
class RolledBackWeek:
    """A published week that the model which went had a part in.

    `restored` is False when the earlier content is no longer kept: the stage's backfill makes it
    anew.
    """

    base_date: date
    stage: str
    restored: bool


def roll_back(
    connection: Connection,
    model: str,
    version: str,
    *,
    reason: str,
    run_id: str,
    lock_timeout_seconds: float = 30.0,
) -> list[RolledBackWeek]:
    """Let `version` take the champion's place, from the base date that one was promoted for.

    The decision, the restored weeks and their ledger rows appear in one transaction.

    Parameters
    ----------
    version : str
        One that was in force before.
    reason, run_id : str
        Why, and who or which run decided; kept in the history.

    Raises
    ------
    ModelError
        E600 when the version was never in force, or is in force already.
    MartBusyError
        E706 when readers kept their locks longer than `lock_timeout_seconds`.
    """
    with transaction(connection) as cursor:
        with_patience(
            cursor,
            "SELECT * FROM ops.roll_back(%(model)s, %(version)s, %(reason)s, %(run_id)s)",
            {"model": model, "version": version, "reason": reason, "run_id": run_id},
            lock_timeout_seconds,
        )
        return [RolledBackWeek(*row) for row in cursor.fetchall()]
