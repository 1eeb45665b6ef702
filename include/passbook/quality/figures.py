"""Statements that count what the rules ask, and what a check shows: one a work table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import pyarrow as pa

from passbook.contracts import WORK_TABLES, Column, Table
from passbook.quality.rules import Rule, finite, references

ROW_COUNT: Final = "row_count"
SHAPE_LETTERS: Final = 40
"""Most letters of an example that are looked at."""


def partition_sql(table: str, database: str, base_date: str) -> str:
    """Return the SELECT of a work table's partition; `base_date` is an SQL literal."""
    return f"SELECT * FROM {database}.{table} WHERE base_date = {base_date}"


def figures_sql(
    table: str,
    rules: Sequence[Rule],
    selects: Mapping[str, str],
    figures: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return a SELECT of one row: the table's rows, and for each rule the rows that break it.

    What is asked of single rows is counted in one scan of all columns, without a shuffle. Keys and
    references are grouped apart, from their columns alone: so neither drags the others through the
    engine's shuffle, and an engine with a free core counts both at once.

    Parameters
    ----------
    table : str
        A work table.
    rules : sequence of Rule
        What to count.
    selects : mapping of str to str
        The SELECT behind the table, and behind those that it refers to.
    figures : mapping of str to str
        More aggregates over `t` by name, such as those of `column_figures`.
    """
    return _one_row(table, selects, {ROW_COUNT: "COUNT(*)", **figures}, {
        rule.alias: (rule.group, f"CAST({rule.unexpected} AS BIGINT)") for rule in rules
    })  # fmt: skip


def examples_sql(table: str, rules: Sequence[Rule], selects: Mapping[str, str]) -> str:
    """Return a SELECT of one row: for each rule the shape of a value that breaks it.

    A shape has 9 for a digit, a for a letter, 가 for a Korean one and ? for what is neither letter
    nor usual sign, so that it tells what is wrong and nothing of a customer.

    Parameters
    ----------
    table, selects
        As `figures_sql`.
    rules : sequence of Rule
        Such as have a condition.
    """
    return _one_row(table, selects, {}, {
        rule.alias: (rule.group, f"MIN(CASE WHEN {rule.where} THEN {_shape(table, rule)} END)")
        for rule in rules
    })  # fmt: skip


def _shape(table: str, rule: Rule) -> str:
    column = rule.column if rule.column in WORK_TABLES[table].column_names else rule.group[0]
    text = f"substr(CAST({'g' if rule.group else 't'}.`{column}` AS STRING), 1, {SHAPE_LETTERS})"
    for letters, sign in (("[0-9]", "9"), ("[A-Za-z]", "a"), ("[가-힣]", "가"),
                          ("[^9a가 .,:/+-]", "?")):  # fmt: skip
        text = f"regexp_replace({text}, '{letters}', '{sign}')"
    return f"COALESCE({text}, 'null')"


def _one_row(
    table: str,
    selects: Mapping[str, str],
    of_rows: Mapping[str, str],
    figures: Mapping[str, tuple[tuple[str, ...], str]],
) -> str:
    """Join the single rows of aggregates over the table and over each of its groupings."""
    asked = {alias: ((), sql) for alias, sql in of_rows.items()} | dict(figures)
    groupings = list(dict.fromkeys(group for group, _ in asked.values()))
    names = [f"f{groupings.index(group)}.`{alias}`" for alias, (group, _) in asked.items()]
    parts = []
    for number, group in enumerate(groupings):
        listed = [f"{sql} AS `{alias}`" for alias, (by, sql) in asked.items() if by == group]
        columns = ",\n    ".join([*listed, "1 AS one"])
        source = _groups(table, group, selects) if group else f"FROM (\n{selects[table]}\n) t"
        condition = f" ON f0.one = f{number}.one" if number else ""
        parts.append(f"(\nSELECT\n    {columns}\n{source}\n) f{number}{condition}")
    return "SELECT\n    " + ",\n    ".join(names) + "\nFROM " + "\nJOIN ".join(parts)


def _groups(table: str, group: tuple[str, ...], selects: Mapping[str, str]) -> str:
    columns = ", ".join(f"t.`{name}`" for name in group)
    joins = [
        f"LEFT JOIN (SELECT DISTINCT r.`{WORK_TABLES[r.table].key[0]}` AS k "
        f"FROM (\n{selects[r.table]}\n) r) {r.table}_keys ON g.`{r.column}` = {r.table}_keys.k"
        for r in references(WORK_TABLES[table], selects)
        if r.column in group
    ]
    counted = f"SELECT {columns}, COUNT(*) AS n FROM (\n{selects[table]}\n) t GROUP BY {columns}"
    return "\n".join([f"FROM ({counted}) g", *joins])


def has_mean(column: Column) -> bool:
    """Return whether a column has a unit that a mean can tell: won or a plain number, no count."""
    kind = column.type
    return bool(pa.types.is_int64(kind) or (pa.types.is_floating(kind) and column.maximum is None))


def mean_of(column: Column) -> str:
    """Return the SQL aggregate of a column's mean over what is finite."""
    name = f"t.`{column.name}`"
    if pa.types.is_floating(column.type):
        return f"AVG(CASE WHEN {finite(name)} THEN {name} END)"
    return f"AVG({name})"


def nulls_name(column: str) -> str:
    """Return the name of a column's figure: how many of its values are null."""
    return f"{column}__nulls"


def mean_name(column: str) -> str:
    """Return the name of a column's figure: its mean."""
    return f"{column}__mean"


def column_figures(table: Table) -> dict[str, str]:
    """Return the aggregates that next week is held against: nulls and means of columns."""
    nulls = {nulls_name(c.name): f"COUNT(*) - COUNT(t.`{c.name}`)"
             for c in table.columns if c.nullable}  # fmt: skip
    return nulls | {mean_name(c.name): mean_of(c) for c in table.columns if has_mean(c)}


def statistics_sql(table: str, select: str) -> str:
    """Return a SELECT of one row: of each column nulls, distinct values, smallest, largest.

    The two last are empty for texts without a code list: they would show a customer's data.
    """
    figures = []
    for column in WORK_TABLES[table].columns:
        name = f"t.`{column.name}`"
        figures += [
            f"COUNT(*) - COUNT({name}) AS `{nulls_name(column.name)}`",
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
