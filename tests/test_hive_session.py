"""The session to HiveServer2: its address, and servers that refuse, hang or vanish."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

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


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for ``localhost``, signed by nobody else, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + signed.public_bytes(Encoding.PEM)
    )
    return file


@contextmanager
def refusing(certificate: Path | None = None) -> Iterator[int]:
    """Serve one client that refuses its login, as SASL over Thrift does; yield the port."""
    said = b"Error validating the login"

    def refuse(server: socket.socket) -> None:
        with contextlib.suppress(OSError), server.accept()[0] as client:
            client.recv(1000)
            client.sendall(struct.pack(">BI", 3, len(said)) + said)
            client.recv(1000)

    with socket.create_server(("127.0.0.1", 0)) as plain:
        server = plain
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server = context.wrap_socket(plain, server_side=True)
        thread = threading.Thread(target=refuse, args=(server,))
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)
        server.close()


def test_a_refused_login_is_e109_and_not_tried_again() -> None:
    with (
        refusing() as port,
        pytest.raises(HiveLoginError, match="auth=LDAP: Error validating the login") as caught,
        hive.connect(f"hive://me:my-secret@127.0.0.1:{port}/?auth=LDAP"),
    ):
        pass
    assert not caught.value.retryable
    assert "my-secret" not in str(caught.value)


def test_a_login_goes_through_tls(certificate: Path) -> None:
    with (
        refusing(certificate) as port,
        pytest.raises(HiveLoginError),
        hive.connect(f"hive://me@localhost:{port}/?auth=LDAP&tls=true&tls_ca={certificate}"),
    ):
        pass


@pytest.mark.parametrize(
    ("host", "authority", "fault"),
    [("localhost", False, "self-signed"), ("127.0.0.1", True, "IP address mismatch")],
)
def test_another_certificate_or_name_is_e101(
    certificate: Path, host: str, authority: bool, fault: str
) -> None:
    trusted = f"&tls_ca={certificate}" if authority else ""
    with (
        refusing(certificate) as port,
        pytest.raises(HiveUnreachableError, match=fault),
        hive.connect(f"hive://me@{host}:{port}/?auth=LDAP&tls=true{trusted}"),
    ):
        pass


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
