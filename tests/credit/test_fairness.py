"""Fairness figures counted by hand, and unfairness that was planted is found."""

from __future__ import annotations

import numpy as np
import pytest

from passbook.credit.fairness import audit, by_group, summary


def test_groups_by_hand() -> None:
    group = np.array(["F", "F", "M", "M", ""])
    approved = np.array([True, False, True, True, True])
    defaulted = np.array([False, False, False, True, False])
    probability = np.array([0.1, 0.3, 0.2, 0.4, 0.9])
    assert by_group(group, approved, defaulted, probability) == [
        {"group": "F", "rows": 2, "approved": 0.5, "good_approved": 0.5,
         "predicted": pytest.approx(0.2), "observed": 0.0},
        {"group": "M", "rows": 2, "approved": 1.0, "good_approved": 1.0,
         "predicted": pytest.approx(0.3), "observed": 0.5},
    ]  # fmt: skip


def test_planted_unfairness_is_found_and_small_groups_do_not_count() -> None:
    rng = np.random.default_rng(2)
    sex = rng.choice(["F", "M"], 20_000)
    approved = rng.random(20_000) < np.where(sex == "F", 0.45, 0.9)
    sex[:30], approved[:30] = "X", False
    defaulted = np.zeros(20_000, bool)
    found = audit({"sex": sex}, approved, defaulted, np.full(20_000, 0.1))["sex"]
    assert found["approval_ratio"] == pytest.approx(0.5, abs=0.02)
    assert found["equal_opportunity_gap"] == pytest.approx(0.45, abs=0.02)
    assert [row["group"] for row in found["groups"]] == ["F", "M", "X"]


def test_one_group_cannot_be_treated_differently_from_another() -> None:
    group = np.array(["F"] * 500 + [""] * 500)
    alike = {"approval_ratio": 1.0, "equal_opportunity_gap": 0.0}
    assert summary(group, np.arange(1000) % 2 == 0, np.zeros(1000, bool)) == alike
    nobody = np.zeros(1000, bool)
    assert summary(np.repeat(["F", "M"], 500), nobody, nobody) == alike
    assert by_group(np.array(["", ""]), nobody[:2], nobody[:2], np.zeros(2)) == []
