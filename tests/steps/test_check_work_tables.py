"""Broken rules: what rejects a base date, what is let pass, and what is told of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from passbook.errors import ContractError, EmptyWorkTableError, FutureRowError, QualityError
from passbook.ledger_quality import Override
from passbook.quality.expectations import Finding, validate
from passbook.quality.rules import Rule
from passbook.steps import check_work_tables


def finding(name: str, severity: str = "fail", *, passed: bool = False, rows: int = 9) -> Finding:
    column, kind = name.split(".")
    rule = Rule(column, kind, "", severity)  # type: ignore[arg-type]
    return Finding("fund_holding", rule, rows, 0 if passed else 3, passed)


@pytest.mark.parametrize(
    ("names", "error"),
    [
        (["amount.minimum"], QualityError),
        (["amount.minimum", "opened_on.not_future"], FutureRowError),
        (["opened_on.not_future", "key.unique"], ContractError),
        (["key.unique", "rows.not_empty"], EmptyWorkTableError),
    ],
)
def test_the_gravest_kind_is_raised_with_its_rules(
    names: list[str], error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        check_work_tables.judge([finding(name) for name in names])
    assert f"fund_holding {names[-1]}: 3 of 9 rows" in str(caught.value)


def test_warnings_and_kept_rules_pass_and_warnings_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    check_work_tables.judge(
        [finding("amount.minimum", passed=True), finding("closed_on.plausible", "warn")]
    )
    assert "warn fund_holding closed_on.plausible: 3 of 9 rows" in caplog.text


def test_a_bank_without_any_holding_is_empty() -> None:
    with pytest.raises(EmptyWorkTableError, match="No holding table has a row"):
        check_work_tables.judge([finding("amount.minimum", passed=True, rows=0)])


def override(rule: str, table: str = "fund_holding") -> Override:
    moment = datetime(2022, 12, 5, tzinfo=UTC)
    return Override(table, rule, "이관", moment, "ops", moment, in_force=True)


def test_an_overridden_rule_is_let_pass_and_told(caplog: pytest.LogCaptureFixture) -> None:
    usual = Finding("fund_holding", Rule("rows", "near_median", "", overridable=True), 9, 1, False)
    contract = finding("amount.minimum")
    overrides = [override("rows.near_median"), override("amount.minimum")]
    applied = check_work_tables.apply_overrides([usual, contract], overrides)
    assert [f.overridden for f in applied] == [True, False]
    check_work_tables.judge(applied[:1])
    assert "overridden fund_holding rows.near_median: 1 of 9 rows" in caplog.text
    with pytest.raises(QualityError, match=r"amount\.minimum: 3 of 9 rows\.") as caught:
        check_work_tables.judge(applied)
    assert "near_median" not in str(caught.value)
    other = check_work_tables.apply_overrides([usual], [override("rows.near_median", "customer")])
    assert not other[0].overridden


def test_a_suite_finds_what_the_figures_count() -> None:
    rules = [Rule("sex", "code", ""), Rule("joined_on", "plausible", "", "warn")]
    figures = {"row_count": 5, "sex__code": 2, "joined_on__plausible": 0}
    found = validate({"customer": figures}, {"customer": rules})
    assert [(f.rows, f.unexpected, f.passed) for f in found] == [(5, 2, False), (5, 0, True)]
