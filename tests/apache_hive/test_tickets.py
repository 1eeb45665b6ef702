"""Logging in by Kerberos, up to where HiveServer2 would be asked: a real realm, nobody behind it.

What HiveServer2 then answers is `test_authentication.py`'s.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from login_servers import REALM_PROGRAMS, SERVICE, Realm, missing, realm
from passbook import hive
from passbook.embedded import process
from passbook.errors import HiveLoginError, HiveUnreachableError

pytestmark = pytest.mark.apache_hive

USER = "passbook"


@pytest.fixture(scope="module")
def bank_realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    """A realm that knows HiveServer2."""
    pytest.importorskip("kerberos", reason="pykerberos is not installed: docs/production.md")
    if lacking := missing(REALM_PROGRAMS):
        pytest.skip(f"no {', '.join(lacking)} here: Debian's krb5-kdc, -admin-server, -user")
    with realm(tmp_path_factory.mktemp("realm") / "kdc") as made:
        made.keytab(SERVICE)
        yield made


@pytest.fixture(scope="module")
def keytab(bank_realm: Realm) -> Path:
    """Keys of Passbook's own principal."""
    return bank_realm.keytab(USER)


@pytest.fixture
def url(bank_realm: Realm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Address of a server that listens and never answers; there is no ticket yet."""
    monkeypatch.setenv("KRB5_CONFIG", str(bank_realm.configuration))
    monkeypatch.setenv("KRB5CCNAME", str(tmp_path / "cache"))
    monkeypatch.setenv("KRB5_CLIENT_KTNAME", str(tmp_path / "no-keytab"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        yield f"hive://localhost:{port}/?auth=KERBEROS&timeout=0.5"


def test_without_a_ticket_the_error_says_where_one_comes_from(url: str) -> None:
    with pytest.raises(HiveLoginError, match="KRB5_CLIENT_KTNAME") as caught, hive.connect(url):
        pass
    assert not caught.value.retryable


def test_a_ticket_that_has_run_out_is_told(
    url: str, bank_realm: Realm, keytab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = bank_realm.ticket(USER, keytab, lifetime="1s")
    monkeypatch.setenv("KRB5CCNAME", str(cache))
    time.sleep(2.5)  # whole seconds count
    with pytest.raises(HiveLoginError, match="expired"), hive.connect(url):
        pass


@pytest.mark.parametrize("by", ["keytab", "cache"])
def test_a_keytab_or_a_ticket_gets_as_far_as_the_server(
    url: str, bank_realm: Realm, keytab: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    if by == "keytab":
        monkeypatch.setenv("KRB5_CLIENT_KTNAME", str(keytab))
    else:
        monkeypatch.setenv("KRB5CCNAME", str(bank_realm.ticket(USER, keytab)))
    with pytest.raises(HiveUnreachableError, match="timeout"), hive.connect(url):
        pass


def test_another_name_of_the_service_is_told(
    url: str, keytab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRB5_CLIENT_KTNAME", str(keytab))
    other = f"{url}&kerberos_service_name=impala"
    with (
        pytest.raises(HiveLoginError, match=r"impala/localhost.*kerberos_service_name"),
        hive.connect(other),
    ):
        pass


def test_a_realm_that_does_not_answer_is_e101_and_retried(
    url: str, bank_realm: Realm, keytab: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nobody = f"kdc = {process.ADDRESS}:{process.free_port(0)}"
    given = bank_realm.configuration.read_text().splitlines()
    lines = [nobody if line.strip().startswith("kdc =") else line for line in given]
    (tmp_path / "krb5.conf").write_text("\n".join(lines))
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))
    monkeypatch.setenv("KRB5_CLIENT_KTNAME", str(keytab))
    with pytest.raises(HiveUnreachableError, match="Kerberos") as caught, hive.connect(url):
        pass
    assert caught.value.retryable
