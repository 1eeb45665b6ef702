"""Figures counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from passbook.credit.evaluation import (
    check_outcomes,
    class_metrics,
    discrimination,
    kolmogorov_smirnov,
    lift_table,
    risk_curve,
    risk_metrics,
    roc_auc_interval,
    vintage,
)
from passbook.errors import OutcomeError

RISK = np.array([0.1, 0.2, 0.3, 0.4])
BAD = np.array([False, False, True, True])


def test_perfect_and_reversed_rankings() -> None:
    assert discrimination(RISK, BAD) == {"roc_auc": 1.0, "gini": 1.0, "ks": 1.0}
    assert discrimination(-RISK, BAD)["gini"] == -1.0


def test_the_interval_of_the_auc_by_hand() -> None:
    # bad 0.8 0.4, good 0.6 0.2: placements (1, .5) of the bad and (.5, 1) of the good, variance 1/8
    low, high = roc_auc_interval(np.array([0.8, 0.4, 0.6, 0.2]), np.array([1, 1, 0, 0], bool))
    error = 1.96 * np.sqrt(1 / 8 / 2 + 1 / 8 / 2)
    assert low == pytest.approx(0.75 - error)
    assert high == 1.0
    rng = np.random.default_rng(0)
    bad = rng.random(4_000) < 0.2
    narrow = roc_auc_interval(rng.normal(bad * 1.0), bad)
    assert narrow[0] < 0.760 < narrow[1]  # two normals one apart: Phi(1 / sqrt 2)
    assert narrow[1] - narrow[0] < 0.05


def test_ks_ignores_the_order_inside_a_tie() -> None:
    assert kolmogorov_smirnov(np.zeros(4), BAD) == pytest.approx(0.0)
    assert kolmogorov_smirnov(np.array([1, 2, 2, 3]), np.array([0, 0, 1, 1], bool)) == 0.5


def test_lift_by_hand() -> None:
    rows = lift_table(RISK, BAD, bins=2)
    assert [row["lift"] for row in rows] == [2.0, 0.0]
    assert [row["captured"] for row in rows] == [1.0, 1.0]


def test_the_curve_by_hand() -> None:
    rows = risk_curve(RISK, BAD, points=4)
    assert [(row["good"], row["bad"]) for row in rows] == [
        (0, 0), (0, 0.5), (0, 1), (0.5, 1), (1, 1),
    ]  # fmt: skip
    assert risk_curve(np.zeros(4), BAD, points=4)[1:] == [{"customers": 1, "good": 1, "bad": 1}]
    rng = np.random.default_rng(0)
    risk = rng.normal(size=4000)
    bad = rng.random(4000) < 1 / (1 + np.exp(2 - risk))
    curve = risk_curve(risk, bad, points=400)
    gap = max(row["bad"] - row["good"] for row in curve)
    assert gap == pytest.approx(kolmogorov_smirnov(risk, bad), abs=0.01)


def test_a_vintage_by_hand() -> None:
    days = np.array([1.0, 30.0, 31.0, 182.0, np.nan])
    rows = vintage("2022-06-05", days)
    assert [row["defaulted"] for row in rows] == [0.4, 0.6, 0.6, 0.6, 0.6, 0.8]
    assert rows[0] == {"cohort": "2022-06-05", "month": 1.0, "customers": 5.0, "defaulted": 0.4}
    assert vintage("none", np.array([])) == []


def test_brier_by_hand() -> None:
    found = risk_metrics(np.array([0.0, 0.5, 1.0, 0.5]), BAD)
    assert found["brier"] == pytest.approx(0.125)
    assert found["default_rate"] == 0.5


def test_class_figures_by_hand() -> None:
    probability = np.eye(2)[[0, 0, 1, 1]]
    found = class_metrics(probability, np.array([0, 1, 1, 1]), 2)
    assert found["accuracy"] == 0.75
    assert found["confusion_matrix"] == [[1, 0], [1, 2]]
    assert found["precision"] == pytest.approx((0.5 + 1.0) / 2)
    assert found["recall"] == pytest.approx((1.0 + 2 / 3) / 2)


@pytest.mark.parametrize("bad", [np.zeros(100, bool), np.ones(100, bool), np.array([], bool)])
def test_one_kind_of_outcome_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(OutcomeError, match="E501"):
        check_outcomes(bad)
