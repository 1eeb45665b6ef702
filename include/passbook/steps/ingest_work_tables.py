"""Build the work tables of a base date inside Hive, and hold them against contract and rules.

Order: every SELECT's columns against the contract (nothing is written when one is wrong), build,
figures, rules, verdict. A rejected week's partitions stay for inspection; the verdict keeps later
stages from reading them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import date, timedelta
from queue import SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pyarrow as pa

from passbook.base_date import observation_dates
from passbook.contracts import OPS_TABLES, WORK_TABLES, Column, Table
from passbook.errors import (
    ContractError,
    EmptyWorkTableError,
    FutureRowError,
    PassbookError,
    QualityError,
)
from passbook.quality import rules
from passbook.quality.expectations import Finding, validate
from passbook.quality.figures import figures_sql, partition_sql
from passbook.quality.fingerprint import fingerprint
from passbook.quality.history import WEEKS, History, copy_rule, is_copy, row_rules
from passbook.source_template import HIVE_TYPES
from passbook.steps.check_source import select_faults
from passbook.warehouse import iter_unchecked

if TYPE_CHECKING:
    from passbook.hive import Hive
    from passbook.steps.stage import Stage
    from passbook.steps.week import Week

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

STAGE: Final = "ingest_work_tables"
OBSERVED: Final = ("customer", "deposit_profile", "insurance_profile", "behaviour")
"""Work tables that the credit models also read as of the observation dates."""


NO_HISTORY: Final = History()


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
        Rows by work table, and the number of warnings.

    Raises
    ------
    AdapterError, HiveStatementError, HiveUnreachableError, WarehouseError
        E106, E107, E101, E108: the tables could not be built.
    ContractError
        E103: columns, or the key, differ from the contract.
    EmptyWorkTableError
        E102: a mandatory work table has no rows.
    FutureRowError
        E104: rows dated after the base date.
    QualityError
        E201: another rule of severity ``fail`` is broken.
    """
    from passbook import ledger  # noqa: PLC0415

    week = stage.week
    check_selects(week)
    partitions = [Partition(table, week.base_date) for table in week.source.tables]
    partitions += missing_observations(stage)
    built = build(week, partitions)
    ledger.append(stage.mart, stage.fence, "work_table", built_rows(week.base_date, built))
    history = read_history(stage)
    findings = check(week, history) + find_copies(built, week.base_date, history)
    ledger.append(stage.mart, stage.fence, "quality_result", result_rows(week.base_date, findings))
    judge(findings)
    return {
        "rows": {b.partition.table: b.rows for b in built if b.partition.at == week.base_date},
        "warnings": sum(not f.passed for f in findings),
    }


def check_selects(week: Week) -> None:
    """Compare every SELECT's columns with the contract before anything is written.

    Raises
    ------
    ContractError
        E103 with all faults of all tables at once.
    """
    faults = [
        fault
        for table in week.source.tables
        for fault in select_faults(
            week.hive.describe(_select(week, table, week.base_date)), WORK_TABLES[table]
        )
    ]
    if faults:
        raise ContractError(f"{'; '.join(faults)}.")


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


def build(week: Week, partitions: Sequence[Partition]) -> list[Built]:
    """Create the tables and overwrite the partitions, several at once, in dependency order."""
    database = week.settings.work_database
    week.hive.execute(f"CREATE DATABASE IF NOT EXISTS {database}")
    present = week.hive.tables(database)
    for table in dict.fromkeys(partition.table for partition in partitions):
        if table not in present:
            week.hive.execute(create_table(WORK_TABLES[table], database))
    done: dict[Partition, Built] = {}
    for wave in waves(week, partitions):
        made = concurrently(week, wave, _build_one)
        done.update(zip(wave, made, strict=True))
    return [done[partition] for partition in partitions]


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


def concurrently(
    week: Week, items: Sequence[Item], do: Callable[[Week, Hive, Item], Result]
) -> list[Result]:
    """Do each item, a few at once, each worker over its own connection to Hive.

    The first failure is raised: items that have not begun by then are left undone, statements
    that run are waited for.
    """
    workers = min(week.settings.hive_concurrency, len(items))
    idle: SimpleQueue[Hive] = SimpleQueue()

    def one(item: Item) -> Result:
        hive = idle.get()
        try:
            return do(week, hive, item)
        finally:
            idle.put(hive)

    with ExitStack() as opened, ThreadPoolExecutor(workers) as pool:
        for _ in range(workers):
            idle.put(opened.enter_context(closing(week.hive.another())))
        futures = [pool.submit(one, item) for item in items]
        try:
            return [future.result() for future in futures]
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


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
        "TBLPROPERTIES ('transactional'='false')"
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


