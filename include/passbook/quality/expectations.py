"""Great Expectations over the figures of the work tables, computed inside Hive.

The figures are a table of one row, so that an expectation's answer is a count and never a value of
a customer's. great_expectations takes seconds to import: that happens when a suite is run.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from passbook.errors import HiveStatementError, HiveUnreachableError
from passbook.quality.figures import ROWS, column_of
from passbook.quality.rules import Rule

_SEVERITY: Final = {"fail": "critical", "warn": "warning"}


@dataclass(frozen=True)
class Finding:
    """What a rule came to."""

    table: str
    rule: Rule
    rows: int
    unexpected: int
    passed: bool


def validate(url: str, figures: str, rules: Mapping[str, Sequence[Rule]]) -> list[Finding]:
    """Run the suite of every work table against the table of their figures.

    Parameters
    ----------
    url : str
        SQLAlchemy's address of the Hive database with the figures.
    figures : str
        Table with the row of `figures.figures_sql`.
    rules : mapping of str to sequence of Rule
        Rules of each work table.

    Raises
    ------
    HiveUnreachableError, HiveStatementError
        E101, E107: the figures could not be read.
    """
    gx = _great_expectations()
    source = _context(gx).data_sources.add_sql("hive", connection_string=url)
    asset = source.add_table_asset(figures, table_name=figures)
    batch = asset.add_batch_definition_whole_table(figures).get_batch()
    suite = gx.ExpectationSuite(
        name=figures,
        expectations=[e for table, asked in rules.items() for e in _suite(table, asked)],
    )
    outcome = batch.validate(suite, result_format="BASIC")
    told = {(r.expectation_config.kwargs["column"]): r for r in outcome.results}
    return [
        _finding(table, rule, told[column_of(table, ROWS)], told[column_of(table, rule.alias)])
        for table, asked in rules.items()
        for rule in asked
    ]


def _great_expectations() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of pyspark, which it looks for
        import great_expectations  # noqa: PLC0415
    return great_expectations


def _context(gx: Any) -> Any:
    from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    return context


def _suite(table: str, rules: Sequence[Rule]) -> list[Any]:
    """Return a work table's expectations: its rows are told, each rule is broken by no row."""
    from great_expectations.expectations.core.expect_column_max_to_be_between import (  # noqa: PLC0415
        ExpectColumnMaxToBeBetween,
    )
    from great_expectations.expectations.metadata_types import FailureSeverity  # noqa: PLC0415

    return [
        ExpectColumnMaxToBeBetween(column=column_of(table, ROWS), min_value=0),
        *(
            ExpectColumnMaxToBeBetween(
                column=column_of(table, rule.alias),
                min_value=0,
                max_value=0,
                severity=FailureSeverity(_SEVERITY[rule.severity]),
                meta={"work_table": table, "rule": rule.name},
            )
            for rule in rules
        ),
    ]


def _finding(table: str, rule: Rule, rows: Any, result: Any) -> Finding:
    return Finding(table, rule, _observed(rows), _observed(result), bool(result.success))


def _observed(result: Any) -> int:
    failure = _failure(result.exception_info or {})
    if failure is not None:
        kind = HiveUnreachableError if HiveUnreachableError.code in failure else HiveStatementError
        raise kind((failure.strip().splitlines() or ["no reason given"])[0][:300])
    return int(result.result["observed_value"])


def _failure(information: Mapping[str, Any]) -> str | None:
    """Return the message of an exception; it is kept flat or, for a metric, one level down."""
    if "raised_exception" in information:
        failed = information["raised_exception"]
        return str(information.get("exception_message") or "unknown") if failed else None
    messages = (_failure(inner) for inner in information.values() if isinstance(inner, Mapping))
    return next((message for message in messages if message is not None), None)
