"""Statements that count, in one scan of each table, what the rules ask and a check shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import pyarrow as pa

from passbook.contracts import WORK_TABLES, Column
from passbook.quality.rules import Rule, references

ROWS: Final = "row_count"


def column_of(table: str, alias: str) -> str:
    """Return the name of a figure of a work table."""
    return f"{table}__{alias}"


def partition_sql(table: str, database: str, base_date: str) -> str:
    """Return the SELECT of a work table's partition; `base_date` is an SQL literal."""
    return f"SELECT * FROM {database}.{table} WHERE base_date = {base_date}"


def figures_sql(rules: Mapping[str, Sequence[Rule]], selects: Mapping[str, str]) -> str:
    """Return a SELECT of one row: each table's rows, and for each rule the rows that break it.

    The tables are counted apart and joined as single rows, so that the engine may scan them at
    the same time.

    Parameters
    ----------
    rules : mapping of str to sequence of Rule
        Rules of each work table to count.
    selects : mapping of str to str
        The SELECT behind each of these tables, and behind those that they refer to.
    """
    names, parts = [], []
    first = next(iter(rules))
    for table, asked in rules.items():
        aliases = [ROWS, *(rule.alias for rule in asked)]
        names += [f"f_{table}.`{column_of(table, alias)}`" for alias in aliases]
        condition = "" if table == first else f" ON f_{first}.one = f_{table}.one"
        parts.append(f"(\n{_count(table, asked, selects)}\n) f_{table}{condition}")
    return "SELECT\n    " + ",\n    ".join(names) + "\nFROM " + "\nJOIN ".join(parts)


def _count(table: str, rules: Sequence[Rule], selects: Mapping[str, str]) -> str:
    counts = [f"COUNT(*) AS `{column_of(table, ROWS)}`", "1 AS one"]
    counts += [
        f"CAST({rule.unexpected} AS BIGINT) AS `{column_of(table, rule.alias)}`" for rule in rules
    ]
    joins = [
        f"LEFT JOIN (SELECT DISTINCT r.`{WORK_TABLES[r.table].key[0]}` AS k "
        f"FROM (\n{selects[r.table]}\n) r) {r.table}_keys ON t.`{r.column}` = {r.table}_keys.k"
        for r in references(WORK_TABLES[table], selects)
    ]
    columns = ",\n    ".join(counts)
    return "\n".join([f"SELECT\n    {columns}", f"FROM (\n{selects[table]}\n) t", *joins])


def statistics_sql(table: str, select: str) -> str:
    """Return a SELECT of one row: of each column nulls, distinct values, smallest, largest.

    The two last are null for texts without a code list: they would show a customer's data.
    """
    figures = ["COUNT(*) AS `rows_found`"]
    for column in WORK_TABLES[table].columns:
        name = f"t.`{column.name}`"
        figures += [
            f"COUNT(*) - COUNT({name}) AS `{column.name}__nulls`",
            f"COUNT(DISTINCT {name}) AS `{column.name}__distinct`",
        ]
        for word in ("MIN", "MAX"):
            value = f"CAST({word}({name}) AS STRING)" if _is_shown(column) else "''"
            figures.append(f"{value} AS `{column.name}__{word.lower()}`")
    listed = ",\n    ".join(figures)
    return f"SELECT\n    {listed}\nFROM (\n{select}\n) t"


def _is_shown(column: Column) -> bool:
    orderable = not (pa.types.is_string(column.type) or pa.types.is_boolean(column.type))
    return orderable or bool(column.codes)
