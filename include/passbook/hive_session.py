"""A HiveServer2 session over Thrift: what `hive.py` speaks through.

PyHive's own connection has no socket timeout, decodes rows in pure Python, and cannot take up a
statement again after its connection broke. So its generated client (`TCLIService`) is used
directly, over a transport with timeouts and the accelerated protocol.
"""

from __future__ import annotations

import contextlib
import getpass
import logging
import re
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import pyarrow as pa
from TCLIService import TCLIService, ttypes
from thrift.Thrift import TApplicationException
from thrift.transport.TSocket import TSocket
from thrift.transport.TSSLSocket import TSSLSocket
from thrift.transport.TTransport import TBufferedTransport, TTransportException

from passbook import hive_login
from passbook.errors import (
    HiveStatementError,
    HiveUnreachableError,
    PassbookError,
    SettingsError,
)
from passbook.hive_columns import to_batch, to_schema
from passbook.hive_protocol import HiveProtocol

log = logging.getLogger("passbook.hive")
# PyHive logs whole answers, and so customers' rows, at DEBUG; and every statement at INFO.
logging.getLogger("pyhive").setLevel(logging.WARNING)

AUTHENTICATIONS: Final = ("NONE", "NOSASL", "LDAP", "CUSTOM", "KERBEROS")
READERS: Final = ("files", "thrift")
LOST: Final = (TTransportException, OSError, EOFError)
RUNNING: Final = (
    ttypes.TOperationState.INITIALIZED_STATE,
    ttypes.TOperationState.PENDING_STATE,
    ttypes.TOperationState.RUNNING_STATE,
)
FIRST_POLL, LONGEST_POLL = 0.01, 1.0
PARTING: Final = 5.0
"""Seconds that cancelling a statement, or ending a session, may take."""
_LOGS, _ROWS = 1, 0


@dataclass(frozen=True)
class Address:
    """Where HiveServer2 is and how to log in."""

    host: str
    port: int
    user: str
    password: str
    auth: str
    kerberos_service: str
    tls: bool
    """Whether HiveServer2 speaks TLS (``hive.server2.use.SSL``)."""
    tls_ca: str | None
    """File of the authority that signed HiveServer2's certificate; None: one the machine trusts."""
    timeout: float
    """Seconds that a connection, or one answer, may take. Statements run asynchronously, so that
    this is no limit for them."""
    statement_timeout: float
    """Seconds that a statement may run; 0: no limit."""
    database: str
    reader: str
    """``files``: Parquet or ORC straight from the warehouse; ``thrift``: rows through Hive."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_url(url: str) -> Address:
    """Read ``hive://user:password@host:port/?auth=NONE&timeout=60&read=files``.

    Raises
    ------
    SettingsError
        E801; the message never repeats the URL, which holds a password.
    """
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    auth = options.get("auth", "NONE").upper()
    reader = options.get("read", "files")
    tls = options.get("tls", "false").lower()
    try:
        port = parts.port or 10000
        timeout = float(options.get("timeout", "60"))
        statement_timeout = float(options.get("statement_timeout", "0"))
    except ValueError:
        raise SettingsError("The Hive URL's port and timeouts are numbers.") from None
    if parts.scheme != "hive" or not parts.hostname:
        raise SettingsError("The Hive URL has the form hive://user:password@host:port/?auth=NONE.")
    if auth not in AUTHENTICATIONS:
        raise SettingsError(f"The Hive URL's auth is one of {', '.join(AUTHENTICATIONS)}.")
    if reader not in READERS:
        raise SettingsError(f"The Hive URL's read is one of {', '.join(READERS)}.")
    if tls not in ("true", "false"):
        raise SettingsError("The Hive URL's tls is true or false.")
    return Address(
        host=parts.hostname,
        port=port,
        user=unquote(parts.username or "") or getpass.getuser(),
        password=unquote(parts.password or ""),
        auth=auth,
        kerberos_service=options.get("kerberos_service_name", "hive"),
        tls=tls == "true",
        tls_ca=options.get("tls_ca"),
        timeout=timeout,
        statement_timeout=statement_timeout,
        database=parts.path.strip("/") or "default",
        reader=reader,
    )


class TlsSocket(TSSLSocket):  # type: ignore[misc]
    """Thrift's socket over TLS, which may be closed without being open, as the plain one may."""

    def close(self) -> None:
        """Close it where it is open."""
        if self.handle is not None:
            super().close()


