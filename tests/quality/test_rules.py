"""Every column's contract has its rules, and the counting statement asks each of them."""

from __future__ import annotations

import pytest
import sqlglot

from passbook.contracts import WORK_TABLES
from passbook.quality.figures import (
    column_figures,
    examples_sql,
    figures_sql,
    partition_sql,
)
from passbook.quality.history import ColumnFigures, History, history_rules
from passbook.quality.rules import rules_of

AT = "DATE '2022-12-04'"
ALL = tuple(WORK_TABLES)


def names(table: str, offered: tuple[str, ...] = ALL, empty: tuple[str, ...] = ()) -> set[str]:
    return {rule.name for rule in rules_of(table, AT, offered, empty)}


@pytest.mark.parametrize("table", WORK_TABLES)
def test_each_column_of_the_contract_is_held(table: str) -> None:
    asked = names(table)
    for column in WORK_TABLES[table].columns:
        assert (f"{column.name}.present" in asked) is not column.nullable
        assert (f"{column.name}.not_future" in asked) is column.event
        assert (f"{column.name}.code" in asked) is bool(column.codes)
        assert (f"{column.name}.minimum" in asked) is (column.minimum is not None)
        assert (f"{column.name}.maximum" in asked) is (column.maximum is not None)
        assert (f"{column.name}.not_all_null" in asked) is (column.nullable and not column.optional)
    assert ("key.unique" in asked) is bool(WORK_TABLES[table].key)


@pytest.mark.parametrize("table", WORK_TABLES)
def test_a_rule_is_asked_once(table: str) -> None:
    rules = rules_of(table, AT, ALL)
    assert len({rule.alias for rule in rules}) == len(rules)


def test_only_an_empty_mandatory_table_rejects() -> None:
    severity = {
        table: next(r.severity for r in rules_of(table, AT, ALL) if r.name == "rows.not_empty")
        for table in WORK_TABLES
    }
    assert {table for table, word in severity.items() if word == "fail"} == {"customer", "product"}


def test_references_are_asked_among_offered_tables() -> None:
    assert {"customer_id.known", "product_code.known"} <= names("fund_holding")
    assert "product_code.known" not in names("fund_holding", ("customer", "fund_holding"))
    assert "customer_id.known" not in names("customer")


def test_a_column_left_empty_on_purpose_is_not_called_all_null() -> None:
    assert "sex.not_all_null" in names("customer")
    assert "sex.not_all_null" not in names("customer", empty=("sex",))


@pytest.mark.parametrize("dialect", ["hive", "spark"])
@pytest.mark.parametrize("table", ALL)
def test_the_statements_parse_and_count_every_rule(table: str, dialect: str) -> None:
    columns = {(table, c.name): ColumnFigures(0.25, 1e16) for c in WORK_TABLES[table].columns}
    rules = rules_of(table, AT, ALL) + history_rules(table, History({table: [7]}, {}, columns))
    selects = {other: partition_sql(other, "work", AT) for other in ALL}
    figures = column_figures(WORK_TABLES[table])
    statement = figures_sql(table, rules, selects, figures)
    select = sqlglot.parse_one(statement, dialect=dialect)
    assert select.named_selects == ["row_count", *figures, *(rule.alias for rule in rules)]
    shown = [rule for rule in rules if rule.where]
    select = sqlglot.parse_one(examples_sql(table, shown, selects), dialect=dialect)
    assert select.named_selects == [rule.alias for rule in shown]


def test_columns_scanned_for_keys_are_the_keys_alone() -> None:
    selects = {other: partition_sql(other, "work", AT) for other in ALL}
    sql = figures_sql("credit_outcome", rules_of("credit_outcome", AT, ALL), selects)
    assert sql.count("GROUP BY") == 1
    assert "SELECT t.`customer_id`, t.`observation_date`, COUNT(*) AS n" in sql
