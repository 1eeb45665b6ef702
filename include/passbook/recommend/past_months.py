"""Past months replayed: what was known before each, and what customers then acquired."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from passbook.recommend.basket_model import NO_SEGMENT
from passbook.recommend.interactions import Flags, Interactions
from passbook.recommend.purchases import Ints, days_since_epoch

if TYPE_CHECKING:
    from passbook.recommend.recommenders import Training

MONTH_DAYS: Final = 30


@dataclass(frozen=True)
class PastMonth:
    """A month before the end of training.

    Attributes
    ----------
    number : int
        1 for the last one.
    before : Interactions
        What had been bought before it.
    segment : int32 array of shape (learners,)
        As it was known then.
    on_sale : bool array of shape (products,)
        Products of the scenario's family that were on sale in it.
    rows, items : int64 and int32 arrays of shape (acquisitions,)
        What was acquired of these, by customers as the targets are, or by holders too.
    """

    number: int
    before: Interactions
    segment: Ints
    on_sale: Flags
    rows: npt.NDArray[np.int64]
    items: Ints


def past_months(training: Training, most: int, *, holders: bool = False) -> Iterator[PastMonth]:
    """Yield the months in which something was acquired, the latest first, as far as history goes.

    They are calendar months, from a day to the same day, so that each has one delivery of a source
    that is delivered monthly. Of purchases without dates there are none.

    Parameters
    ----------
    most : int
        Months to go back.
    holders : bool
        Whether who held the family counts in cross-selling, and everybody with the segments of
        today: these are then what is learnt to be told, not what is known.
    """
    baskets = training.train
    if not len(baskets.first_day):
        return
    oldest = int(baskets.first_day.min())
    as_today = holders or not _only_buyers_have_segments(training)
    for number in range(1, most + 1):
        start, end = (months_before(baskets.as_of, n) for n in (number, number - 1))
        if days_since_epoch(start) <= oldest + MONTH_DAYS:
            return
        before = baskets.before(start)
        segment = training.segment if as_today else _segment_before(training, before)
        month = _month(training, number, before, end, segment, holders=holders)
        if len(month.rows):
            yield month


def months_before(day: date, months: int) -> date:
    """Return the day some calendar months earlier; a month's last day stays a last day."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    ends = day.day == calendar.monthrange(day.year, day.month)[1]
    return date(year, month + 1, last if ends else min(day.day, last))


def month_after(day: date) -> int:
    """Return the calendar month that most of the month after a day lies in."""
    return (day + timedelta(days=MONTH_DAYS // 2)).month


def learns_from_holders(training: Training) -> bool:
    """Return whether cross-selling learns from the choices of who held the family, too.

    Where only holders have segments, holders show what each segment takes, and targets, who have
    none, are told theirs by inference.
    """
    return training.first_of_family and _only_buyers_have_segments(training)


def _month(
    training: Training,
    number: int,
    before: Interactions,
    end: date,
    segment: Ints,
    *,
    holders: bool,
) -> PastMonth:
    on_sale = training.offered & (training.sale_start <= days_since_epoch(end))
    on_sale &= training.sale_end > days_since_epoch(before.as_of)
    known = (np.diff(before.indptr) == 0) == training.of_newcomers
    if training.first_of_family and not holders:
        known &= ~before.customers_who_hold(training.offered)
    baskets, rows = training.train, training.train.rows
    inside = baskets.first_day > days_since_epoch(before.as_of)
    inside &= baskets.first_day <= days_since_epoch(end)
    inside &= on_sale[baskets.items] & known[rows]
    return PastMonth(number, before, segment, on_sale, rows[inside], baskets.items[inside])


def _only_buyers_have_segments(training: Training) -> bool:
    others = ~training.train.customers_who_bought(training.offered)
    if training.of_newcomers:
        return False
    # A few may have one by a fault in the data, which must not decide how is learnt.
    return 2 * int((training.segment[others] != NO_SEGMENT).sum()) < max(int(others.sum()), 1)


def _segment_before(training: Training, before: Interactions) -> Ints:
    """Return the segments as they were known before a month, where only buyers have one.

    Who had bought nothing of the family then had none: with the one that they have now a
    recommender would learn from what it will not be told.
    """
    buyers = before.customers_who_bought(training.offered)
    return np.where(buyers, training.segment, np.int32(NO_SEGMENT))
