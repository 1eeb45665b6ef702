"""Check a source adapter against the bank's tables, before any work table is built."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from passbook.contracts import FAMILIES, WORK_TABLES, Column, Table
from passbook.errors import HiveStatementError
from passbook.quality.figures import ROW_COUNT, figures_sql, nulls_name, statistics_sql
from passbook.quality.rules import NOT_EMPTY, Rule, rules_of
from passbook.source_template import hive_type
from passbook.warehouse import fits

if TYPE_CHECKING:
    from passbook.hive import Hive
    from passbook.sources import Source

TRIED_ROWS = 5
"""Rows of the first, limited run, which finds a slow or failing statement early."""
_BY_YEAR = ("birth_date",)
"""Dates whose month already tells too much of a customer."""


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


def check_source(
    hive: Hive, source: Source, base_date: date, bank_database: str
) -> Iterator[TableCheck]:
    """Run each SELECT limited and in full; yield what was found, table by table.

    Every fault is told, not the first: a table that Hive refuses doesn't hide the others, and a
    column of the wrong type doesn't hide what is wrong with the other columns. A SELECT that reads
    another work table reads that one's SELECT: the table may not be built yet, or as it was.
    """
    checked = f"work_{source.name}_check_{os.getpid()}"
    selects = {
        table: source.statement(table, base_date, bank_database, checked) for table in source.tables
    }
    read = {needed for table in source.tables for needed in source.needs(table)}
    with _database(hive, checked if read else None):
        described: dict[str, pa.Schema | str] = {}
        for table, select in selects.items():
            described[table] = found = _described(hive, source, table, select, described)
            if table in read and isinstance(found, pa.Schema):
                _stand_in(hive, f"{checked}.{table}", completed(table, select, found), base_date)
        schemas = {
            table: found for table, found in described.items() if isinstance(found, pa.Schema)
        }
        counted = {
            table: completed(table, selects[table], found) for table, found in schemas.items()
        }
        for table in source.tables:
            found = described[table]
            if isinstance(found, str):
                yield TableCheck(table, None, faults=(found,))
            else:
                asked = _askable(source, table, schemas, base_date)
                yield _check_content(hive, table, schema=found, selects=counted, rules=asked)


@contextmanager
def _database(hive: Hive, name: str | None) -> Iterator[None]:
    """Have a database of this name while the block runs; None: none is wanted."""
    if not name:
        yield
        return
    hive.execute(f"CREATE DATABASE {name}")
    try:
        yield
    finally:
        hive.execute(f"DROP DATABASE {name} CASCADE")


def _stand_in(hive: Hive, view: str, select: str, base_date: date) -> None:
    """Make a view that is read in place of a work table, which may not be built yet.

    A subquery in its place would want an alias, and Apache Hive takes no WITH in a subquery.
    """
    hive.execute(
        f"CREATE VIEW {view} AS SELECT s.*, DATE '{base_date}' AS base_date FROM (\n{select}\n) s"
    )


def _described(
    hive: Hive, source: Source, table: str, select: str, others: Mapping[str, pa.Schema | str]
) -> pa.Schema | str:
    """Return a SELECT's columns, or the fault when Hive refuses it or one that it reads."""
    refused = sorted(name for name in source.needs(table) if isinstance(others[name], str))
    if refused:
        return f"{table}: not tried, it reads {', '.join(refused)}, which Hive refuses"
    try:
        return hive.describe(select)
    except HiveStatementError as error:
        return f"{table}: Hive says: {error.detail}"


def source_faults(checks: Sequence[TableCheck]) -> list[str]:
    """Return the faults of all tables, and of the source as a whole."""
    faults = [fault for check in checks for fault in check.faults]
    holdings = [check for check in checks if check.table.removesuffix("_holding") in FAMILIES]
    if not any(check.rows is None or check.rows for check in holdings):
        faults.append("no holding table has a row")
    return faults


def unfit_columns(table: Table, found: pa.Schema) -> frozenset[str]:
    """Return the contract's columns that a SELECT lacks, repeats, or gives another type."""
    return frozenset(
        c.name
        for c in table.columns
        if found.names.count(c.name) != 1 or not fits(found.field(c.name).type, c.type)
    )