def _build_one(week: Week, hive: Hive, partition: Partition) -> Built:
    table, database = WORK_TABLES[partition.table], week.settings.work_database
    start = monotonic()
    select = _select(week, partition.table, partition.at)
    hive.execute(insert_statement(table, database, partition.at, select))
    seconds = monotonic() - start
    dataset, size = hive.open_files(database, table.name, partition.at)
    # A null where none may be is the rules' to count, not a reason to stop here.
    batches = iter_unchecked(dataset, table, table.column_names, week.settings.block_rows)
    digest = fingerprint(table.schema, batches)
    rows = dataset.count_rows()
    log.info("%s for %s: %s rows in %.1f s", table.name, partition.at, f"{rows:,}", seconds)
    return Built(partition, rows, size, seconds, digest)


def check(week: Week, history: History = NO_HISTORY) -> list[Finding]:
    """Count every rule of every work table inside Hive, one scan a table, and run the suites."""
    database, at = week.settings.work_database, f"DATE '{week.base_date}'"
    source = week.source
    asked = {
        table: [
            *rules.rules_of(table, at, source.tables, source.empty_columns(table)),
            *row_rules(table, history),
        ]
        for table in source.tables
    }
    figures = f"quality_{week.base_date:%Y%m%d}"
    week.hive.execute(f"DROP TABLE IF EXISTS {database}.{figures}")
    week.hive.execute(
        f"CREATE TABLE IF NOT EXISTS {database}.{figures} STORED AS PARQUET AS\n"
        f"{figures_sql(asked, {table: partition_sql(table, database, at) for table in asked})}"
    )
    try:
        return validate(week.hive.sqlalchemy_url(database), figures, asked)
    finally:
        week.hive.execute(f"DROP TABLE IF EXISTS {database}.{figures}")


def find_copies(built: Sequence[Built], base_date: date, history: History) -> list[Finding]:
    """Compare each table's content with last week's."""
    return [
        Finding(
            b.partition.table,
            copy_rule(b.partition.table),
            b.rows,
            b.rows if (same := is_copy(b.partition.table, b.fingerprint, history)) else 0,
            not same,
        )
        for b in built
        if b.partition.at == base_date and b.partition.table in history.last
    ]


def read_history(stage: Stage) -> History:
    """Return what the ledger keeps of the weeks before, of those that passed."""
    from passbook import ledger  # noqa: PLC0415

    rows: dict[str, list[int]] = {}
    last: dict[str, str] = {}
    for weeks in range(WEEKS, 0, -1):
        at = stage.base_date - timedelta(weeks=weeks)
        verdict = ledger.latest_verdict(stage.mart, STAGE, at)
        if verdict is None or verdict.verdict != "pass":
            continue
        for table, count, digest in _built_then(stage, at):
            rows.setdefault(table, []).append(count)
            if weeks == 1:
                last[table] = digest
    return History(rows, last)


def _built_then(stage: Stage, at: date) -> list[tuple[str, int, str]]:
    with stage.mart.cursor() as cursor:
        cursor.execute(
            "SELECT work_table, rows, fingerprint FROM ops.work_table"
            " WHERE base_date = %s AND partition_date = base_date",
            (at,),
        )
        found = cursor.fetchall()
    stage.mart.commit()
    return found


def judge(findings: Sequence[Finding]) -> None:
    """Raise when a rule of severity ``fail`` is broken; log every broken rule.

    Raises
    ------
    EmptyWorkTableError, ContractError, FutureRowError, QualityError
        E102, E103, E104, E201: the first kind that applies, with all rules of that kind.
    """
    broken = [finding for finding in findings if not finding.passed]
    for finding in broken:
        log.warning("%s %s", finding.rule.severity, describe(finding))
    failed = [finding for finding in broken if finding.rule.severity == "fail"]
    if not any(finding.rows for finding in findings if finding.table.endswith("_holding")):
        raise EmptyWorkTableError("No holding table has a row.")
    kinds: list[tuple[type[PassbookError], Callable[[rules.Rule], bool]]] = [
        (EmptyWorkTableError, lambda rule: rule.kind == rules.NOT_EMPTY),
        (ContractError, lambda rule: rule.kind in rules.KEY_RULES),
        (FutureRowError, lambda rule: rule.kind == rules.FUTURE),
        (QualityError, lambda rule: True),
    ]
    for error, applies in kinds:
        if some := [finding for finding in failed if applies(finding.rule)]:
            raise error("; ".join(describe(finding) for finding in some) + ".")


def describe(finding: Finding) -> str:
    """Return a broken rule in words, with counts only."""
    return f"{finding.table} {finding.rule.name}: {finding.unexpected:,} of {finding.rows:,} rows"


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


def result_rows(base_date: date, findings: Sequence[Finding]) -> pa.Table:
    """Return rows of ``ops.quality_result``."""
    return pa.Table.from_pylist(
        [
            {
                "base_date": base_date,
                "work_table": f.table,
                "rule": f.rule.name,
                "severity": f.rule.severity,
                "passed": f.passed,
                "rows": f.rows,
                "unexpected": f.unexpected,
            }
            for f in findings
        ],
        OPS_TABLES["quality_result"].schema,
    )
