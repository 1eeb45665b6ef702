"""Logging in at HiveServer2: by password (its directory's, or any), or by Kerberos.

pure-sasl speaks the mechanisms; for Kerberos it needs the package ``pykerberos``, which the
production image brings. PyHive's own bridge to it swaps sealing and opening, so that a server that
asks for integrity or encryption (``hive.server2.thrift.sasl.qop``) cannot be spoken to.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from puresasl import QOP, SASLError, SASLProtocolException
from puresasl.client import SASLClient
from thrift.transport.TTransport import TTransportException
from thrift_sasl import TSaslClientTransport

from passbook.errors import HiveLoginError, HiveUnreachableError, SettingsError

try:  # only whoever logs in by Kerberos needs it
    from kerberos import KrbError
except ImportError:
    KrbError = None

FAILURES: Final = (SASLError, SASLProtocolException, *([KrbError] if KrbError else []))
PLAIN, GSSAPI = "PLAIN", "GSSAPI"
REFUSED: Final = "Bad status: "
"""What thrift_sasl puts before the server's answer to a login it does not take."""
_NO_KDC_ANSWERS, _NO_SUCH_SERVICE = -1765328228, -1765328377
_SERVICE: Final = "That name is made of kerberos_service_name and the connection's host."
_TICKET: Final = (
    "A valid ticket is needed: KRB5_CLIENT_KTNAME names a keytab to get one from, "
    "or KRB5CCNAME a cache that `kinit` or `airflow kerberos` keeps fresh."
)


def password_transport(socket: Any, host: str, user: str, password: str) -> Any:
    """Return a transport over `socket` that logs in by password; not yet opened."""
    # Where nobody looks at the password it must not be empty all the same.
    client = {"username": user, "password": password or "x"}
    return TSaslClientTransport(lambda: Login(host, **client), PLAIN, socket)


def kerberos_transport(socket: Any, host: str, service: str) -> Any:
    """Return a transport over `socket` that logs in by the ticket at hand; not yet opened.

    Raises
    ------
    SettingsError
        E801 where the package for Kerberos is missing.
    """
    if KrbError is None:
        raise SettingsError(
            "auth=KERBEROS needs the package pykerberos, which the production image has; "
            "docs/production.md says how to install it elsewhere."
        )
    return TSaslClientTransport(lambda: Login(host, service), GSSAPI, socket)


class Login(SASLClient):  # type: ignore[misc]
    """pure-sasl's client as thrift_sasl speaks to it."""

    _error = ""

    def start(self, mechanism: str) -> tuple[bool, str, bytes]:
        """Begin to log in; return the first message to the server."""
        try:
            self.choose_mechanism([mechanism])
            return True, mechanism, bytes(self.process())
        except FAILURES as error:
            raise _told(error) from None

    def step(self, challenge: bytes) -> tuple[bool, bytes]:
        """Answer the server."""
        try:
            return True, bytes(self.process(challenge))
        except FAILURES as error:
            raise _told(error) from None

    def encode(self, message: bytes) -> tuple[bool, bytes | None]:
        """Seal a message, its length before it, where the server asks for that."""
        if self.qop == QOP.AUTH:
            return True, message
        try:
            sealed = self.wrap(message)
        except Exception as error:
            self._error = _reason(error)
            return False, None
        return True, struct.pack(">I", len(sealed)) + sealed

    def decode(self, framed: bytes) -> tuple[bool, bytes | None]:
        """Open a sealed message that has its length before it."""
        try:
            return True, bytes(self.unwrap(framed[4:]))
        except Exception as error:
            self._error = _reason(error)
            return False, None

    def getError(self) -> str:  # noqa: N802 (thrift_sasl's name)
        """Return why sealing or opening failed."""
        return self._error


def refusal(error: Exception, who: str) -> HiveLoginError | None:
    """Return the error for a login that the server did not take; None for another failure."""
    text = str(getattr(error, "message", "") or "")
    if not isinstance(error, TTransportException) or not text.startswith(REFUSED):
        return None
    said = text.partition("(")[2].rstrip(")").removeprefix("b").strip("'\"")
    return HiveLoginError(f"{who}: {said[:200]}.")


def _told(error: Exception) -> HiveLoginError | HiveUnreachableError:
    """Return the error for what Kerberos says before the server is asked."""
    reason = _reason(error)
    if _minor(error) == _NO_KDC_ANSWERS:
        return HiveUnreachableError(f"Kerberos: {reason}.")
    hint = _SERVICE if _minor(error) == _NO_SUCH_SERVICE else _TICKET
    return HiveLoginError(f"Kerberos: {reason}. {hint}")


def _reason(error: Exception) -> str:
    """Return the telling part of an error of Kerberos: (major, code), (minor, code)."""
    last = error.args[-1] if error.args else type(error).__name__
    text = last[0] if isinstance(last, tuple) else last
    return str(text).strip().rstrip(".")[:300]


def _minor(error: Exception) -> int | None:
    last = error.args[-1] if error.args else None
    return last[1] if isinstance(last, tuple) and len(last) == 2 else None