def completed(table: str, select: str, found: pa.Schema) -> str:
    """Return a SELECT of the contract's columns; what is absent or doesn't fit is null."""
    contract = WORK_TABLES[table]
    unfit = unfit_columns(contract, found)
    if not unfit and tuple(found.names) == contract.column_names:
        return select
    columns = ", ".join(
        f"CAST(NULL AS {hive_type(c.type)}) AS `{c.name}`" if c.name in unfit else f"s.`{c.name}`"
        for c in contract.columns
    )
    return f"SELECT {columns} FROM (\n{select}\n) s"


def _askable(
    source: Source, table: str, schemas: Mapping[str, pa.Schema], base_date: date
) -> list[Rule]:
    """Return the rules that don't concern a column which is unfit anyway."""
    unfit = {name: unfit_columns(WORK_TABLES[name], found) for name, found in schemas.items()}
    keyed = [name for name in schemas if not unfit[name] & set(WORK_TABLES[name].key)]
    rules = rules_of(table, f"DATE '{base_date}'", keyed, source.empty_columns(table))
    return [
        rule
        for rule in rules
        if not unfit[table]
        & {rule.column, *rule.group, *re.findall(r"[tg]\.`(\w+)`", rule.unexpected)}
    ]


def _check_content(
    hive: Hive,
    table: str,
    *,
    schema: pa.Schema,
    selects: Mapping[str, str],
    rules: Sequence[Rule],
) -> TableCheck:
    select, faults = selects[table], select_faults(schema, WORK_TABLES[table])
    try:
        hive.query(
            f"SELECT COUNT(*) AS n FROM (SELECT * FROM (\n{select}\n) s LIMIT {TRIED_ROWS}) t"
        )
        statistics = hive.query(statistics_sql(table, select)).to_pylist()[0]
        figures = hive.query(figures_sql(table, rules, selects)).to_pylist()[0]
    except HiveStatementError as error:
        faults.append(f"{table}: Hive says: {error.detail}")
        return TableCheck(table, None, _columns(table, schema, {}, []), tuple(faults))
    broken = [(rule, count) for rule in rules if (count := figures[rule.alias])]
    rows = figures[ROW_COUNT]
    faults += [_told(table, rule, n, rows) for rule, n in broken if rule.severity == "fail"]
    return TableCheck(
        table,
        rows,
        _columns(table, schema, statistics, [rule for rule, _ in broken]),
        tuple(faults),
        tuple(_told(table, rule, n, rows) for rule, n in broken if rule.severity == "warn"),
    )


def _told(table: str, rule: Rule, count: int, rows: int) -> str:
    if rule.kind == NOT_EMPTY:
        return f"{table} has no rows"
    return f"{table} {rule.name}: {count:,} of {rows:,} rows"


def _columns(
    table: str, schema: pa.Schema, statistics: Mapping[str, Any], broken: Sequence[Rule]
) -> tuple[ColumnCheck, ...]:
    contract = WORK_TABLES[table]
    unfit = unfit_columns(contract, schema)
    personal = "customer_id" in contract.column_names
    checks = []
    for c in contract.columns:
        once = schema.names.count(c.name) == 1
        gone = "absent" if c.optional else "missing"
        found = hive_type(schema.field(c.name).type) if once else gone
        if c.name in unfit or not statistics:
            checks.append(ColumnCheck(c.name, hive_type(c.type), found))
            continue
        smallest, largest = (
            coarse(c, text) if personal else text
            for word in ("min", "max")
            for text in [statistics[f"{c.name}__{word}"] or ""]
        )
        checks.append(
            ColumnCheck(
                c.name,
                hive_type(c.type),
                found,
                statistics[nulls_name(c.name)],
                statistics[f"{c.name}__distinct"],
                smallest,
                largest,
                tuple(rule.kind for rule in broken if rule.column == c.name),
            )
        )
    return tuple(checks)


def coarse(column: Column, value: str) -> str:
    """Return a smallest or largest value in a form too coarse to be one customer's.

    A date becomes its month, a date of birth its year, a number its first digit: enough to see a
    wrong unit or a date that stands for "unknown".
    """
    if not value or column.codes:
        return value
    if pa.types.is_date(column.type):
        return value[:4] if column.name in _BY_YEAR else value[:7]
    number = float(value)
    if number in {0.0, 1.0} or (abs(number) < 10 and pa.types.is_integer(column.type)):
        return value
    return f"~{float(f'{number:.0e}'):,.10g}"
