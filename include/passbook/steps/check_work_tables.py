"""Hold the work tables of a base date against their rules, record what came of it, and judge.

A broken rule of severity ``fail`` rejects the base date, unless an operator has overridden it; the
verdict keeps later stages from reading the week, so that the mart goes on serving the one before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from passbook.contracts import OPS_TABLES, WORK_TABLES
from passbook.errors import (
    ContractError,
    EmptyWorkTableError,
    FutureRowError,
    PassbookError,
    QualityError,
)
from passbook.quality import rules
from passbook.quality.expectations import Finding, validate
from passbook.quality.figures import (
    ROW_COUNT,
    column_figures,
    examples_sql,
    figures_sql,
    mean_name,
    nulls_name,
    partition_sql,
)
from passbook.quality.history import (
    WEEKS,
    ColumnFigures,
    History,
    copy_rule,
    history_rules,
    is_copy,
)
from passbook.steps.hive_workers import concurrently

if TYPE_CHECKING:
    from passbook.hive import Hive
    from passbook.ledger_quality import Override
    from passbook.steps.stage import Stage
    from passbook.steps.week import Week

log = logging.getLogger(__name__)

STAGE: Final = "ingest_work_tables"
NO_HISTORY: Final = History()


@dataclass(frozen=True)
class Checked:
    """What the rules came to, and the figures of columns that next week is held against."""

    findings: list[Finding]
    columns: dict[tuple[str, str], ColumnFigures]


def check(week: Week, history: History = NO_HISTORY) -> Checked:
    """Count every rule of every work table inside Hive, a statement a table, and run the suites.

    Of a rule that is broken, the shape of an example is asked for in a second statement.
    """
    asked = rules_by_table(week, history)
    selects = selects_of(week)
    counted = concurrently(
        week,
        list(asked),
        lambda _, hive, table: _one(hive, figures_sql(
            table, asked[table], selects, column_figures(WORK_TABLES[table]))),
    )  # fmt: skip
    figures = dict(zip(asked, counted, strict=True))
    findings = validate(figures, asked)
    return Checked(_with_shapes(week, findings, selects), _column_figures(figures))


def rules_by_table(week: Week, history: History) -> dict[str, list[rules.Rule]]:
    """Return what is asked of each work table of a week."""
    source = week.source
    return {
        table: [
            *rules.rules_of(
                table, f"DATE '{week.base_date}'", source.tables, source.empty_columns(table)
            ),
            *history_rules(table, history),
        ]
        for table in source.tables
    }


def selects_of(week: Week) -> dict[str, str]:
    """Return the SELECT of each work table's partition."""
    database, at = week.settings.work_database, f"DATE '{week.base_date}'"
    return {table: partition_sql(table, database, at) for table in week.source.tables}


def _one(hive: Hive, sql: str) -> dict[str, Any]:
    (row,) = hive.query(sql).to_pylist()
    return dict(row)


def _with_shapes(
    week: Week, findings: Sequence[Finding], selects: Mapping[str, str]
) -> list[Finding]:
    broken: dict[str, list[rules.Rule]] = {}
    for finding in findings:
        if not finding.passed and finding.rule.where:
            broken.setdefault(finding.table, []).append(finding.rule)
    shapes = {
        (table, name): shape
        for table, asked in broken.items()
        for name, shape in _one(week.hive, examples_sql(table, asked, selects)).items()
    }
    return [
        replace(finding, shape=shapes.get((finding.table, finding.rule.alias)) or "")
        for finding in findings
    ]


def _column_figures(
    figures: Mapping[str, Mapping[str, Any]],
) -> dict[tuple[str, str], ColumnFigures]:
    found = {}
    for table, counted in figures.items():
        rows = counted[ROW_COUNT]
        for column in WORK_TABLES[table].column_names:
            nulls, mean = counted.get(nulls_name(column)), counted.get(mean_name(column))
            share = nulls / rows if rows and nulls is not None else None
            if share is not None or mean is not None:
                found[table, column] = ColumnFigures(share, mean)
    return found


