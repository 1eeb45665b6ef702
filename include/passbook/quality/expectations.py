"""Great Expectations over the figures of the work tables, computed inside Hive.

The figures of a work table are a table of one row, so that an expectation's answer is a count and
never a value of a customer's. great_expectations takes seconds to import: that happens when a suite
is run.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from passbook.quality.figures import ROW_COUNT
from passbook.quality.rules import Rule

_SEVERITY: Final = {"fail": "critical", "warn": "warning"}


@dataclass(frozen=True)
class Finding:
    """What a rule came to.

    Attributes
    ----------
    rows, unexpected : int
        Rows checked, and rows that broke the rule.
    shape : str
        What a value that broke it looks like, without being one (`figures.examples_sql`).
    overridden : bool
        Whether an operator lets it pass for this base date.
    """

    table: str
    rule: Rule
    rows: int
    unexpected: int
    passed: bool
    shape: str = ""
    overridden: bool = False


def validate(
    figures: Mapping[str, Mapping[str, Any]], rules: Mapping[str, Sequence[Rule]]
) -> list[Finding]:
    """Run the suite of every work table against its figures.

    Parameters
    ----------
    figures : mapping of str to mapping
        The row of `figures.figures_sql` of each work table.
    rules : mapping of str to sequence of Rule
        Rules of each work table.
    """
    gx = _great_expectations()
    source = _context(gx).data_sources.add_pandas("figures")
    findings = []
    for table, asked in rules.items():
        names = [ROW_COUNT, *(rule.alias for rule in asked)]
        row = pd.DataFrame({name: [figures[table][name]] for name in names})
        asset = source.add_dataframe_asset(table)
        definition = asset.add_batch_definition_whole_dataframe(table)
        batch = definition.get_batch(batch_parameters={"dataframe": row})
        suite = gx.ExpectationSuite(name=table, expectations=_suite(table, asked))
        outcome = batch.validate(suite, result_format="BASIC")
        told = {result.expectation_config.kwargs["column"]: result for result in outcome.results}
        rows = _observed(told[ROW_COUNT])
        findings += [_finding(table, rule, rows, told[rule.alias]) for rule in asked]
    return findings


def _great_expectations() -> Any:
    # It tells two hundred lines about itself, between which an operator would look for ours.
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
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
        ExpectColumnMaxToBeBetween(column=ROW_COUNT, min_value=0),
        *(
            ExpectColumnMaxToBeBetween(
                column=rule.alias,
                min_value=0,
                max_value=0,
                severity=FailureSeverity(_SEVERITY[rule.severity]),
                meta={"work_table": table, "rule": rule.name},
            )
            for rule in rules
        ),
    ]


def _finding(table: str, rule: Rule, rows: int, result: Any) -> Finding:
    return Finding(table, rule, rows, _observed(result), bool(result.success))


def _observed(result: Any) -> int:
    return int(result.result["observed_value"])
