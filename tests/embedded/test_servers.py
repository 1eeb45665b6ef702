"""The embedded servers answer, and tests get databases of their own."""

from contextlib import closing
from urllib.parse import urlsplit

import psycopg2
import pytest
from pyhive import hive


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
