"""The time split: what was known by the end of training, and what was newly bought in the month
after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from passbook.base_date import HoldoutWindow
from passbook.recommend.interactions import Interactions, interactions_as_of
from passbook.recommend.purchases import Ints, Purchases, days_since_epoch


@dataclass(frozen=True)
class Acquisitions:
    """First purchases of a product inside a window, sorted by customer and product.

    Attributes
    ----------
    customer, item, day : int32 array of shape (n,)
    """

    customer: Ints
    item: Ints
    day: Ints

    def __len__(self) -> int:
        return len(self.customer)

    def select(self, keep: npt.NDArray[np.bool_]) -> Acquisitions:
        """Return those acquisitions that `keep` marks."""
        return Acquisitions(self.customer[keep], self.item[keep], self.day[keep])


@dataclass(frozen=True)
class Holdout:
    """A time split: `train` as of the end of training, `test` in the window after it."""

    train: Interactions
    test: Acquisitions
    window: HoldoutWindow


def split(purchases: Purchases, window: HoldoutWindow) -> Holdout:
    """Split purchases by time, both ends of the window included.

    A purchase on ``train_end`` trains, one on ``test_start`` or ``test_end`` tests, one after
    ``test_end`` is not looked at.
    """
    train = interactions_as_of(purchases, window.train_end)
    return Holdout(train, acquisitions_between(purchases, window), window)


def acquisitions_between(purchases: Purchases, window: HoldoutWindow) -> Acquisitions:
    """Return the first purchases of each customer and product that fall inside the test window."""
    first = np.ones(len(purchases), dtype=bool)
    first[1:] = (purchases.customer[1:] != purchases.customer[:-1]) | (
        purchases.item[1:] != purchases.item[:-1]
    )
    start, end = days_since_epoch(window.test_start), days_since_epoch(window.test_end)
    inside = first & (purchases.opened >= start) & (purchases.opened <= end)
    return Acquisitions(purchases.customer[inside], purchases.item[inside],
                        purchases.opened[inside])  # fmt: skip


def first_purchases(holdout: Holdout) -> tuple[npt.NDArray[np.bool_], Acquisitions]:
    """Return who had bought nothing by the end of training, and what they then bought first.

    First is what was bought on the first day of buying anything.
    """
    new = np.diff(holdout.train.indptr) == 0
    test = holdout.test
    first = np.full(len(new), np.iinfo(np.int32).max, dtype=np.int32)
    np.minimum.at(first, test.customer, test.day)
    return new, test.select(test.day == first[test.customer])
