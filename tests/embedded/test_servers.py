"""The embedded servers: they answer, tests get databases of their own, failures are told."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
from pyhive import hive

from passbook.embedded import hiveserver2, postgres, process
from passbook.errors import ServerStartError


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="passbook-failures-"))
    yield folder
    postgres.stop(folder)
    hiveserver2.stop(folder)
    shutil.rmtree(folder)


@pytest.mark.postgres
def test_a_fresh_postgres_database_is_utf8_and_named_for_tests(postgres_database: str) -> None:
    with closing(psycopg2.connect(postgres_database)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_database(), current_setting('server_encoding')")
        assert cursor.fetchone() == (urlsplit(postgres_database).path[1:], "UTF8")
    assert postgres_database.endswith("_test")


@pytest.mark.hive
def test_hive_writes_and_reads_a_parquet_partition_with_hive_semantics(
    hive_url: str, hive_database: str
) -> None:
    address = urlsplit(hive_url)
    with (
        closing(hive.connect(address.hostname, address.port, username="t")) as connection,
        closing(connection.cursor()) as cursor,
    ):
        cursor.execute(
            f"CREATE TABLE {hive_database}.t (name STRING, n INT) PARTITIONED BY (base_date DATE)"
            " STORED AS PARQUET"
        )
        cursor.execute(
            f"INSERT OVERWRITE TABLE {hive_database}.t PARTITION (base_date = DATE '2022-12-04')"
            " SELECT '우체국 정기예금', CAST('not a number' AS INT)"
        )
        cursor.execute(f"SELECT * FROM {hive_database}.t")
        assert [tuple(map(str, row)) for row in cursor.fetchall()] == [
            ("우체국 정기예금", "None", "2022-12-04")
        ]


@pytest.mark.postgres
def test_postgres_takes_another_port_is_kept_and_keeps_its_data(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind((process.ADDRESS, 0))
        taken.listen()
        port = taken.getsockname()[1]
        first = postgres.start(home, port=port)
    assert first.port != port
    assert postgres.start(home) == first
    with closing(psycopg2.connect(first.url)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 7 AS n")
        connection.commit()
    assert postgres.stop(home)
    assert not postgres.healthy(first.url)
    again = postgres.start(home)
    with closing(psycopg2.connect(again.url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT n FROM kept")
        assert cursor.fetchone() == (7,)
    assert again.password == first.password


@pytest.mark.postgres
def test_a_port_that_another_server_takes_in_between_is_given_up(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind((process.ADDRESS, 0))
        other.listen()
        port = other.getsockname()[1]
        free_port = process.free_port
        monkeypatch.setattr(process, "free_port", lambda p: p if p == port else free_port(p))
        assert postgres.start(home, port=port).port != port


@pytest.mark.postgres
def test_postgres_asks_for_the_password_and_logs_no_values(home: Path) -> None:
    server = postgres.start(home)
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(server.database_url("postgres", password="wrong"))
    with closing(psycopg2.connect(server.url)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (customer_id text PRIMARY KEY)")
        cursor.execute("INSERT INTO t VALUES ('C0000042')")
        with pytest.raises(psycopg2.errors.UniqueViolation):
            cursor.execute("INSERT INTO t VALUES ('C0000042')")
    log = process.log_path(home, postgres.NAME).read_text()
    assert "duplicate key" in log
    assert "C0000042" not in log


@pytest.mark.postgres
def test_postgres_that_dies_at_its_start_says_why(home: Path) -> None:
    data = home / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(ServerStartError) as failure:
        postgres.start(home)
    assert "postgres: It ended while starting: " in str(failure.value)
    assert str(home / "logs" / "postgres.log") in str(failure.value)


@pytest.mark.hive
def test_hiveserver2_that_dies_at_its_start_says_why(home: Path) -> None:
    with pytest.raises(ServerStartError) as failure:
        hiveserver2.start(home, heap="1k")
    told = str(failure.value)
    assert told.startswith("E804 ")
    assert "hiveserver2: It ended while starting: " in told
    assert "heap" in told
    assert str(home / "logs" / "hiveserver2.log") in told
