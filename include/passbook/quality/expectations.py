"""Great Expectations over the figures of a work table, computed inside Hive.

The figures are a table of one row, so that an expectation's answer is a count and never a value of
a customer's. great_expectations takes seconds to import: that happens when a suite is run.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from passbook.errors import HiveStatementError, HiveUnreachableError
from passbook.quality.figures import ROWS
from passbook.quality.rules import Rule

_ROWS_TOLD: Final = "rows told"
_SEVERITY: Final = {"fail": "critical", "warn": "warning"}


@dataclass(frozen=True)
class Finding:
    """What a rule came to."""

    table: str
    rule: Rule
    rows: int
    unexpected: int
    passed: bool


class Suites:
    """Suites of expectations over one Hive.

    Parameters
    ----------
    url : str
        SQLAlchemy's address of Hive.
    """

    def __init__(self, url: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of pyspark, which it looks for
            import great_expectations as gx  # noqa: PLC0415
        from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415

        self._context = gx.get_context(mode="ephemeral")
        self._context.enable_analytics(False)
        self._context.variables.progress_bars = ProgressBarsConfig(
            globally=False, metric_calculations=False
        )
        self._source = self._context.data_sources.add_sql("hive", connection_string=url)

    def validate(
        self, table: str, database: str, figures: str, rules: Sequence[Rule]
    ) -> list[Finding]:
        """Run a work table's suite against the table of its figures.

        Raises
        ------
        HiveUnreachableError, HiveStatementError
            E101, E107: the figures could not be computed.
        """
        import great_expectations as gx  # noqa: PLC0415

        asset = self._source.add_table_asset(figures, table_name=figures, schema_name=database)
        batch = asset.add_batch_definition_whole_table(figures).get_batch()
        suite = gx.ExpectationSuite(name=figures, expectations=_expectations(rules))
        outcome = batch.validate(suite, result_format="BASIC")
        by_name = {_told_of(result): result for result in outcome.results}
        rows = int(_observed(by_name[_ROWS_TOLD]))
        return [_finding(table, rule, rows, by_name[rule.name]) for rule in rules]


def _told_of(result: Any) -> str:
    return str(result.expectation_config.meta["rule"])


def _expectations(rules: Sequence[Rule]) -> list[Any]:
    from great_expectations.expectations.core.expect_column_max_to_be_between import (  # noqa: PLC0415
        ExpectColumnMaxToBeBetween,
    )
    from great_expectations.expectations.metadata_types import FailureSeverity  # noqa: PLC0415

    rows = ExpectColumnMaxToBeBetween(column=ROWS, min_value=0, meta={"rule": _ROWS_TOLD})
    return [
        rows,
        *(
            ExpectColumnMaxToBeBetween(
                column=rule.alias,
                min_value=0,
                max_value=0,
                severity=FailureSeverity(_SEVERITY[rule.severity]),
                meta={"rule": rule.name},
            )
            for rule in rules
        ),
    ]


def _finding(table: str, rule: Rule, rows: int, result: Any) -> Finding:
    return Finding(table, rule, rows, int(_observed(result)), bool(result.success))


def _observed(result: Any) -> float:
    failure = _failure(result.exception_info or {})
    if failure is not None:
        kind = HiveUnreachableError if HiveUnreachableError.code in failure else HiveStatementError
        raise kind((failure.strip().splitlines() or ["no reason given"])[0][:300])
    return float(result.result["observed_value"])


def _failure(information: Mapping[str, Any]) -> str | None:
    """Return the message of an exception; it is kept flat or, for a metric, one level down."""
    if "raised_exception" in information:
        failed = information["raised_exception"]
        return str(information.get("exception_message") or "unknown") if failed else None
    messages = (_failure(inner) for inner in information.values() if isinstance(inner, Mapping))
    return next((message for message in messages if message is not None), None)
