"""The simulated months and how a drift sets in."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from passbook.demo.bank.calendar import build_calendar, day_number
from passbook.demo.bank.drift import Drift, intensity


def test_the_last_month_stops_at_the_end() -> None:
    calendar = build_calendar(date(2024, 3, 17), 3)
    assert calendar.names == ("202401", "202402", "202403")
    assert calendar.first.tolist() == [day_number(date(2024, m, 1)) for m in (1, 2, 3)]
    assert calendar.last.tolist() == [
        day_number(day) for day in (date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 17))
    ]
    assert calendar.complete.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("end", "first"), [(date(2023, 12, 31), "202307"), (date(2024, 1, 7), "202308")]
)
def test_months_cross_the_year(end: date, first: str) -> None:
    calendar = build_calendar(end, 6)
    assert calendar.names[0] == first
    assert calendar.complete[-1] == (end == date(2023, 12, 31))


def test_a_sudden_drift_is_there_at_once_and_a_slow_one_grows() -> None:
    calendar = build_calendar(date(2024, 12, 29), 20)
    sudden = intensity(Drift("sudden", date(2024, 6, 15)), calendar)
    begun = calendar.names.index("202406")
    assert not sudden[:begun].any()
    assert (sudden[begun:] == 1).all()
    slow = intensity(Drift("slow", date(2023, 8, 1)), calendar)
    expected = [0, 0, 0, *(month / 12 for month in range(1, 13)), *[1] * 5]
    np.testing.assert_allclose(slow, expected)
    assert not intensity(None, calendar).any()
