"""The weekly ingest of a small demo bank on Apache Hive itself, beside the embedded engine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import hive, ledger, mart, sources
from passbook.contracts import STAGES, WORK_TABLES
from passbook.demo.bank.simulation import simulate
from passbook.demo.load import register
from passbook.embedded import hiveserver2
from passbook.settings import Settings
from passbook.steps import ingest_work_tables as ingest
from passbook.steps.check_source import check_source
from passbook.steps.stage import Stage
from passbook.steps.week import Week

pytestmark = [
    pytest.mark.apache_hive, pytest.mark.hive, pytest.mark.postgres, pytest.mark.timeout(1500),
]  # fmt: skip

BASE_DATE = date(2026, 3, 15)
SOURCE = f"apache_{os.getpid()}_test"
BANK = f"bank_{SOURCE}"


@pytest.fixture(scope="module")
def bank_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("apache-bank")
    simulate(folder, customers=300, seed=5, end=BASE_DATE)
    return folder


@pytest.fixture(scope="module")
def apache(hive_url: str, bank_files: Path) -> Iterator[hive.Hive]:
    """Apache Hive with the bank's tables."""
    with hive.connect(f"{hive_url}&timeout=300") as door:
        register(door, bank_files, BANK)
        yield door
        for database in (BANK, f"work_{SOURCE}"):
            door.execute(f"DROP DATABASE IF EXISTS {database} CASCADE")


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, bank_files: Path) -> Iterator[hive.Hive]:
    """The embedded engine with the same."""
    home = tmp_path_factory.mktemp("embedded")
    try:
        with hive.connect(hiveserver2.start(home).url) as door:
            register(door, bank_files, BANK)
            yield door
    finally:
        hiveserver2.stop(home)


@pytest.fixture(scope="module")
def loader(addresses: mart.Addresses) -> Iterator[Connection]:
    """A loader's connection to a migrated mart."""
    with closing(mart.connect(addresses.loader)) as connection:
        yield connection


@pytest.fixture(scope="module")
def week(apache: hive.Hive, tmp_path_factory: pytest.TempPathFactory) -> Week:
    """The demo's adapter under a name for tests."""
    folder = tmp_path_factory.mktemp("adapters")
    shutil.copytree(sources.find("demo").folder, folder / SOURCE)
    # Tez inside HiveServer2 fails now and then when two statements run at once.
    settings = Settings(source=SOURCE, source_database=BANK, sources=folder, hive_concurrency=1)
    return Week(BASE_DATE, settings, apache, sources.find(SOURCE, folder))


@pytest.fixture(scope="module")
def ingested(week: Week, loader: Connection) -> dict[str, Any]:
    fence = ledger.begin_stage(loader, STAGES[0], BASE_DATE, "test")
    return ingest.work(Stage(week, loader, fence, week.settings))


def test_the_source_is_sound(week: Week) -> None:
    found = list(check_source(week.hive, week.source, BASE_DATE, BANK))
    assert [check.table for check in found] == list(week.source.tables)
    assert [fault for check in found for fault in check.faults] == []
    assert all(check.rows for check in found)


def test_the_week_is_built_and_passes(ingested: dict[str, Any], loader: Connection) -> None:
    assert set(ingested["rows"]) == set(WORK_TABLES)
    assert ingested["rows"]["customer"] == 300
    with loader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ops.quality_result WHERE passed")
        assert (cursor.fetchone() or (0,))[0] > 100


@pytest.mark.parametrize("name", WORK_TABLES)
def test_both_engines_give_the_same_rows(
    name: str, ingested: dict[str, Any], week: Week, embedded: hive.Hive
) -> None:
    table = WORK_TABLES[name]
    ours = week.hive.read_table(week.settings.work_database, name, BASE_DATE)
    theirs = embedded.query(week.source.statement(name, BASE_DATE, BANK))
    assert ours.num_rows == ingested["rows"][name] == theirs.num_rows
    keys = table.key or table.column_names
    order = [(column, "ascending") for column in keys]
    ours, theirs = (t.select(table.column_names).sort_by(order) for t in (ours, theirs))
    for column in table.columns:
        left, right = (t[column.name].to_pylist() for t in (ours, theirs))
        if pa.types.is_floating(column.type):
            left, right = (np.array(values, float) for values in (left, right))
            assert left == pytest.approx(right, rel=1e-9, abs=1e-9, nan_ok=True), column.name
        else:
            assert left == right, column.name


def test_rows_come_the_same_through_thrift(
    ingested: dict[str, Any], week: Week, hive_url: str
) -> None:
    database = week.settings.work_database
    with hive.connect(f"{hive_url}&read=thrift&timeout=300") as door:
        for name in ("customer", "behaviour"):
            streamed = door.read_table(database, name, BASE_DATE)
            from_files = week.hive.read_table(database, name, BASE_DATE)
            assert streamed.equals(from_files)
    assert isinstance(streamed, pa.Table)
