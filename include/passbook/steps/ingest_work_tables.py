"""Build the work tables of a base date inside Hive, and hold them against contract and rules.

Order: every SELECT's columns against the contract (nothing is written when one is wrong), build,
figures, rules, verdict. A rejected week's partitions stay for inspection; the verdict keeps later
stages from reading them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from passbook.base_date import observation_dates
from passbook.contracts import OPS_TABLES, WORK_TABLES, Column, Table
from passbook.errors import ContractError
from passbook.quality.fingerprint import fingerprint
from passbook.quality.text import text_faults
from passbook.source_template import HIVE_TYPES
from passbook.steps.check_source import completed, select_faults
from passbook.steps.check_work_tables import (
    STAGE,
    apply_overrides,
    check,
    find_copies,
    judge,
    read_history,
    read_overrides,
    record,
)
from passbook.steps.hive_workers import concurrently
from passbook.warehouse import iter_unchecked

if TYPE_CHECKING:
    from passbook.hive import Hive
    from passbook.steps.stage import Stage
    from passbook.steps.week import Week

log = logging.getLogger(__name__)

OBSERVED: Final = ("customer", "deposit_profile", "insurance_profile", "behaviour")
"""Work tables that the credit models also read as of the observation dates."""


@dataclass(frozen=True)
class Partition:
    """A partition of a work table to build."""

    table: str
    at: date


@dataclass(frozen=True)
class Built:
    """What was built."""

    partition: Partition
    rows: int
    bytes: int
    seconds: float
    fingerprint: str


def work(stage: Stage) -> dict[str, Any]:
    """Build, check and record the work tables of a stage's base date.

    Returns
    -------
    dict
        Rows by work table, and the numbers of broken rules that warn or were overridden.

    Raises
    ------
    AdapterError, HiveStatementError, HiveUnreachableError, WarehouseError
        E106, E107, E101, E108: the tables could not be built.
    ContractError
        E103: columns, text or the key differ from the contract.
    EmptyWorkTableError
        E102: a mandatory work table has no rows.
    FutureRowError
        E104: rows dated after the base date.
    QualityError
        E201: another rule of severity ``fail`` is broken.
    """
    from passbook import ledger  # noqa: PLC0415

    week = stage.week
    columns = check_selects(week)
    partitions = [Partition(table, week.base_date) for table in week.source.tables]
    partitions += missing_observations(stage)
    built = build(week, partitions, columns)
    ledger.append(stage.mart, stage.fence, "work_table", built_rows(week.base_date, built))
    history = read_history(stage)
    checked = check(week, history)
    fresh = [b for b in built if b.partition.at == week.base_date]
    copies = find_copies({b.partition.table: (b.rows, b.fingerprint) for b in fresh}, history)
    findings = apply_overrides([*checked.findings, *copies], read_overrides(stage))
    record(stage, findings, checked.columns)
    judge(findings)
    return {
        "rows": {b.partition.table: b.rows for b in fresh},
        "warnings": sum(not f.passed and not f.overridden for f in findings),
        "overridden": sum(f.overridden for f in findings),
    }


def check_selects(week: Week) -> dict[str, pa.Schema]:
    """Compare every SELECT's columns with the contract before any row is written.

    The tables are made first where they are missing: a SELECT may read another one's.

    Returns
    -------
    dict of str to pyarrow.Schema
        The columns of each table's SELECT.

    Raises
    ------
    ContractError
        E103 with all faults of all tables at once.
    """
    create_tables(week)
    columns = {
        table: week.hive.describe(_select(week, table, week.base_date))
        for table in week.source.tables
    }
    faults = [
        fault
        for table, found in columns.items()
        for fault in select_faults(found, WORK_TABLES[table])
    ]
    if faults:
        raise ContractError(f"{'; '.join(faults)}.")
    return columns


def _select(week: Week, table: str, at: date) -> str:
    settings = week.settings
    return week.source.statement(table, at, settings.bank_database, settings.work_database)


def missing_observations(stage: Stage) -> list[Partition]:
    """Return the partitions of the observation dates that no passed run has built."""
    from passbook import ledger  # noqa: PLC0415

    week = stage.week
    if not (week.offers("behaviour") and week.offers("credit_outcome")):
        return []
    tables = [table for table in OBSERVED if week.offers(table)]
    missing = []
    for at in observation_dates(week.base_date):
        verdict = ledger.latest_verdict(stage.mart, STAGE, at)
        passed = verdict is not None and verdict.verdict == "pass"
        missing += [
            Partition(table, at)
            for table in tables
            if not (
                passed and week.hive.partition_exists(week.settings.work_database, table, at)
            )
        ]  # fmt: skip
    return missing


def build(
    week: Week, partitions: Sequence[Partition], columns: Mapping[str, pa.Schema]
) -> list[Built]:
    """Overwrite the partitions, several at once, in dependency order.

    Parameters
    ----------
    columns : Mapping[str, pyarrow.Schema]
        Columns of each table's SELECT, which may lack optional ones of the contract.
    """
    done: dict[Partition, Built] = {}
    for wave in waves(week, partitions):
        made = concurrently(week, wave, partial(_build_one, columns=columns))
        done.update(zip(wave, made, strict=True))
    return [done[partition] for partition in partitions]


def create_tables(week: Week) -> None:
    """Create the work tables of the source that are not there."""
    database = week.settings.work_database
    week.hive.execute(f"CREATE DATABASE IF NOT EXISTS {database}")
    present = week.hive.tables(database)
    for table in week.source.tables:
        if table not in present:
            week.hive.execute(create_table(WORK_TABLES[table], database))


def waves(week: Week, partitions: Iterable[Partition]) -> list[list[Partition]]:
    """Group partitions so that each comes in a later wave than those its statement reads."""
    level: dict[str, int] = {}
    for table in week.source.tables:
        needs = week.source.needs(table)
        level[table] = 1 + max((level[other] for other in needs), default=-1)
    grouped: dict[int, list[Partition]] = {}
    for partition in partitions:
        grouped.setdefault(level[partition.table], []).append(partition)
    return [grouped[number] for number in sorted(grouped)]


def create_table(table: Table, database: str) -> str:
    """Return the DDL of a work table.

    Not transactional: Hive 4 would otherwise keep delta files that only Hive can read.
    """
    columns = ",\n    ".join(
        f"`{c.name}` {HIVE_TYPES[c.type]} COMMENT '{_comment(c)}'" for c in table.columns
    )
    return (
        f"CREATE TABLE IF NOT EXISTS {database}.{table.name} (\n    {columns}\n)\n"
        f"COMMENT '{_quoted(table.description)}'\n"
        "PARTITIONED BY (`base_date` DATE COMMENT 'The Sunday this row speaks for')\n"
        "STORED AS PARQUET\n"
        "TBLPROPERTIES ('transactional'='false', 'parquet.compression'='SNAPPY')"
    )


def _comment(column: Column) -> str:
    return _quoted(column.description)


def _quoted(text: str) -> str:
    # A semicolon ends a statement for some of Hive's clients, even between quotes.
    return text.replace("\\", "\\\\").replace("'", "\\'").replace(";", ",")


def insert_statement(table: Table, database: str, at: date, select: str) -> str:
    """Return the statement that overwrites a partition with a SELECT's rows, sorted by key.

    Sorted, because the same rows then give the same content, and readers can work block by block.
    """
    columns = ",\n    ".join(
        f"CAST(s.`{c.name}` AS {HIVE_TYPES[c.type]}) AS `{c.name}`" for c in table.columns
    )
    order = ", ".join(f"`{name}`" for name in (table.key or table.column_names))
    return (
        f"INSERT OVERWRITE TABLE {database}.{table.name} PARTITION (base_date='{at}')\n"
        f"SELECT\n    {columns}\nFROM (\n{select}\n) s\nORDER BY {order}"
    )


def _build_one(
    week: Week, hive: Hive, partition: Partition, *, columns: Mapping[str, pa.Schema]
) -> Built:
    table, database = WORK_TABLES[partition.table], week.settings.work_database
    start = monotonic()
    select = _select(week, partition.table, partition.at)
    select = completed(table.name, select, columns[table.name])
    hive.execute(insert_statement(table, database, partition.at, select))
    seconds = monotonic() - start
    dataset, size = hive.open_files(database, table.name, partition.at)
    # A null where none may be is the rules' to count, not a reason to stop here.
    batches = iter_unchecked(dataset, table, table.column_names, week.settings.block_rows)
    digest = fingerprint(table.schema, _keepable(table, batches))
    rows = dataset.count_rows()
    log.info("%s for %s: %s rows in %.1f s", table.name, partition.at, f"{rows:,}", seconds)
    return Built(partition, rows, size, seconds, digest)


def _keepable(table: Table, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Pass blocks on, unless their text cannot be kept.

    Raises
    ------
    ContractError
        E103, naming every column of the block at once.
    """
    for batch in batches:
        if faults := text_faults(batch):
            listed = "; ".join(f"{table.name}.{name} holds {what}" for name, what in faults.items())
            raise ContractError(f"{listed}.")
        yield batch


def built_rows(base_date: date, built: Sequence[Built]) -> pa.Table:
    """Return rows of ``ops.work_table``."""
    return pa.Table.from_pylist(
        [
            {
                "base_date": base_date,
                "work_table": b.partition.table,
                "partition_date": b.partition.at,
                "rows": b.rows,
                "bytes": b.bytes,
                "seconds": b.seconds,
                "fingerprint": b.fingerprint,
            }
            for b in built
        ],
        OPS_TABLES["work_table"].schema,
    )