def open_socket(address: Address) -> Any:
    """Return a socket to HiveServer2, not yet connected.

    Raises
    ------
    SettingsError
        E801 when the authority's file cannot be read.
    """
    if address.tls:
        try:
            context = ssl.create_default_context(cafile=address.tls_ca)
        except OSError as error:
            raise SettingsError(f"tls_ca={address.tls_ca}: {first_line(error)}.") from None
        socket = TlsSocket(address.host, address.port, ssl_context=context, socket_keepalive=True)
    else:
        socket = TSocket(address.host, address.port, socket_keepalive=True)
    socket.setTimeout(address.timeout * 1000)
    return socket


def open_transport(address: Address, socket: Any) -> Any:
    """Return an opened Thrift transport over `socket`, with the login that HiveServer2 asks for.

    Raises
    ------
    HiveUnreachableError
        E101 when nobody answers in time.
    HiveLoginError
        E109 when the login is refused, or there is no Kerberos ticket to log in with.
    SettingsError
        E801 when Kerberos is asked for and its package is missing.
    """
    if address.auth == "NOSASL":
        transport = TBufferedTransport(socket)
    elif address.auth == "KERBEROS":
        transport = hive_login.kerberos_transport(socket, address.host, address.kerberos_service)
    else:
        transport = hive_login.password_transport(
            socket, address.host, address.user, address.password
        )
    try:
        transport.open()
    except LOST as error:
        transport.close()
        refused = hive_login.refusal(error, f"{address}, auth={address.auth}")
        raise refused or HiveUnreachableError(f"{address}: {_with_cause(error)}") from None
    except PassbookError:
        transport.close()
        raise
    return transport


def _with_cause(error: Exception) -> str:
    """Return what a library said, and the cause that it keeps beside it."""
    cause = getattr(error, "inner", None)
    return f"{first_line(error)} ({first_line(cause)})" if cause else first_line(error)


def first_line(error: object) -> str:
    """Return what a server or library said, in one line and without a row's value."""
    text = str(getattr(error, "message", None) or error).strip()
    line = text.splitlines()[0] if text else type(error).__name__
    line = re.sub(r"\b(org\.apache|java)\.[\w.$]+:\s*", "", line)
    line = re.sub(r"^Error (running query|while (compiling|processing) statement): ", "", line)
    line = re.sub(r"^(\[\w+(?:\.\w+)*\] )\1", r"\1", line)
    return without_row(line)[:500]


def without_row(line: str) -> str:
    """Return a line of Hive's without the row, or the value, that it was working on."""
    line = re.sub(r"(while processing (row|vector batch|writable)).*", r"\1 (left out)", line)
    # Cast errors quote the value that could not be cast.
    return re.sub(r"[Tt]he value '.*?' of", "a value of", line)


