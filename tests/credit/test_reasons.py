"""Reasons: strongest first, in the direction of the outcome, never empty words."""

from __future__ import annotations

import numpy as np

from passbook.credit import reasons

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
