"""Check a source adapter against the bank's tables, before any work table is built."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from passbook.contracts import WORK_TABLES, Table
from passbook.errors import HiveStatementError
from passbook.quality.figures import ROW_COUNT, figures_sql, statistics_sql
from passbook.quality.rules import Rule, rules_of
from passbook.source_template import hive_type
from passbook.warehouse import fits

if TYPE_CHECKING:
    from passbook.hive import Hive
    from passbook.sources import Source

TRIED_ROWS = 5
"""Rows of the first, limited run, which finds a slow or failing statement early."""


@dataclass(frozen=True)
class ColumnCheck:
    """What a column of a SELECT turned out to be."""

    name: str
    wanted: str
    found: str
    nulls: int | None = None
    distinct: int | None = None
    smallest: str = ""
    largest: str = ""
    broken: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableCheck:
    """What a SELECT turned out to be."""

    table: str
    rows: int | None
    columns: tuple[ColumnCheck, ...] = ()
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())


def select_faults(found: pa.Schema, table: Table) -> list[str]:
    """Return how a SELECT's columns differ from the contract: names, order, types."""
    wanted = [c.name for c in table.columns if c.name in found.names or not c.optional]
    faults = [f"{table.name}.{name} is missing" for name in wanted if name not in found.names]
    faults += [f"{table.name}.{name} is not in the contract"
               for name in found.names if name not in wanted]  # fmt: skip
    if not faults and found.names != wanted:
        faults.append(f"{table.name}: the columns' order is not the contract's")
    for column in table.columns:
        if found.names.count(column.name) == 1:
            kind = found.field(column.name).type
            if not fits(kind, column.type):
                faults.append(
                    f"{table.name}.{column.name} is {hive_type(kind)}, "
                    f"the contract says {hive_type(column.type)}"
                )
    return faults


def completed(select: str, found: pa.Schema, table: Table) -> str:
    """Return the SELECT with the optional columns that it lacks, null in every row."""
    if all(name in found.names for name in table.column_names):
        return select
    columns = ",\n    ".join(
        f"s.`{c.name}`"
        if c.name in found.names
        else f"CAST(NULL AS {hive_type(c.type)}) AS `{c.name}`"
        for c in table.columns
    )
    return f"SELECT\n    {columns}\nFROM (\n{select}\n) s"


def check_source(
    hive: Hive, source: Source, base_date: date, bank_database: str
) -> Iterator[TableCheck]:
    """Run each SELECT limited and in full; yield what was found, table by table.

    Every fault is told, not the first: a table that Hive refuses doesn't hide the others.
    """
    selects = {table: source.statement(table, base_date, bank_database) for table in source.tables}
    described: dict[str, pa.Schema | str] = {}
    for table, select in selects.items():
        try:
            described[table] = hive.describe(select)
        except HiveStatementError as error:
            described[table] = error.detail
    sound = {
        table: completed(select, schema, WORK_TABLES[table])
        for table, select in selects.items()
        if isinstance(schema := described[table], pa.Schema)
        and not select_faults(schema, WORK_TABLES[table])
    }
    for table in source.tables:
        schema = described[table]
        if isinstance(schema, str):
            yield TableCheck(table, None, faults=(f"{table}: Hive says: {schema}",))
        elif table not in sound:
            yield _unsound(table, schema)
        else:
            yield _check_content(
                hive, source, table, schema=schema, selects=sound, base_date=base_date
            )


def _unsound(table: str, schema: pa.Schema) -> TableCheck:
    columns = tuple(
        ColumnCheck(c.name, hive_type(c.type), hive_type(schema.field(c.name).type))
        for c in WORK_TABLES[table].columns
        if schema.names.count(c.name) == 1
    )
    return TableCheck(table, None, columns, tuple(select_faults(schema, WORK_TABLES[table])))


def _check_content(
    hive: Hive,
    source: Source,
    table: str,
    *,
    schema: pa.Schema,
    selects: dict[str, str],
    base_date: date,
) -> TableCheck:
    rules = rules_of(table, f"DATE '{base_date}'", selects, source.empty_columns(table))
    select = selects[table]
    try:
        hive.query(
            f"SELECT COUNT(*) AS n FROM (SELECT * FROM (\n{select}\n) s LIMIT {TRIED_ROWS}) t"
        )
        statistics = hive.query(statistics_sql(table, select)).to_pylist()[0]
        figures = hive.query(figures_sql(table, rules, selects)).to_pylist()[0]
    except HiveStatementError as error:
        return TableCheck(table, None, faults=(f"{table}: Hive says: {error.detail}",))
    broken = [(rule, count) for rule in rules if (count := figures[rule.alias])]
    rows = figures[ROW_COUNT]
    return TableCheck(
        table,
        rows,
        _columns(table, schema, statistics, [rule for rule, _ in broken]),
        tuple(_told(table, rule, n, rows) for rule, n in broken if rule.severity == "fail"),
        tuple(_told(table, rule, n, rows) for rule, n in broken if rule.severity == "warn"),
    )


def _told(table: str, rule: Rule, count: int, rows: int) -> str:
    return f"{table} {rule.name}: {count:,} of {rows:,} rows"


def _columns(
    table: str, schema: pa.Schema, statistics: dict[str, Any], broken: Sequence[Rule]
) -> tuple[ColumnCheck, ...]:
    return tuple(
        ColumnCheck(
            c.name,
            hive_type(c.type),
            hive_type(schema.field(c.name).type) if c.name in schema.names else "absent",
            statistics[f"{c.name}__nulls"],
            statistics[f"{c.name}__distinct"],
            statistics[f"{c.name}__min"] or "",
            statistics[f"{c.name}__max"] or "",
            tuple(rule.kind for rule in broken if rule.column == c.name),
        )
        for c in WORK_TABLES[table].columns
    )
