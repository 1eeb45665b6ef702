"""The contracts are consistent with each other."""

import pyarrow as pa
import pytest

from passbook.contracts import FAMILIES, MART_TABLES, OPS_TABLES, SCENARIOS, WORK_TABLES, Table

ALL = [*WORK_TABLES.values(), *MART_TABLES.values(), *OPS_TABLES.values()]


@pytest.mark.parametrize("table", ALL, ids=lambda table: table.name)
def test_keys_are_columns_that_are_never_null(table: Table) -> None:
    nullable = {column.name for column in table.columns if column.nullable}
    assert set(table.key) <= set(table.column_names)
    assert not set(table.key) & nullable


@pytest.mark.parametrize("table", ALL, ids=lambda table: table.name)
def test_columns_are_unique_and_described(table: Table) -> None:
    assert len(set(table.column_names)) == len(table.columns)
    assert all(column.description for column in table.columns)
    assert table.schema.names == list(table.column_names)


def test_what_is_dated_is_a_date() -> None:
    for table in WORK_TABLES.values():
        assert all(column.type == pa.date32() for column in table.columns if column.event)


def test_every_scenario_is_of_a_family_with_holdings() -> None:
    assert {scenario.split(".")[1] for scenario in SCENARIOS if "." in scenario} == set(FAMILIES)
    assert {f"{family}_holding" for family in FAMILIES} <= set(WORK_TABLES)


def test_the_mart_is_keyed_by_base_date() -> None:
    assert all(table.key[0] == "base_date" for table in MART_TABLES.values())
