"""What a SELECT scans, read off either engine's plan."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from passbook import hive, sources
from passbook.steps.explain_source import Scan, dependency_scans, explain_source, spark_scans

BANK = f"explained_{os.getpid()}_test"


@pytest.fixture(scope="module")
def door(hive_url: str) -> Iterator[hive.Hive]:
    with hive.connect(hive_url) as connection:
        connection.execute(f"CREATE DATABASE {BANK}")
        connection.execute(
            f"CREATE TABLE {BANK}.contract (client_no STRING, signed_on DATE) "
            "PARTITIONED BY (ym STRING) STORED AS PARQUET"
        )
        for month in ("202210", "202211", "202212"):
            connection.execute(f"ALTER TABLE {BANK}.contract ADD PARTITION (ym='{month}')")
        connection.execute(f"CREATE TABLE {BANK}.client (client_no STRING) STORED AS PARQUET")
        yield connection
        connection.execute(f"DROP DATABASE {BANK} CASCADE")


@pytest.mark.hive
def test_partitions_that_are_read_are_counted(door: hive.Hive, tmp_path: Path) -> None:
    selects = {
        "customer": "SELECT client_no AS customer_id FROM ${bank}.client",
        "product": "SELECT client_no AS product_code FROM ${bank}.contract",
        "fund_holding": "SELECT a.client_no FROM ${bank}.contract a JOIN ${bank}.client b "
        "ON a.client_no = b.client_no WHERE a.ym >= '202211'",
    }
    (tmp_path / "mine").mkdir()
    for table, select in selects.items():
        (tmp_path / "mine" / f"{table}.sql").write_text(select)
    found = explain_source(door, sources.find("mine", tmp_path), date(2022, 12, 4), BANK)
    assert {table: scans for table, scans, _ in found} == {
        "customer": [Scan(f"{BANK}.client")],
        "product": [Scan(f"{BANK}.contract", 3, 3)],
        "fund_holding": [Scan(f"{BANK}.client"), Scan(f"{BANK}.contract", 2, 3)],
    }


def test_a_scan_is_told_in_words() -> None:
    assert str(Scan("b.t")) == "b.t: whole, it has no partitions"
    assert str(Scan("b.t", 2, 30)) == "b.t: 2 of 30 partitions"
    assert str(Scan("b.t", 30, 30)) == "b.t: 30 of 30 partitions  <- read whole"
    assert "doesn't tell" in str(Scan("b.t", None, 30))


def test_a_table_read_twice_counts_with_the_most_partitions() -> None:
    line = (
        "+- FileScan parquet spark_catalog.b.t[a#1] Location: InMemoryFileIndex({} paths)[x], "
        "PartitionFilters: [{}], PushedFilters: []"
    )
    some, more, all_ = line.format(2, "a#1"), line.format(7, "a#1"), line.format(1, "")
    text = "+- Scan hive b.text [a#1], HiveTableRelation"
    assert spark_scans(f"{some}\n{more}\n{text}") == {"b.t": 7, "b.text": None}
    assert (spark_scans(f"{more}\n{all_}")["b.t"] or 0) > 1000


def test_what_apache_hive_answers_is_counted_by_table() -> None:
    told = {
        "input_tables": [{"tablename": "b@t"}, {"tablename": "_dummy_database@_dummy_table"}],
        "input_partitions": [{"partitionName": f"b@t@ym=2022{m}"} for m in (10, 11)],
    }
    assert dependency_scans(told) == {"b.t": 2}
