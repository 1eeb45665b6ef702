"""Exchange partitions under readers: wait for their locks a little at a time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from psycopg2 import errors
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (it is a class)

_ATTEMPT_SECONDS = 1.0
"""Longest wait for a lock in one go. Readers who come after a waiting exchange wait behind it, so
it steps back and tries again instead of letting them pile up."""


def with_patience(
    cursor: Cursor, statement: str, values: Mapping[str, Any], patience: float
) -> None:
    """Execute a statement that takes readers' locks, trying again for `patience` seconds.

    Raises
    ------
    psycopg2.errors.LockNotAvailable, psycopg2.errors.DeadlockDetected
        When they could not be had; the transaction is lost then.
    """
    attempt_ms = int(1000 * min(_ATTEMPT_SECONDS, patience))
    give_up = time.monotonic() + patience
    # A writer that is stopped while it holds the locks must not hold them for ever.
    cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '60s'")
    cursor.execute("SELECT set_config('lock_timeout', %s, true)", (f"{attempt_ms}ms",))
    while True:
        cursor.execute("SAVEPOINT exchange")
        try:
            cursor.execute(statement, values)
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            if time.monotonic() > give_up:
                raise
            cursor.execute("ROLLBACK TO SAVEPOINT exchange")
            time.sleep(_ATTEMPT_SECONDS / 2)
        else:
            return
