"""Reasons: strongest first, in the direction of the outcome, never empty words."""

from __future__ import annotations

import numpy as np

from passbook.credit import reasons
from passbook.credit.features import Feature

CONTRIBUTIONS = np.array([[0.5, -0.2, 0.1, 0.0], [0.5, -0.2, -0.3, 0.0], [0.1, 0.1, 0.2, 0.3]])
ADVERSE = np.array([True, False, False])


def test_direction_order_and_gaps() -> None:
    place, filled = reasons.choose(CONTRIBUTIONS, ADVERSE, 3)
    assert place[0, filled[0]].tolist() == [0, 2]
    assert place[1, filled[1]].tolist() == [2, 1]
    assert not filled[2].any()


def test_ties_go_to_the_first_feature() -> None:
    place, _ = reasons.choose(np.array([[0.2, 0.2, 0.2]]), np.array([True]), 3)
    assert place.tolist() == [[0, 1, 2]]


def test_in_words() -> None:
    place, filled = reasons.choose(CONTRIBUTIONS, ADVERSE, 2)
    phrases = [f"+{name}" for name in "abcd"] + [f"-{name}" for name in "abcd"]
    assert reasons.in_words(place, filled, ADVERSE, phrases).to_pylist() == [
        ["-a", "-c"], ["+c", "+b"], [],
    ]  # fmt: skip


def test_sentences_say_which_end_is_meant_in_both_languages() -> None:
    arrears = Feature("a", "payments in arrears", "연체 건수", 1, ("few", "many"), ("적음", "많음"))
    income = Feature("i", "income", "소득", -1)
    shape = Feature("s", "share of transfers", "이체 비중")
    assert reasons.bilingual([arrears, income, shape]) == [
        "Supports the index: few payments in arrears / 지수를 높임: 연체 건수 적음",
        "Supports the index: high income / 지수를 높임: 소득 높음",
        "Supports the index: share of transfers / 지수를 높임: 이체 비중",
        "Lowers the index: many payments in arrears / 지수를 낮춤: 연체 건수 많음",
        "Lowers the index: low income / 지수를 낮춤: 소득 낮음",
        "Lowers the index: share of transfers / 지수를 낮춤: 이체 비중",
    ]
