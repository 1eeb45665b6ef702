"""SQLAlchemy's way to Hive: PyHive's dialect over our transport, with timeouts and polling.

Registered as ``hive+passbook``; its URL takes the options of `passbook.hive.connect`.
"""

from __future__ import annotations

from time import monotonic, sleep
from typing import Any

from pyhive import hive as pyhive
from pyhive.exc import OperationalError
from pyhive.sqlalchemy_hive import HiveDialect
from sqlalchemy.dialects import registry
from sqlalchemy.engine import URL

from passbook.errors import HiveStatementError, HiveUnreachableError
from passbook.hive_session import (
    FIRST_POLL,
    LONGEST_POLL,
    LOST,
    RUNNING,
    Address,
    first_line,
    open_transport,
    parse_url,
)

SCHEME = "hive+passbook"


class PollingCursor(pyhive.Cursor):  # type: ignore[misc]
    """PyHive's cursor, whose statements run asynchronously: no call waits for a whole statement."""

    def execute(self, operation: str, parameters: Any = None, **kwargs: Any) -> None:
        address: Address = self._connection.address
        start, pause = monotonic(), FIRST_POLL
        try:
            super().execute(operation, parameters, async_=True)
            while (status := self.poll(get_progress_update=False)).operationState in RUNNING:
                if address.statement_timeout and monotonic() - start > address.statement_timeout:
                    self.cancel()
                    raise HiveStatementError(
                        f"It ran longer than {address.statement_timeout:g} s and was cancelled."
                    )
                sleep(pause)
                pause = min(pause * 1.5, LONGEST_POLL)
        except LOST as error:
            raise HiveUnreachableError(f"{address}: {first_line(error)}") from error
        except OperationalError as error:
            reason = error.args[0].status.errorMessage if error.args else error
            raise HiveStatementError(first_line(reason)) from None
        if status.errorMessage:
            raise HiveStatementError(first_line(status.errorMessage))


class PollingConnection(pyhive.Connection):  # type: ignore[misc]
    """PyHive's connection over a transport with timeouts."""

    def __init__(self, address: Address) -> None:
        self.address = address
        super().__init__(
            thrift_transport=open_transport(address, opened=False),
            username=address.user,
            database=address.database,
        )

    def cursor(self, *args: Any, **kwargs: Any) -> PollingCursor:
        return PollingCursor(self, *args, **kwargs)


class PassbookHiveDialect(HiveDialect):  # type: ignore[misc]
    """PyHive's dialect, connecting through `PollingConnection`."""

    supports_statement_cache = False

    @classmethod
    def import_dbapi(cls) -> Any:
        return pyhive

    def create_connect_args(self, url: URL) -> tuple[list[Any], dict[str, Any]]:
        plain = url.set(drivername="hive").render_as_string(hide_password=False)
        return [parse_url(plain)], {}

    def connect(self, *args: Any, **kwargs: Any) -> PollingConnection:
        return PollingConnection(*args)


registry.register("hive.passbook", __name__, PassbookHiveDialect.__name__)
