"""Calibration recovers a planted line, keeps the order, and its error is counted right."""

from __future__ import annotations

import numpy as np
import pytest

from passbook.credit.calibration import (
    expected_calibration_error,
    fit_isotonic,
    fit_platt,
    from_described,
    reliability,
)


def test_planted_slope_and_intercept_are_found() -> None:
    rng = np.random.default_rng(3)
    margin = rng.normal(-1, 1.5, 60_000)
    bad = rng.random(60_000) < 1 / (1 + np.exp(-(0.7 * margin - 1.2)))
    found = fit_platt(margin, bad)
    assert found.slope == pytest.approx(0.7, abs=0.03)
    assert found.intercept == pytest.approx(-1.2, abs=0.05)
    assert found.probability(margin).mean() == pytest.approx(bad.mean(), abs=0.001)


def test_isotonic_finds_what_no_line_can_and_keeps_sums_and_signs() -> None:
    rng = np.random.default_rng(4)
    parts = np.column_stack([rng.normal(0, 1, (60_000, 3)), np.full(60_000, -0.5)])
    margin = parts.sum(axis=1)
    truth = np.where(margin < 0, -3.0, 0.5)
    bad = rng.random(60_000) < 1 / (1 + np.exp(-truth))
    found = fit_isotonic(margin, bad)
    steps = found.log_odds(np.array([-9.0, -2.0, -1.0, 1.0, 2.0, 9.0]))
    assert (np.diff(steps) >= 0).all()
    assert steps[1:3] == pytest.approx([-3.0, -3.0], abs=0.2)
    assert steps[3:5] == pytest.approx([0.5, 0.5], abs=0.2)
    calibrated = found.contributions(parts.copy())
    np.testing.assert_allclose(calibrated.sum(axis=1), found.log_odds(margin), atol=1e-9)
    assert (calibrated[:, :3] * parts[:, :3] >= 0).all()
    assert from_described(found.described()) == found
    line = fit_platt(margin, bad)
    assert from_described(line.described()) == line


def test_a_model_that_ranks_backwards_is_flattened_not_turned_around() -> None:
    margin = np.linspace(-3, 3, 2000)
    found = fit_platt(margin, margin < 0)
    assert 0 < found.slope < 0.05


def test_calibration_error_by_hand() -> None:
    probability = np.array([0.1, 0.1, 0.5, 0.5])
    bad = np.array([False, False, True, False])
    assert expected_calibration_error(probability, bad, bins=2) == pytest.approx(0.05)
    assert reliability(probability, bad, bins=2)[1] == {
        "rows": 2.0, "predicted": 0.5, "observed": 0.5,
    }  # fmt: skip
