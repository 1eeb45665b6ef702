"""Past months replayed for the ranker: what was known before each, and what was then acquired."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from passbook.recommend.basket_model import NO_SEGMENT
from passbook.recommend.context import Context
from passbook.recommend.evidence import Evidence, gather
from passbook.recommend.interactions import Flags, Floats, Interactions
from passbook.recommend.purchases import Ints, days_since_epoch

if TYPE_CHECKING:
    from passbook.recommend.recommenders import Training

MONTH_DAYS: Final = 30
WINDOWS: Final = 24
MOST_CUSTOMERS: Final = 3000
"""Customers learnt from in a window; a few weights need no more."""


@dataclass(frozen=True)
class Window:
    """Customers who acquired something in a window, as they were known before it.

    Attributes
    ----------
    context : Context
    evidence : Evidence
        Counted before the window.
    month : int
    open_to : bool array of shape (customers, offered)
        Products on sale that the customer had never bought.
    taken : float32 array of shape (customers, offered)
    """

    context: Context
    evidence: Evidence
    month: int
    open_to: Flags
    taken: Floats


def windows(training: Training) -> Iterator[Window]:
    """Yield the months before the end of training, the latest first, as far as history goes.

    They are calendar months, from a day to the same day, so that each has one delivery of a source
    that is delivered monthly.
    """
    baskets = training.train
    if not len(baskets.first_day):
        return
    oldest = int(baskets.first_day.min())
    if oldest == int(baskets.first_day.max()):
        window = _leave_one_out(training)
        if window is not None:
            yield window
        return
    for number in range(1, WINDOWS + 1):
        start, end = (months_before(baskets.as_of, n) for n in (number, number - 1))
        if days_since_epoch(start) <= oldest + MONTH_DAYS:
            return
        window = _window(training, baskets.before(start), end, number)
        if window is not None:
            yield window


def months_before(day: date, months: int) -> date:
    """Return the day some calendar months earlier; a month's last day stays a last day."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    ends = day.day == calendar.monthrange(day.year, day.month)[1]
    return date(year, month + 1, last if ends else min(day.day, last))


def month_after(day: date) -> int:
    """Return the calendar month that most of the month after a day lies in."""
    return (day + timedelta(days=MONTH_DAYS // 2)).month


def never_bought(baskets: Interactions, offered: Flags) -> Flags:
    """Return which of the offered products each customer never bought, (customers, offered)."""
    open_to = np.ones((baskets.shape[0], int(offered.sum())), dtype=bool)
    position = np.cumsum(offered) - 1
    inside = offered[baskets.items]
    open_to[baskets.rows[inside], position[baskets.items[inside]]] = False
    return open_to


def _window(training: Training, before: Interactions, end: date, number: int) -> Window | None:
    on_sale = training.offered & (training.sale_start <= days_since_epoch(end))
    on_sale &= training.sale_end > days_since_epoch(before.as_of)
    rows, taken_row, taken_item = _acquirers(training, before, on_sale, end)
    if len(rows) == 0:
        return None
    if len(rows) > MOST_CUSTOMERS:
        rng = np.random.default_rng((training.random_state, number))
        rows = np.sort(rng.choice(rows, MOST_CUSTOMERS, replace=False))
    context = Context(before, _segment_before(training, before), training.profile)
    position = np.cumsum(training.offered) - 1
    taken = np.zeros((len(rows), int(training.offered.sum())), dtype=np.float32)
    place = np.full(before.shape[0], -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    kept = place[taken_row] >= 0
    taken[place[taken_row[kept]], position[taken_item[kept]]] = 1.0
    chosen = context.take(rows)
    open_to = never_bought(chosen.baskets, training.offered) & on_sale[training.offered]
    evidence = gather(context, training.offered)
    return Window(chosen, evidence, month_after(before.as_of), open_to, taken)


def _segment_before(training: Training, before: Interactions) -> Ints:
    """Return the segments as they were known before a window.

    Where only holders of the family have a segment, who did not hold it then had none: with the
    one that they have now the ranker would learn from what it will not be told.
    """
    others = ~training.train.customers_who_hold(training.offered)
    if training.of_newcomers or (training.segment[others] != NO_SEGMENT).any():
        return training.segment
    holders = before.customers_who_hold(training.offered)
    return np.where(holders, training.segment, np.int32(NO_SEGMENT))


def _acquirers(
    training: Training, before: Interactions, on_sale: Flags, end: date
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Ints]:
    """Return customers as the targets are who acquired, and who acquired what."""
    baskets = training.train
    known = (np.diff(before.indptr) == 0) == training.of_newcomers
    if training.first_of_family:
        known &= ~before.customers_who_hold(training.offered)
    row = baskets.rows
    inside = baskets.first_day > days_since_epoch(before.as_of)
    inside &= baskets.first_day <= days_since_epoch(end)
    inside &= on_sale[baskets.items] & known[row]
    return np.unique(row[inside]), row[inside], baskets.items[inside]


def _leave_one_out(training: Training) -> Window | None:
    """Hide one product of every customer with several, where purchases have no dates."""
    baskets = training.train
    rng = np.random.default_rng(training.random_state)
    size = np.diff(baskets.indptr)
    hidden = baskets.indptr[:-1] + (rng.random(len(size)) * size).astype(np.int64)
    hidden = hidden[(size > 1)]
    hidden = hidden[training.offered[baskets.items[hidden]]]
    if len(hidden) == 0:
        return None
    if len(hidden) > MOST_CUSTOMERS * WINDOWS:
        hidden = np.sort(rng.choice(hidden, MOST_CUSTOMERS * WINDOWS, replace=False))
    keep = np.ones(len(baskets.items), dtype=bool)
    keep[hidden] = False
    rows = baskets.rows[hidden]
    context = Context(baskets.entries(keep), training.segment, training.profile)
    chosen = context.take(rows)
    position = np.cumsum(training.offered) - 1
    taken = np.zeros((len(rows), int(training.offered.sum())), dtype=np.float32)
    taken[np.arange(len(rows)), position[baskets.items[hidden]]] = 1.0
    open_to = never_bought(chosen.baskets, training.offered)
    evidence = gather(context, training.offered)
    return Window(chosen, evidence, baskets.as_of.month, open_to, taken)
