"""Logging in at Apache Hive itself: by a directory's password under TLS, and by Kerberos.

Directory (slapd), realm (krb5kdc) and Hive are real and this module's own, all on loopback.
"""

from __future__ import annotations

import getpass
import json
import logging
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from apache_hive import server
from login_servers import (
    BASE_DN,
    DIRECTORY_PROGRAMS,
    REALM,
    REALM_PROGRAMS,
    SERVICE,
    Realm,
    directory,
    missing,
    realm,
)
from passbook import hive
from passbook.contracts import WORK_TABLES
from passbook.errors import HiveLoginError, HiveUnreachableError, PassbookError
from passbook.settings import Settings
from passbook.steps.stage import hive_url

pytestmark = [pytest.mark.apache_hive, pytest.mark.timeout(1500)]

BASE_DATE = date(2022, 12, 4)
HIVE_COLUMNS = (
    "product_code STRING, product_name STRING, family STRING, sale_start DATE, sale_end DATE, "
    "min_age INT, max_age INT, customer_type STRING"
)
USER, PASSWORD = "passbook", "p@ss/w:rd #1%"  # in ASCII: Hive takes others apart byte by byte
ROWS = 30_000
PRODUCTS = pa.table(
    {
        "product_code": [f"P{n:06}" for n in range(ROWS)],
        "product_name": [f"정기예금 {n}" for n in range(ROWS)],
        "family": ["deposit"] * ROWS,
        "sale_start": [date(2020, 2, 29)] * ROWS,
        "sale_end": [None, date(2022, 12, 31)] * (ROWS // 2),
        "min_age": pa.array([None, 19] * (ROWS // 2), pa.int32()),
        "max_age": pa.array([None, 99] * (ROWS // 2), pa.int32()),
        "customer_type": [None, "개인"] * (ROWS // 2),
    },
    schema=WORK_TABLES["product"].schema,
)


@pytest.fixture(autouse=True)
def _no_ticket_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A ticket or keytab of whoever runs the tests must not log in by itself."""
    monkeypatch.setenv("KRB5CCNAME", str(tmp_path / "no-cache"))
    monkeypatch.setenv("KRB5_CLIENT_KTNAME", str(tmp_path / "no-keytab"))


def answers(url: str) -> bool:
    """Whether a statement is answered at a Hive URL."""
    try:
        with hive.connect(url) as door:
            return door.query("SELECT 1 AS n")["n"].to_pylist() == [1]
    except PassbookError:
        return False


# A directory


@dataclass(frozen=True)
class WithDirectory:
    """A HiveServer2 that asks a directory, and speaks TLS under a certificate of its own."""

    port: int
    certificate: Path

    def url(self, password: str = PASSWORD) -> str:
        """Its address with a password, as `passbook.hive.connect` reads it."""
        return (
            f"hive://{USER}:{quote(password, safe='')}@localhost:{self.port}/"
            f"?auth=LDAP&tls=true&tls_ca={self.certificate}"
        )


@pytest.fixture(scope="module")
def with_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WithDirectory]:
    if lacking := missing(DIRECTORY_PROGRAMS):
        pytest.skip(f"no {', '.join(lacking)} here: Debian's package slapd has it")
    folder = tmp_path_factory.mktemp("directory")
    home, certificate = folder / "hive", folder / "certificate.pem"
    keystore = ["-keystore", folder / "keys", "-storepass", "only-a-test"]
    pair = ["-keyalg", "RSA", "-dname", "CN=localhost", "-ext", "san=dns:localhost"]
    for command in (["-genkeypair", *pair], ["-exportcert", "-rfc", "-file", certificate]):
        subprocess.run(["keytool", *command, *keystore], check=True, capture_output=True)
    try:
        with directory(folder / "slapd", {USER: PASSWORD}) as address:
            settings = {
                "hive.server2.authentication": "LDAP",
                "hive.server2.authentication.ldap.url": address,
                "hive.server2.authentication.ldap.baseDN": BASE_DN,
                "hive.server2.use.SSL": "true",
                "hive.server2.keystore.path": str(folder / "keys"),
                "hive.server2.keystore.password": "only-a-test",
            }
            url = server.start(
                home, settings, ready=lambda port: answers(WithDirectory(port, certificate).url())
            )
            yield WithDirectory(int(url.split(":")[-1].split("/")[0]), certificate)
    finally:
        server.stop(home)


def test_the_airflow_connections_password_logs_in(
    with_directory: WithDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {
        "conn_type": "hiveserver2", "host": "localhost", "port": with_directory.port,
        "login": USER, "password": PASSWORD,
        "extra": {"auth": "LDAP", "tls": True, "tls_ca": str(with_directory.certificate)},
    }  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_HIVE_PASSBOOK", json.dumps(connection))
    monkeypatch.delenv("PASSBOOK_HIVE_URL", raising=False)
    with hive.connect(hive_url(Settings())) as door:
        assert door.query("SELECT logged_in_user() AS who")["who"].to_pylist() == [USER]


@pytest.mark.parametrize("auth", ["LDAP", "NONE"])
def test_a_wrong_password_is_e109_at_once_and_never_told(
    with_directory: WithDirectory, auth: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(HiveLoginError, match="Error validating the login") as caught,
        hive.connect(with_directory.url("wrong-secret").replace("LDAP", auth)),
    ):
        pass
    assert not caught.value.retryable
    assert "wrong-secret" not in str(caught.value) + caplog.text


def test_a_certificate_that_nobody_vouches_for_is_refused(with_directory: WithDirectory) -> None:
    url = with_directory.url().partition("&tls_ca")[0]
    with pytest.raises(HiveUnreachableError, match="CERTIFICATE_VERIFY_FAILED"), hive.connect(url):
        pass


# Kerberos


@pytest.fixture(scope="module")
def bank_realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    """A realm; this process finds it by ``KRB5_CONFIG``."""
    pytest.importorskip("kerberos", reason="pykerberos is not installed: docs/production.md")
    if lacking := missing(REALM_PROGRAMS):
        pytest.skip(f"no {', '.join(lacking)} here: Debian's krb5-kdc, -admin-server, -user")
    with realm(tmp_path_factory.mktemp("realm") / "kdc") as made, pytest.MonkeyPatch.context() as m:
        m.setenv("KRB5_CONFIG", str(made.configuration))
        yield made


@pytest.fixture(scope="module")
def keytab(bank_realm: Realm) -> Path:
    """Keys of Passbook's own principal."""
    return bank_realm.keytab(USER)


@pytest.fixture(scope="module", params=["auth", "auth-conf"])
def secured(
    request: pytest.FixtureRequest,
    bank_realm: Realm,
    keytab: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """Address of a HiveServer2 that asks for a ticket; ``auth-conf``: and encrypts what it says.

    Its metastore asks HiveServer2 for a ticket too.
    """
    home = tmp_path_factory.mktemp("secured") / "hive"
    principal, keys = f"{SERVICE}@{REALM}", str(bank_realm.service_keytab)
    settings = {
        "hadoop.security.authentication": "kerberos",
        # Tez wants its folders owned by the very user that the principal stands for.
        "hadoop.security.auth_to_local": (
            f"RULE:[2:$1@$0](hive@{REALM})s/.*/{getpass.getuser()}/\nDEFAULT"
        ),
        "hive.server2.authentication": "KERBEROS",
        "hive.server2.authentication.kerberos.principal": principal,
        "hive.server2.authentication.kerberos.keytab": keys,
        "hive.server2.thrift.sasl.qop": request.param,
        "yarn.resourcemanager.principal": principal,  # Tez asks for it, though nothing runs there
        "hive.metastore.sasl.enabled": "true",
        "hive.metastore.kerberos.principal": principal,
        "hive.metastore.kerberos.keytab.file": keys,
    }

    def ready(port: int) -> bool:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("KRB5_CLIENT_KTNAME", str(keytab))
            environment.setenv("KRB5CCNAME", str(home / "ready.cache"))
            return answers(by_ticket(port))

    try:
        options = [f"-Djava.security.krb5.conf={bank_realm.configuration}"]
        url = server.start(home, settings, options=options, ready=ready)
        yield by_ticket(int(url.split(":")[-1].split("/")[0]))
    finally:
        server.stop(home)


def by_ticket(port: int) -> str:
    return f"hive://localhost:{port}/?auth=KERBEROS&timeout=120"


@pytest.fixture
def products(secured: str, keytab: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Database with the work table ``product``, made with tickets from the keytab."""
    monkeypatch.setenv("KRB5_CLIENT_KTNAME", str(keytab))
    monkeypatch.setenv("KRB5CCNAME", str(tmp_path / "cache"))
    folder = tmp_path / "product" / "part"
    folder.mkdir(parents=True)
    pq.write_table(PRODUCTS, folder / "part-0.parquet")
    with hive.connect(secured) as door:
        door.execute("CREATE DATABASE IF NOT EXISTS login_test")
        door.execute(
            f"CREATE EXTERNAL TABLE login_test.product ({HIVE_COLUMNS}) "
            "PARTITIONED BY (base_date DATE) STORED AS PARQUET "
            f"LOCATION '{folder.parent.as_uri()}'"
        )
        door.execute(
            f"ALTER TABLE login_test.product ADD PARTITION (base_date='{BASE_DATE}') "
            f"LOCATION '{folder.as_uri()}'"
        )
    return "login_test"


def test_a_keytab_is_enough_and_tables_come_whole(secured: str, products: str) -> None:
    for reader in ("files", "thrift"):
        with hive.connect(f"{secured}&read={reader}") as door:
            assert door.read_table(products, "product", BASE_DATE).equals(PRODUCTS)


def test_a_statement_goes_on_when_the_ticket_has_run_out(
    secured: str, bank_realm: Realm, keytab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lifetime = 15
    cache = bank_realm.ticket(USER, keytab, lifetime=f"{lifetime}s")
    end = time.monotonic() + lifetime
    monkeypatch.setenv("KRB5CCNAME", str(cache))
    with hive.connect(secured) as door:
        door.execute("CREATE TABLE IF NOT EXISTS default.late (n INT) STORED AS PARQUET")
        time.sleep(max(0, end - time.monotonic()) + 2)  # whole seconds count
        door.execute("INSERT OVERWRITE TABLE default.late VALUES (1), (2)")
        assert door.query("SELECT sum(n) AS n FROM default.late")["n"].to_pylist() == [3]
    with pytest.raises(HiveLoginError, match="expired"), hive.connect(secured):
        pass


def test_a_password_does_not_log_in_where_a_ticket_is_asked_for(secured: str) -> None:
    url = secured.replace("KERBEROS", "LDAP")
    with pytest.raises(HiveLoginError, match="Unsupported mechanism"), hive.connect(url):
        pass
