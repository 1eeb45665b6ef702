"""Every adapter's SQL stays inside what Apache Hive and Spark both accept."""

from __future__ import annotations

import re
from datetime import date

import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp

from passbook import sources
from passbook.contracts import WORK_TABLES

STATEMENTS = [(name, table) for name in sources.names() for table in sources.find(name).tables]
ONE_ENGINE_ONLY = {
    "approx_count_distinct", "any_value", "bool_or", "bool_and", "count_if", "date_trunc",
    "dateadd", "datediff_big", "element_at", "filter", "last_value", "listagg", "make_date",
    "max_by", "median", "min_by", "mode", "named_struct", "percentile_cont", "try_cast",
    "transform", "try_divide", "zip_with",
}  # fmt: skip
"""Functions that one of the two lacks, or that they disagree about."""


def parsed(source: str, table: str, dialect: str) -> exp.Expression:
    sql = sources.find(source).statement(table, date(2022, 12, 4), "bank")
    return sqlglot.parse_one(sql, dialect=dialect, error_level=sqlglot.ErrorLevel.RAISE)


@pytest.mark.parametrize("dialect", ["hive", "spark"])
@pytest.mark.parametrize(("source", "table"), STATEMENTS)
def test_a_statement_parses_and_selects_the_contract(source: str, table: str, dialect: str) -> None:
    selected = parsed(source, table, dialect).named_selects
    contract = WORK_TABLES[table].columns
    assert selected == [c.name for c in contract if c.name in selected or not c.optional]


@pytest.mark.parametrize(("source", "table"), STATEMENTS)
def test_a_statement_uses_nothing_of_one_engine_only(source: str, table: str) -> None:
    select = parsed(source, table, "hive")
    assert not list(select.find_all(exp.Qualify, exp.Filter))
    sql = re.sub(r"--[^\n]*", "", sources.find(source).statements[table])
    assert not {word.lower() for word in re.findall(r"(\w+)\s*\(", sql)} & ONE_ENGINE_ONLY


@pytest.mark.parametrize(("source", "table"), STATEMENTS)
def test_a_truth_is_never_a_bare_comparison(source: str, table: str) -> None:
    """Apache Hive 4.0.1 gives null for ``COALESCE(x, 0) > 0`` behind an outer join."""
    truths = {c.name for c in WORK_TABLES[table].columns if pa.types.is_boolean(c.type)}
    for column in parsed(source, table, "hive").selects:
        if column.alias_or_name in truths:
            assert isinstance(column.unalias(), (exp.Case, exp.Boolean, exp.Column)), column


def test_the_check_can_fail() -> None:
    spark_only = sqlglot.parse_one("SELECT a FROM t QUALIFY row_number() OVER () = 1", "spark")
    assert list(spark_only.find_all(exp.Qualify))
