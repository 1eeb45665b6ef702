"""What the weeks before tell of a week: how many rows are usual, and whether it is a copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from passbook.quality.rules import Rule

WEEKS: Final = 8
"""Weeks before the base date that are looked at."""
FEWEST, MOST = 0.5, 3.0
"""A table has at least half and at most three times the median of its rows (−50 %, +200 %)."""
COPY: Final = "not_a_copy"
CHANGING: Final = ("deposit_profile", "behaviour")
"""Work tables that cannot be the same two weeks running; others merely seldom are."""


@dataclass(frozen=True)
class History:
    """What the ledger keeps of the weeks before, of those that passed.

    Attributes
    ----------
    rows : mapping of str to sequence of int
        Rows of each work table, a number a week.
    last : mapping of str to str
        Fingerprint of each work table the week before.
    """

    rows: Mapping[str, Sequence[int]] = field(default_factory=dict)
    last: Mapping[str, str] = field(default_factory=dict)


def row_rules(table: str, history: History) -> list[Rule]:
    """Return the rule that holds a table's rows against their median; none without a past."""
    past = history.rows.get(table, ())
    if not past:
        return []
    usual = median(past)
    outside = f"COUNT(*) < {FEWEST * usual} OR COUNT(*) > {MOST * usual}"
    return [Rule("rows", "near_median", f"CASE WHEN {outside} THEN 1 ELSE 0 END")]


def copy_rule(table: str) -> Rule:
    """Return the rule that a table isn't last week's again; its content is hashed, not counted."""
    return Rule("rows", COPY, "", "fail" if table in CHANGING else "warn")


def is_copy(table: str, fingerprint: str, history: History) -> bool:
    """Whether a table's content is exactly last week's."""
    return history.last.get(table) == fingerprint
