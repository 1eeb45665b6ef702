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
        What was acquired of these, by customers as the targets are.
    """

    number: int
    before: Interactions
    segment: Ints
    on_sale: Flags
    rows: npt.NDArray[np.int64]
    items: Ints


def past_months(training: Training, most: int) -> Iterator[PastMonth]:
    """Yield the months in which something was acquired, the latest first, as far as history goes.

    They are calendar months, from a day to the same day, so that each has one delivery of a source
    that is delivered monthly. Of purchases without dates there are none.
    """
    baskets = training.train
    if not len(baskets.first_day):
        return
    oldest = int(baskets.first_day.min())
    for number in range(1, most + 1):
        start, end = (months_before(baskets.as_of, n) for n in (number, number - 1))
        if days_since_epoch(start) <= oldest + MONTH_DAYS:
            return
        month = _month(training, number, baskets.before(start), end)
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


def _month(training: Training, number: int, before: Interactions, end: date) -> PastMonth:
    on_sale = training.offered & (training.sale_start <= days_since_epoch(end))
    on_sale &= training.sale_end > days_since_epoch(before.as_of)
    known = (np.diff(before.indptr) == 0) == training.of_newcomers
    if training.first_of_family:
        known &= ~before.customers_who_hold(training.offered)
    baskets, rows = training.train, training.train.rows
    inside = baskets.first_day > days_since_epoch(before.as_of)
    inside &= baskets.first_day <= days_since_epoch(end)
    inside &= on_sale[baskets.items] & known[rows]
    segment = _segment_before(training, before)
    return PastMonth(number, before, segment, on_sale, rows[inside], baskets.items[inside])


def _segment_before(training: Training, before: Interactions) -> Ints:
    """Return the segments as they were known before a month.

    Where only holders of the family have a segment, who did not hold it then had none: with the
    one that they have now a recommender would learn from what it will not be told.
    """
    others = ~training.train.customers_who_hold(training.offered)
    if training.of_newcomers or (training.segment[others] != NO_SEGMENT).any():
        return training.segment
    holders = before.customers_who_hold(training.offered)
    return np.where(holders, training.segment, np.int32(NO_SEGMENT))