class Operation:
    """A statement that HiveServer2 works on."""

    def __init__(self, session: Session, handle: Any) -> None:
        self.session = session
        self.handle = handle
        self._progress = -1.0
        self._logs = True

    def wait(self) -> None:
        """Wait for the end; Hive's log lines and progress go to the Python log."""
        start, pause = monotonic(), FIRST_POLL
        limit = self.session.address.statement_timeout
        while True:
            status = self.session.call("GetOperationStatus", ttypes.TGetOperationStatusReq(
                operationHandle=self.handle, getProgressUpdate=True))  # fmt: skip
            self._report(status.progressUpdateResponse)
            if status.operationState not in RUNNING:
                break
            if limit and monotonic() - start > limit:
                self.cancel()
                raise HiveStatementError(f"It ran longer than {limit:g} s and was cancelled.")
            self.session.pause.wait(pause)
            pause = min(pause * 1.5, LONGEST_POLL)
        if status.operationState != ttypes.TOperationState.FINISHED_STATE:
            name = ttypes.TOperationState._VALUES_TO_NAMES[status.operationState]
            message = status.errorMessage or name
            log.debug("Hive's full answer: %s", message)
            raise HiveStatementError(first_line(message))

    def _report(self, progress: Any) -> None:
        for line in self._log_lines():
            frame = line.startswith(("\tat ", "\t... "))
            log.log(logging.DEBUG if frame else logging.INFO, "hive: %s", without_row(line))
        share = progress.progressedPercentage if progress else None
        if share is not None and share >= self._progress + 0.1:
            self._progress = share
            log.info("hive: %.0f %% done", share * 100)

    def _log_lines(self) -> list[str]:
        if not self._logs:
            return []
        request = ttypes.TFetchResultsReq(
            operationHandle=self.handle,
            orientation=ttypes.TFetchOrientation.FETCH_NEXT,
            maxRows=1000,
            fetchType=_LOGS,
        )
        try:
            answer = self.session.call("FetchResults", request)
        except (HiveStatementError, TApplicationException):
            self._logs = False  # a server without operation logs says so at the first question
            return []
        columns = answer.results.columns if answer.results else None
        return list(columns[0].stringVal.values) if columns else []

    def schema(self) -> pa.Schema:
        """Return the Arrow schema of the result; empty for a statement without one."""
        if not self.handle.hasResultSet:
            return pa.schema([])
        answer = self.session.call(
            "GetResultSetMetadata", ttypes.TGetResultSetMetadataReq(operationHandle=self.handle)
        )
        return to_schema(answer.schema.columns)

    def batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the result column by column, at most `rows` rows at a time."""
        schema = self.schema()
        while len(schema):
            request = ttypes.TFetchResultsReq(
                operationHandle=self.handle,
                orientation=ttypes.TFetchOrientation.FETCH_NEXT,
                maxRows=rows,
                fetchType=_ROWS,
            )
            batch = to_batch(self.session.call("FetchResults", request).results.columns, schema)
            # hasMoreRows is not to be trusted; an empty answer is the end.
            if not batch.num_rows:
                return
            yield batch

    def cancel(self) -> None:
        """Ask HiveServer2 to stop; it may take longer over that than is worth waiting for."""
        with self.session.hurry():
            self.session.call(
                "CancelOperation", ttypes.TCancelOperationReq(operationHandle=self.handle)
            )

    def close(self) -> None:
        """Let HiveServer2 forget the statement."""
        with contextlib.suppress(*LOST, HiveStatementError, HiveUnreachableError):
            self.session.call(
                "CloseOperation", ttypes.TCloseOperationReq(operationHandle=self.handle)
            )


class Session:
    """An open session; for one thread at a time."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.pause = threading.Event()
        self._open()

    def _open(self) -> None:
        self._socket = open_socket(self.address)
        self._transport = open_transport(self.address, self._socket)
        self._client = TCLIService.Client(HiveProtocol(self._transport))
        request = ttypes.TOpenSessionReq(
            client_protocol=ttypes.TProtocolVersion.HIVE_CLI_SERVICE_PROTOCOL_V8,
            username=self.address.user,
            password=self.address.password or None,
        )
        try:
            self._handle = self.call("OpenSession", request).sessionHandle
        except BaseException:
            self._transport.close()
            raise

    def call(self, name: str, request: Any) -> Any:
        """Ask HiveServer2 one thing.

        Raises
        ------
        HiveUnreachableError
            E101: the connection is lost, or no answer came in time.
        HiveStatementError
            E107: the server refuses.
        """
        try:
            answer = getattr(self._client, name)(request)
        except LOST as error:
            self._transport.close()
            raise HiveUnreachableError(f"{self.address}: {first_line(error)}") from error
        status = answer.status
        good = (ttypes.TStatusCode.SUCCESS_STATUS, ttypes.TStatusCode.SUCCESS_WITH_INFO_STATUS)
        if status.statusCode not in good:
            log.debug("Hive's full answer: %s %s", status.errorMessage, status.infoMessages)
            raise HiveStatementError(first_line(status.errorMessage or "no reason given"))
        return answer

    def start(self, sql: str) -> Operation:
        """Start a statement and return at once."""
        request = ttypes.TExecuteStatementReq(
            sessionHandle=self._handle, statement=sql, runAsync=True
        )
        return Operation(self, self.call("ExecuteStatement", request).operationHandle)

    def reconnect(self) -> None:
        """Replace a lost connection by a new session.

        An operation of the old session can still be asked for where the server keeps sessions
        beyond their connection (``hive.server2.close.session.on.disconnect=false``).
        """
        self._transport.close()
        self._open()

    @contextlib.contextmanager
    def hurry(self) -> Iterator[None]:
        """Wait a few seconds for an answer, no longer, and do without: what matters is over."""
        self._socket.setTimeout(min(self.address.timeout, PARTING) * 1000)
        try:
            with contextlib.suppress(*LOST, HiveStatementError, HiveUnreachableError):
                yield
        finally:
            self._socket.setTimeout(self.address.timeout * 1000)

    def close(self) -> None:
        """End the session."""
        with self.hurry():
            self.call("CloseSession", ttypes.TCloseSessionReq(sessionHandle=self._handle))
        self._transport.close()
