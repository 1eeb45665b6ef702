"""Rows against the median of the weeks before, and last week's copy."""

from __future__ import annotations

import pytest

from passbook.quality.history import (
    ColumnFigures,
    History,
    copy_rule,
    history_rules,
    is_copy,
    overridable_rules,
)
from passbook.quality.rules import Rule


def broken(rule: Rule, rows: int) -> bool:
    """Evaluate the rule's SQL as Python: it only compares a count with numbers."""
    condition = rule.unexpected.removeprefix("CASE WHEN ").removesuffix(" THEN 1 ELSE 0 END")
    return bool(eval(condition.replace("COUNT(*)", str(rows)).replace(" OR ", " or ")))  # noqa: S307


@pytest.mark.parametrize(
    ("rows", "outside"),
    [(50, True), (51, False), (100, False), (300, False), (301, True), (400, True), (0, True)],
)
def test_rows_stay_near_the_median(rows: int, outside: bool) -> None:
    (rule,) = history_rules("customer", History(rows={"customer": [90, 100, 5000]}))
    assert (rule.name, rule.severity) == ("rows.near_median", "fail")
    assert broken(rule, rows) is outside


def test_without_a_past_nothing_is_asked() -> None:
    assert history_rules("customer", History()) == []
    assert not is_copy("customer", "a", History())


def test_columns_are_held_against_the_last_week_where_it_says_something() -> None:
    columns = {
        ("fund_holding", "amount"): ColumnFigures(0.1, 2e6),
        ("fund_holding", "closed_on"): ColumnFigures(1.0, None),
        ("fund_holding", "opened_on"): ColumnFigures(0.0, None),
        ("behaviour", "night_share"): ColumnFigures(0.0, 0.5),
        ("behaviour", "income"): ColumnFigures(0.0, 0.0),
    }
    history = History(columns=columns)
    asked = {rule.name: rule.unexpected for rule in history_rules("fund_holding", history)}
    assert asked.keys() == {"amount.null_share", "amount.unit", "closed_on.null_share"}
    assert "AVG(t.`amount`) >= 200000000.0 OR AVG(t.`amount`) <= 20000.0" in asked["amount.unit"]
    assert [r.name for r in history_rules("behaviour", history)] == ["income.null_share"]


def test_what_later_stages_rely_on_cannot_be_overridden() -> None:
    assert overridable_rules("fund_holding") == [
        "amount.null_share",
        "amount.unit",
        "closed_on.null_share",
        "customer_id.known",
        "rows.near_median",
    ]
    assert "account_count.sum_of_parts" in overridable_rules("deposit_profile")
    assert "rows.not_a_copy" in overridable_rules("behaviour")
    assert "customer_id.known" not in overridable_rules("behaviour")


def test_last_weeks_copy_rejects_where_a_table_must_change() -> None:
    history = History(last={"behaviour": "a", "product": "b"})
    assert is_copy("behaviour", "a", history)
    assert not is_copy("behaviour", "c", history)
    assert copy_rule("behaviour").severity == "fail"
    assert copy_rule("product").severity == "warn"
    assert copy_rule("product").name == "rows.not_a_copy"
