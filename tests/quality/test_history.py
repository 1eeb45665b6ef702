"""Rows against the median of the weeks before, and last week's copy."""

from __future__ import annotations

import pytest

from passbook.quality.history import History, copy_rule, is_copy, row_rules
from passbook.quality.rules import Rule


def broken(rule: Rule, rows: int) -> bool:
    """Evaluate the rule's SQL as Python: it only compares a count with numbers."""
    condition = rule.unexpected.removeprefix("CASE WHEN ").removesuffix(" THEN 1 ELSE 0 END")
    return bool(eval(condition.replace("COUNT(*)", str(rows)).replace(" OR ", " or ")))  # noqa: S307


@pytest.mark.parametrize(
    ("rows", "outside"),
    [(49, True), (50, False), (100, False), (300, False), (301, True), (400, True), (0, True)],
)
def test_rows_stay_near_the_median(rows: int, outside: bool) -> None:
    (rule,) = row_rules("customer", History(rows={"customer": [90, 100, 5000]}))
    assert (rule.name, rule.severity) == ("rows.near_median", "fail")
    assert broken(rule, rows) is outside


def test_without_a_past_nothing_is_asked() -> None:
    assert row_rules("customer", History()) == []
    assert not is_copy("customer", "a", History())


def test_last_weeks_copy_rejects_where_a_table_must_change() -> None:
    history = History(last={"behaviour": "a", "product": "b"})
    assert is_copy("behaviour", "a", history)
    assert not is_copy("behaviour", "c", history)
    assert copy_rule("behaviour").severity == "fail"
    assert copy_rule("product").severity == "warn"
    assert copy_rule("product").name == "rows.not_a_copy"
