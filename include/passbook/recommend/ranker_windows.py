"""What the ranker learns from: customers' choices in past months, beside what was known before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from passbook.recommend.context import Context
from passbook.recommend.evidence import Evidence, gather
from passbook.recommend.interactions import Flags, Floats, Interactions
from passbook.recommend.past_months import (
    PastMonth,
    learns_from_holders,
    month_after,
    past_months,
)

if TYPE_CHECKING:
    from passbook.recommend.recommenders import Training

WINDOWS: Final = 24
MOST_CUSTOMERS: Final = 3000
"""Customers learnt from in a window; a few weights need no more."""
MOST_CELLS: Final = 1_500_000
"""Customers times offered products of a window: of a large catalogue fewer customers are learnt
from, because the evidence of all windows is in memory at once."""


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

    Purchases without dates are a single window, in which one product of each customer is hidden.
    """
    days = training.train.first_day
    if len(days) and days.min() == days.max():
        window = _leave_one_out(training)
        if window is not None:
            yield window
        return
    for month in past_months(training, WINDOWS, holders=learns_from_holders(training)):
        yield _window(training, month)


def never_bought(baskets: Interactions, offered: Flags) -> Flags:
    """Return which of the offered products each customer never bought, (customers, offered)."""
    open_to = np.ones((baskets.shape[0], int(offered.sum())), dtype=bool)
    position = np.cumsum(offered) - 1
    inside = offered[baskets.items]
    open_to[baskets.rows[inside], position[baskets.items[inside]]] = False
    return open_to


def _window(training: Training, month: PastMonth) -> Window:
    rows = np.unique(month.rows)
    most = _most_customers(training.offered)
    if len(rows) > most:
        rng = np.random.default_rng((training.random_state, month.number))
        rows = np.sort(rng.choice(rows, most, replace=False))
    context = Context(month.before, month.segment, training.profile)
    position = np.cumsum(training.offered) - 1
    taken = np.zeros((len(rows), int(training.offered.sum())), dtype=np.float32)
    place = np.full(month.before.shape[0], -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    kept = place[month.rows] >= 0
    taken[place[month.rows[kept]], position[month.items[kept]]] = 1.0
    chosen = context.take(rows)
    open_to = never_bought(chosen.baskets, training.offered) & month.on_sale[training.offered]
    evidence = gather(context, training.offered)
    return Window(chosen, evidence, month_after(month.before.as_of), open_to, taken)


def _most_customers(offered: Flags) -> int:
    return max(1, min(MOST_CUSTOMERS, MOST_CELLS // max(int(offered.sum()), 1)))


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
    most = _most_customers(training.offered) * WINDOWS
    if len(hidden) > most:
        hidden = np.sort(rng.choice(hidden, most, replace=False))
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
