"""What the weeks before tell of a week: usual numbers of rows, nulls and means; a copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from passbook.contracts import WORK_TABLES
from passbook.quality.figures import has_mean, mean_of
from passbook.quality.rules import ROWS, Rule, rules_of

WEEKS: Final = 8
"""Weeks before the base date that are looked at."""
FEWEST, MOST = 0.5, 3.0
"""A table has over half and at most three times the median of its rows (−50 %, +200 %)."""
SHARE_CHANGE: Final = 0.2
"""Most that a column's share of nulls may move in a week, up or down."""
UNIT_JUMP: Final = 100.0
"""A mean so many times last week's, or less than that part of it, is in another unit.

Thousands of won for won are a factor of 1,000; a single huge amount moves a mean by less than 10.
"""
COPY: Final = "not_a_copy"
CHANGING: Final = ("deposit_profile", "behaviour")
"""Work tables that cannot be the same two weeks running; others merely seldom are."""


@dataclass(frozen=True)
class ColumnFigures:
    """A column the last time: share of nulls, 0 to 1, and mean; None: not known."""

    null_share: float | None = None
    mean: float | None = None


@dataclass(frozen=True)
class History:
    """What the ledger keeps of the weeks before, of those that passed.

    Attributes
    ----------
    rows : mapping of str to sequence of int
        Rows of each work table, a number a week.
    last : mapping of str to str
        Fingerprint of each work table the week before.
    columns : mapping of (str, str) to ColumnFigures
        Work table and column in the newest of these weeks.
    """

    rows: Mapping[str, Sequence[int]] = field(default_factory=dict)
    last: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[tuple[str, str], ColumnFigures] = field(default_factory=dict)


def history_rules(table: str, history: History) -> list[Rule]:
    """Return the rules that hold a table against the weeks before; none without a past."""
    return [*_row_rules(table, history), *_column_rules(table, history)]


def _row_rules(table: str, history: History) -> list[Rule]:
    past = history.rows.get(table, ())
    if not past:
        return []
    usual = median(past)
    outside = f"COUNT(*) <= {FEWEST * usual} OR COUNT(*) > {MOST * usual}"
    counted = f"CASE WHEN {outside} THEN 1 ELSE 0 END"
    return [Rule(ROWS, "near_median", counted, overridable=True)]


def _column_rules(table: str, history: History) -> list[Rule]:
    rules = []
    for column in WORK_TABLES[table].columns:
        before = history.columns.get((table, column.name), ColumnFigures())
        if before.null_share is not None and column.nullable:
            rules.append(null_share_rule(column.name, before.null_share))
        if before.mean and has_mean(column):
            rules.append(unit_rule(column.name, mean_of(column), before.mean))
    return rules


def null_share_rule(column: str, share: float) -> Rule:
    """Return the rule that about `share` of a column's values are null; it counts the change."""
    change = f"ABS(COUNT(*) - COUNT(t.`{column}`) - {share!r} * COUNT(*))"
    moved = f"{change} > {SHARE_CHANGE} * COUNT(*)"
    counted = f"CASE WHEN {moved} THEN ceil({change}) ELSE 0 END"
    return Rule(column, "null_share", counted, overridable=True)


def unit_rule(column: str, mean: str, before: float) -> Rule:
    """Return the rule that a column's mean is in the unit of the week before; it counts values."""
    low, high = before / UNIT_JUMP, before * UNIT_JUMP
    jumped = f"{mean} >= {high!r} OR {mean} <= {low!r}"
    counted = f"CASE WHEN {jumped} THEN COUNT(t.`{column}`) ELSE 0 END"
    return Rule(column, "unit", counted, overridable=True)


def copy_rule(table: str) -> Rule:
    """Return the rule that a table isn't last week's again; its content is hashed, not counted."""
    changing = table in CHANGING
    return Rule(ROWS, COPY, "", "fail" if changing else "warn", overridable=changing)


def is_copy(table: str, fingerprint: str, history: History) -> bool:
    """Whether a table's content is exactly last week's."""
    return history.last.get(table) == fingerprint


def overridable_rules(table: str) -> list[str]:
    """Return the names of a work table's rules that an operator may override."""
    columns = WORK_TABLES[table].columns
    past = History({table: [1]}, {}, {(table, c.name): ColumnFigures(0.0, 1.0) for c in columns})
    asked = [
        *rules_of(table, "DATE '1970-01-01'", tuple(WORK_TABLES)),
        *history_rules(table, past),
        copy_rule(table),
    ]
    return sorted(rule.name for rule in asked if rule.overridable)
