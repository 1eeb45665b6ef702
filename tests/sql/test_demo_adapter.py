"""Each work table of the demo adapter, from tiny inputs to the expected rows, on a real engine.

A case is ``tests/sql/<work_table>/<case>.yaml``: why it matters, the base date, the source rows it
gives (absent columns are null), and the rows it expects (only the columns it names are compared).
All cases share one bank: their customers and products carry the case's name, so that each work
table is built only once a base date.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from passbook import sources
from passbook.contracts import WORK_TABLES
from passbook.demo.bank.source_tables import SOURCE_TABLES
from passbook.demo.load import register
from passbook.hive import Hive, connect

pytestmark = pytest.mark.hive

CASES = sorted(Path(__file__).parent.glob("*/*.yaml"))
PREFIXED = {"cust_no", "acct_no"}


@cache
def read_case(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def prefix(path: Path) -> str:
    return f"{path.parent.name}.{path.stem}."


def given_rows(table: str) -> list[dict[str, Any]]:
    """Return a source table's rows of all cases, keys under their case's name."""
    keys = PREFIXED | ({"prod_cd"} if table == "product_master" else set())
    return [
        {name: prefix(path) + value if name in keys else value for name, value in row.items()}
        for path in CASES
        for row in read_case(path)["given"].get(table, [])
    ]


def write_bank(folder: Path) -> None:
    for table in SOURCE_TABLES.values():
        base = folder / "tables" / table.name
        base.mkdir(parents=True)
        parts: dict[Path, list[dict[str, Any]]] = {} if table.partition else {base: []}
        for row in given_rows(table.name):
            day = row.get("bas_dt") or row.get("txn_dt")
            place = base / f"{table.partition}={day:%Y%m}" if table.partition else base
            parts.setdefault(place, []).append(row)
        for place, rows in parts.items():
            place.mkdir(exist_ok=True)
            columns = {f.name: pa.array([r.get(f.name) for r in rows], f.type)
                       for f in table.schema}  # fmt: skip
            pq.write_table(pa.table(columns, schema=table.schema), place / "part-0.parquet")


@pytest.fixture(scope="module")
def bank(
    hive_url: str, hive_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Hive, str]]:
    folder = tmp_path_factory.mktemp("tiny-bank")
    write_bank(folder)
    with connect(hive_url) as hive:
        register(hive, folder, hive_database)
        yield hive, hive_database


@pytest.fixture(scope="module")
def built(bank: tuple[Hive, str]) -> dict[tuple[str, date], pa.Table]:
    """Return each work table that a case wants, a base date."""
    hive, database = bank
    demo = sources.find("demo")
    wanted = {(path.parent.name, read_case(path)["base_date"]) for path in CASES}
    return {
        (table, day): hive.query(demo.statement(table, day, database))
        for table, day in sorted(wanted)
    }


@pytest.mark.parametrize("path", CASES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_case(path: Path, built: dict[tuple[str, date], pa.Table]) -> None:
    case = read_case(path)
    table = built[path.parent.name, case["base_date"]]
    key = "product_code" if path.parent.name == "product" else "customer_id"
    rows = [
        row | {key: row[key].removeprefix(prefix(path))}
        for row in table.to_pylist()
        if row[key].startswith(prefix(path))
    ]
    expected = case["expect"]

    def identity(row: dict[str, Any]) -> tuple[str, ...]:
        extra = ("product_code", "opened_on", "observation_date")
        return (str(row[key]), *(str(row.get(name)) for name in extra if name in row))

    rows.sort(key=identity)
    expected = sorted(expected, key=identity)
    assert [identity(row)[0] for row in rows] == [identity(row)[0] for row in expected]
    for row, wanted in zip(rows, expected, strict=True):
        got = {name: row[name] for name in wanted}
        assert got == pytest.approx(wanted, abs=1e-9), case["why"]


@pytest.mark.parametrize("name", sorted(WORK_TABLES))
def test_every_statement_gives_the_contract(
    name: str, built: dict[tuple[str, date], pa.Table]
) -> None:
    schema = built[name, date(2022, 12, 4)].schema
    assert [(f.name, f.type) for f in schema] == [
        (f.name, f.type) for f in WORK_TABLES[name].schema
    ]
