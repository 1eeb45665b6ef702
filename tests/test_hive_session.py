"""The session to HiveServer2: its address, and servers that refuse, hang or vanish."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from passbook import hive, hive_login
from passbook.errors import HiveLoginError, HiveUnreachableError, SettingsError
from passbook.hive_session import first_line, parse_url


def test_an_address_is_read_with_its_options() -> None:
    address = parse_url("hive://a%40b:p%2Fw@hs2:10001/?auth=ldap&timeout=5&read=thrift")
    assert (address.host, address.port, address.user) == ("hs2", 10001, "a@b")
    assert (address.auth, address.timeout, address.reader) == ("LDAP", 5.0, "thrift")
    assert address.password == "p/w"
    assert not address.tls
    sealed = parse_url("hive://me@hs2/?auth=LDAP&tls=True&tls_ca=%2Fetc%2Fbank.pem")
    assert (sealed.tls, sealed.tls_ca) == (True, "/etc/bank.pem")
    plain = parse_url("hive://me@hs2")
    assert (plain.port, plain.auth, plain.reader) == (10000, "NONE", "files")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:secret@host/",
        "hive://",
        "hive://me:secret@host:port/",
        "hive://me:secret@host/?auth=MAGIC",
        "hive://me:secret@host/?read=pigeon",
        "hive://me:secret@host/?timeout=soon",
        "hive://me:secret@host/?tls=perhaps",
    ],
)
def test_what_is_no_address_is_refused_without_telling_the_password(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port where someone listens and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_nobody_there_is_e101() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with (
        pytest.raises(HiveUnreachableError, match=rf"127\.0\.0\.1:{port}"),
        hive.connect(f"hive://me@127.0.0.1:{port}/"),
    ):
        pass


@pytest.mark.parametrize("auth", ["NONE", "NOSASL"])
def test_a_server_that_never_answers_runs_into_the_timeout(
    listener: socket.socket, auth: str
) -> None:
    port = listener.getsockname()[1]
    url = f"hive://me@127.0.0.1:{port}/?auth={auth}&timeout=0.3"
    with pytest.raises(HiveUnreachableError, match="timeout"), hive.connect(url):
        pass


@pytest.fixture
def refusing() -> Iterator[int]:
    """Port of a server that refuses one login, as SASL over Thrift does."""
    said = b"Error validating the login"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            with server.accept()[0] as client:
                client.recv(1000)
                client.sendall(struct.pack(">BI", 3, len(said)) + said)
                client.recv(1000)

        thread = threading.Thread(target=refuse)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)


def test_a_refused_login_is_e109_and_not_tried_again(refusing: int) -> None:
    url = f"hive://me:my-secret@127.0.0.1:{refusing}/?auth=LDAP"
    with (
        pytest.raises(HiveLoginError, match="auth=LDAP: Error validating the login") as caught,
        hive.connect(url),
    ):
        pass
    assert not caught.value.retryable
    assert "my-secret" not in str(caught.value)


def test_kerberos_without_its_package_says_what_is_missing(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hive_login, "KrbError", None)
    url = f"hive://127.0.0.1:{listener.getsockname()[1]}/?auth=KERBEROS"
    with pytest.raises(SettingsError, match="pykerberos"), hive.connect(url):
        pass


def test_a_file_of_authorities_that_is_not_there_is_e801(tmp_path: Path) -> None:
    url = f"hive://me:secret@127.0.0.1/?tls=true&tls_ca={tmp_path}/no.pem"
    with pytest.raises(SettingsError, match=r"no\.pem"), hive.connect(url):
        pass


def test_a_server_without_a_name_is_e101() -> None:
    with pytest.raises(HiveUnreachableError), hive.connect("hive://me@no-such-host.invalid:1/"):
        pass


def test_an_error_is_told_in_one_line_without_a_rows_value() -> None:
    java = (
        "org.apache.hive.service.cli.HiveSQLException: Error running query: "
        "org.apache.spark.SparkNumberFormatException: [CAST_INVALID_INPUT] The value 'Kim' of the "
        'type "STRING" cannot be cast\n\tat org.apache.spark'
    )
    assert first_line(java) == ('[CAST_INVALID_INPUT] a value of the type "STRING" cannot be cast')


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "Error while compiling statement: FAILED: SemanticException Table not found",
            "FAILED: SemanticException Table not found",
        ),
        (
            'Hive Runtime Error while processing row {"cust_no":"C1","nm":"김철수"}',
            "Hive Runtime Error while processing row (left out)",
        ),
        (
            "Hive Runtime Error while processing vector batch (tag=0) Kim",
            "Hive Runtime Error while processing vector batch (left out)",
        ),
    ],
)
def test_apache_hives_errors_are_told_without_a_row(said: str, told: str) -> None:
    assert first_line(said) == told
