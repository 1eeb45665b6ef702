from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa

from passbook.recommend.als_model import AlsParameters
from passbook.recommend.basket_model import NO_SEGMENT
from passbook.recommend.interactions import Interactions
from passbook.recommend.past_months import (
    _only_buyers_have_segments,
    learns_from_holders,
    months_before,
    past_months,
)
from passbook.recommend.purchases import STILL_HELD, days_since_epoch
from passbook.recommend.recommenders import Training

LONG_AGO, LATELY = (days_since_epoch(day) for day in (date(2020, 1, 1), date(2022, 11, 15)))
CARD, SAVINGS, DEPOSIT = 0, 1, 2
BOUGHT = {
    "first": [(CARD, LONG_AGO, True), (SAVINGS, LATELY, True)],
    "holder": [(SAVINGS, LONG_AGO, True), (DEPOSIT, LATELY, True)],
    "lapsed": [(CARD, LONG_AGO, True), (SAVINGS, LONG_AGO, False), (DEPOSIT, LATELY, True)],
    "never": [(CARD, LONG_AGO, True)],
}
"""Product, day, whether it is held still."""
SEGMENTS = [1, 0, 2, NO_SEGMENT]


def _training(segments: list[int], *, first_of_family: bool) -> Training:
    entries = [entry for bought in BOUGHT.values() for entry in bought]
    items, days, held = (np.array(values) for values in zip(*entries, strict=True))
    train = Interactions(
        pa.array(BOUGHT), pa.array(["card", "savings", "deposit"]),
        np.cumsum([0, *map(len, BOUGHT.values())]), items.astype(np.int32),
        days.astype(np.int32), days.astype(np.int32), held, date(2022, 11, 30),
    )  # fmt: skip
    ends = np.full(3, STILL_HELD, dtype=np.int32)
    return Training(
        train, np.array(segments, dtype=np.int32), np.empty((4, 0), dtype=np.int32),
        np.array([False, True, True]), -ends, ends, 200, AlsParameters(), 0, 1.0,
        first_of_family=first_of_family,
    )  # fmt: skip


def _newest(training: Training, *, holders: bool = False) -> tuple[list[str], list[int]]:
    """Return who acquired in the newest month, and the segments that were known before it."""
    month = next(past_months(training, 1, holders=holders))
    rows = np.unique(month.rows)
    return month.before.customers.take(pa.array(rows)).to_pylist(), month.segment[rows].tolist()


def test_only_who_did_not_hold_the_family_shows_what_is_taken_first() -> None:
    everybody = [1, 0, 2, 1]
    assert _newest(_training(everybody, first_of_family=True)) == (["first", "lapsed"], [1, 2])
    assert _newest(_training(everybody, first_of_family=False))[0] == ["first", "holder", "lapsed"]


def test_where_segments_are_inferred_holders_show_what_each_segment_takes() -> None:
    """The segments of today are what is learnt to be told, also of who had none then."""
    training = _training(SEGMENTS, first_of_family=True)
    assert learns_from_holders(training)
    assert not learns_from_holders(_training([1, 0, 2, 1], first_of_family=True))
    assert _newest(training, holders=True) == (["first", "holder", "lapsed"], [1, 0, 2])
    assert _newest(training) == (["first", "lapsed"], [NO_SEGMENT, 2])


def test_a_segment_that_only_buyers_have_was_not_known_before_they_bought() -> None:
    """Who lapsed kept the segment of when they held."""
    known = _newest(_training(SEGMENTS, first_of_family=False))
    assert known == (["first", "holder", "lapsed"], [NO_SEGMENT, 0, 2])


def test_segments_of_another_family_were_known_before() -> None:
    assert _newest(_training([1, 0, 2, 1], first_of_family=False))[1] == [1, 0, 2]


def test_newcomers_have_their_segments_from_the_start() -> None:
    newcomers = replace(_training(SEGMENTS, first_of_family=False), of_newcomers=True)
    assert not _only_buyers_have_segments(newcomers)


def test_months_go_from_a_day_to_the_same_day_and_from_last_day_to_last_day() -> None:
    assert months_before(date(2020, 3, 29), 1) == date(2020, 2, 29)
    assert months_before(date(2020, 3, 15), 14) == date(2019, 1, 15)
    assert months_before(date(2020, 2, 29), 1) == date(2020, 1, 31)
    assert months_before(date(2020, 1, 31), 2) == date(2019, 11, 30)
