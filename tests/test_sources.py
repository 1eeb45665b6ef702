"""Adapters are found, read whole, and rendered with dates and database names only."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from passbook import sources
from passbook.contracts import WORK_TABLES
from passbook.errors import AdapterError, UnknownSourceError

BASE_DATE = date(2022, 12, 4)


def write(folder: Path, name: str, **statements: str) -> Path:
    """Write an adapter with the mandatory tables, some of them replaced."""
    place = folder / name
    place.mkdir(parents=True)
    files = {"customer": "SELECT 1", "product": "SELECT 2", "fund_holding": "SELECT 3"} | statements
    for table, sql in files.items():
        (place / f"{table}.sql").write_text(sql, encoding="utf-8")
    return folder


def test_the_sources_that_come_with_passbook_are_sound() -> None:
    assert sources.names() == ["demo", "insurance_purchases"]
    assert set(sources.find("demo").tables) == set(WORK_TABLES)
    insurer = sources.find("insurance_purchases")
    assert set(insurer.tables) == {"customer", "product", "insurance_holding"}
    assert insurer.offers("customer")
    assert not insurer.offers("behaviour")


def test_an_unknown_source_is_e105_and_names_the_known_ones() -> None:
    with pytest.raises(UnknownSourceError, match=r"'nobody'; known: demo, insurance_purchases"):
        sources.find("nobody")


@pytest.mark.parametrize("name", ["../demo", "", "Demo", "demo; drop"])
def test_a_name_that_is_none_is_not_looked_up(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownSourceError):
        sources.find(name, tmp_path)


def test_an_adapter_outside_goes_before_a_built_in_one(tmp_path: Path) -> None:
    found = sources.find("demo", write(tmp_path, "demo"))
    assert found.folder == tmp_path / "demo"
    assert sources.names(tmp_path) == ["demo", "insurance_purchases"]


def test_every_fault_of_an_adapter_is_told_at_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        "faulty",
        customer="-- nothing but a comment",
        behaviour="SELECT 1; DROP TABLE x",
        deposit_profile="INSERT INTO x SELECT 1",
        insurance_profile="SELECT ${today}",
        customers="SELECT 1",
    )
    (tmp_path / "faulty" / "product.sql").unlink()
    (tmp_path / "faulty" / "fund_holding.sql").unlink()
    with pytest.raises(AdapterError) as caught:
        sources.find("faulty", tmp_path)
    for fault in (
        "product.sql is missing",
        "a holding table is missing",
        "customer.sql is empty",
        "behaviour.sql holds more than one statement",
        "deposit_profile.sql does not start with SELECT or WITH",
        "insurance_profile.sql: ${today} is no parameter",
        "customers.sql: no work table has this name",
    ):
        assert fault in str(caught.value)


def test_semicolons_in_texts_and_comments_are_no_second_statement(tmp_path: Path) -> None:
    sql = "-- one; two\nSELECT 'a;b' AS x /* ; */;\n"
    source = sources.find("fine", write(tmp_path, "fine", customer=sql))
    assert source.statement("customer", BASE_DATE, "bank").endswith("/* ; */")


def test_only_dates_and_databases_are_rendered(tmp_path: Path) -> None:
    sql = (
        "SELECT ${base_date}, ${observation_date}, ${earlier_observation_date}, '$x', '{y}' "
        "FROM ${bank}.a JOIN ${work}.product"
    )
    source = sources.find("fine", write(tmp_path, "fine", customer=sql))
    assert source.statement("customer", BASE_DATE, "my_bank") == (
        "SELECT DATE '2022-12-04', DATE '2022-06-05', DATE '2021-12-05', '$x', '{y}' "
        "FROM my_bank.a JOIN work_fine.product"
    )


@pytest.mark.parametrize("database", ["a; DROP DATABASE b", "a.b", "a b", "", "`a`"])
def test_a_database_name_cannot_carry_sql(database: str) -> None:
    with pytest.raises(AdapterError, match="no name of a Hive database"):
        sources.find("demo").statement("customer", BASE_DATE, database)


def test_a_table_comes_after_those_its_sql_reads(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        "chained",
        customer="SELECT 1 FROM ${work}.fund_holding JOIN ${work}.`product` -- ${work}.behaviour",
        product="SELECT 1 FROM ${work}.fund_holding",
    )
    source = sources.find("chained", folder)
    assert source.tables == ("fund_holding", "product", "customer")
    assert source.needs("customer") == {"fund_holding", "product"}


def test_tables_that_read_each_other_are_refused(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        "circle",
        customer="SELECT 1 FROM ${work}.product",
        product="SELECT 1 FROM ${work}.customer",
    )
    with pytest.raises(AdapterError, match="read each other"):
        sources.find("circle", folder)


def test_a_table_cannot_read_one_that_is_not_built(tmp_path: Path) -> None:
    folder = write(tmp_path, "lone", customer="SELECT 1 FROM ${work}.behaviour")
    with pytest.raises(AdapterError, match="reads behaviour, which the source does not build"):
        sources.find("lone", folder)


def test_a_column_left_empty_on_purpose_is_recognised() -> None:
    insurer = sources.find("insurance_purchases")
    assert insurer.empty_columns("insurance_holding") == {"closed_on", "amount"}