def find_copies(built: Mapping[str, tuple[int, str]], history: History) -> list[Finding]:
    """Compare each table's content with last week's.

    Parameters
    ----------
    built : mapping of str to (int, str)
        Rows and fingerprint of each work table.
    """
    return [
        Finding(table, copy_rule(table), rows, rows if same else 0, not same)
        for table, (rows, fingerprint) in built.items()
        if table in history.last
        for same in (is_copy(table, fingerprint, history),)
    ]


def read_history(stage: Stage) -> History:
    """Return what the ledger keeps of the weeks before, of those that passed."""
    from passbook import ledger, ledger_quality  # noqa: PLC0415

    rows: dict[str, list[int]] = {}
    last: dict[str, str] = {}
    columns: dict[tuple[str, str], ColumnFigures] = {}
    for weeks in range(WEEKS, 0, -1):
        at = stage.base_date - timedelta(weeks=weeks)
        verdict = ledger.latest_verdict(stage.mart, STAGE, at)
        if verdict is None or verdict.verdict != "pass":
            continue
        for table, count, digest in ledger_quality.tables_built(stage.mart, at):
            rows.setdefault(table, []).append(count)
            if weeks == 1:
                last[table] = digest
        for table, column, share, mean in ledger_quality.column_figures(stage.mart, at):
            columns[table, column] = ColumnFigures(share, mean)
    return History(rows, last, columns)


def read_overrides(stage: Stage) -> list[Override]:
    """Return the overrides that are in force for the stage's base date."""
    from passbook import ledger_quality  # noqa: PLC0415

    known = ledger_quality.overrides(stage.mart, stage.base_date)
    return [override for override in known if override.in_force]


def apply_overrides(findings: Sequence[Finding], overrides: Sequence[Override]) -> list[Finding]:
    """Mark the broken rules that an operator lets pass; only overridable ones can be."""
    allowed = {(override.work_table, override.rule) for override in overrides}
    return [
        replace(finding, overridden=True)
        if not finding.passed
        and finding.rule.severity == "fail"
        and finding.rule.overridable
        and (finding.table, finding.rule.name) in allowed
        else finding
        for finding in findings
    ]


def record(
    stage: Stage,
    findings: Sequence[Finding],
    columns: Mapping[tuple[str, str], ColumnFigures],
) -> None:
    """Write the findings and the columns' figures to the ledger."""
    from passbook import ledger  # noqa: PLC0415

    results = result_rows(stage.base_date, findings)
    ledger.append(stage.mart, stage.fence, "quality_result", results)
    figures = figure_rows(stage.base_date, columns)
    ledger.append(stage.mart, stage.fence, "column_figure", figures)


def judge(findings: Sequence[Finding]) -> None:
    """Raise when a rule of severity ``fail`` is broken; log every broken rule.

    Raises
    ------
    EmptyWorkTableError, ContractError, FutureRowError, QualityError
        E102, E103, E104, E201: the first kind that applies, with all rules of that kind.
    """
    broken = [finding for finding in findings if not finding.passed]
    for finding in broken:
        severity = "overridden" if finding.overridden else finding.rule.severity
        log.warning("%s %s", severity, describe(finding))
    failed = [f for f in broken if f.rule.severity == "fail" and not f.overridden]
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
    """Return a broken rule in words, with counts and the shape of an example only."""
    like = f", like {finding.shape!r}" if finding.shape else ""
    counts = f"{finding.unexpected:,} of {finding.rows:,} rows"
    return f"{finding.table} {finding.rule.name}: {counts}{like}"


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
                "overridden": f.overridden,
                "example_shape": f.shape,
            }
            for f in findings
        ],
        OPS_TABLES["quality_result"].schema,
    )


def figure_rows(base_date: date, columns: Mapping[tuple[str, str], ColumnFigures]) -> pa.Table:
    """Return rows of ``ops.column_figure``."""
    return pa.Table.from_pylist(
        [
            {
                "base_date": base_date,
                "work_table": table,
                "column_name": column,
                "null_share": figures.null_share,
                "mean": figures.mean,
            }
            for (table, column), figures in columns.items()
        ],
        OPS_TABLES["column_figure"].schema,
    )
