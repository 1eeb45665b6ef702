"""What a choice model knows of a customer: codes, and the products owned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from passbook.recommend import choice_kernels, neighbour_kernels
from passbook.recommend.basket_model import NO_SEGMENT
from passbook.recommend.context import Context
from passbook.recommend.interactions import Flags, Floats, Interactions
from passbook.recommend.purchases import Ints, days_since_epoch

RECENCY_EDGES: Final = np.array([8, 31, 91, 181, 366, 731])
FAMILY_EDGES: Final = np.array([31, 91, 181, 366, 731, 1096, 1461, 2192, 2922])
"""Days since a customer last acquired of the family: who buys often is another kind of customer."""
LATELY: Final = 31
"""Days for which the product bought last has a say of its own."""
MOST_PRODUCTS: Final = 6
"""Customers with more products than this are told apart no further."""
MOST_OF_FAMILY: Final = 8
AMOUNT_EDGES: Final = np.array([-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0])
"""Mean logarithm of a customer's amounts over what is usual: each class is e times the last."""
MONTHS: Final = 13
CAUTIOUS: Final = 0.5
"""Scale of codes whose say about single products is shrunk four times as strongly."""


@dataclass(frozen=True)
class CodeLayout:
    """Rows of the products' own weights: which code points where.

    Attributes
    ----------
    traits : tuple of int
        Codes of each trait, segment first; 0 stands for unknown.
    offered : tuple of int
        Products of the family that is offered.
    products : int
        Products that may be owned.
    amounts : bool
        Whether amounts of the family's contracts are known.
    """

    traits: tuple[int, ...]
    offered: tuple[int, ...]
    products: int
    amounts: bool = False

    @property
    def sizes(self) -> list[int]:
        """Codes of each block: all, traits, amount if known, count and recency of the family, last
        product, last product if bought lately, month, count, recency, owned."""
        amount = [len(AMOUNT_EDGES) + 2] if self.amounts else []
        return [
            1, *self.traits, *amount, MOST_OF_FAMILY + 1, len(FAMILY_EDGES) + 1, self.products + 1,
            self.products + 1, MONTHS, MOST_PRODUCTS + 1, len(RECENCY_EDGES) + 1, self.products,
        ]  # fmt: skip

    @property
    def last(self) -> int:
        """First row of the product bought last."""
        return int(self.starts[3 + len(self.traits) + self.amounts])

    @property
    def family(self) -> Flags:
        """Which products are of the family that is offered."""
        family = np.zeros(self.products, dtype=bool)
        family[list(self.offered)] = True
        return family

    @property
    def rows(self) -> int:
        """Number of rows of weights."""
        return sum(self.sizes)

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """First row of each block."""
        return np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.int64)

    @property
    def scale(self) -> Floats:
        """Value of each block's entries."""
        cautious = 4  # month, count, recency, owned
        return np.repeat(
            np.array([1.0, CAUTIOUS], dtype=np.float32), [len(self.sizes) - cautious, cautious]
        )

    def codes(self, context: Context, month: int) -> Ints:
        """Return the row that each block but the last points to, (customers, blocks - 1)."""
        baskets = context.baskets
        of_family = baskets.only(self.family)
        owned = np.diff(baskets.indptr)
        last, newest = last_bought(baskets), newest_days(baskets)
        traits = trait_codes(context)
        known = [np.where(c < n, c, 0) for c, n in zip(traits.T, self.traits, strict=True)]
        columns = [
            np.zeros(len(owned)), *known, *([_amount_code(of_family)] if self.amounts else []),
            np.minimum(np.diff(of_family.indptr), MOST_OF_FAMILY),
            np.searchsorted(FAMILY_EDGES, newest_days(of_family), side="right"), last,
            np.where(newest <= LATELY, last, self.products), np.full(len(owned), month),
            np.minimum(owned, MOST_PRODUCTS), np.searchsorted(RECENCY_EDGES, newest, side="right"),
        ]  # fmt: skip
        return (np.column_stack(columns) + self.starts[:-1]).astype(np.int32)

    def owned(self) -> npt.NDArray[np.float64]:
        """Return the first row of owned products and the value of an entry."""
        return np.array([self.starts[-1], self.scale[-1]])

    def margins(self, context: Context, month: int, own: Floats, out: Floats) -> None:
        """Add what the products' own weights say, to (customers, offered) margins."""
        baskets = context.baskets
        choice_kernels.own_margins(
            self.codes(context, month), self.scale[:-1], baskets.indptr, baskets.items,
            self.owned(), own, out,
        )  # fmt: skip

    def row_places(self, place: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the row of each row of the same layout over another product list, -1 for new.

        Parameters
        ----------
        place : int64 array of shape (new products,)
            Column of each new product here, -1 for one that is not known.
        """
        last, lately, owned = self.last, self.last + self.products + 1, self.starts[-1]
        return np.concatenate(
            [
                np.arange(last),
                np.where(place >= 0, last + place, -1),
                [last + self.products],
                np.where(place >= 0, lately + place, -1),
                np.arange(lately + self.products, owned),
                np.where(place >= 0, owned + place, -1),
            ]
        )

    def on_products(self, place: npt.NDArray[np.int64]) -> CodeLayout:
        """Return the same layout over another product list."""
        offered = np.flatnonzero((place >= 0) & self.family[place])
        return CodeLayout(self.traits, tuple(offered.tolist()), len(place), self.amounts)


def layout_of(context: Context, offered: Flags) -> CodeLayout:
    """Return the layout that has a row for every code of these customers."""
    traits = trait_codes(context)
    return CodeLayout(
        tuple(int(codes.max(initial=0)) + 1 for codes in traits.T),
        tuple(np.flatnonzero(offered).tolist()),
        context.baskets.shape[1],
        _knows_amounts(context.baskets.only(offered)),
    )


def trait_codes(context: Context) -> Ints:
    """Return segment and traits as codes from 0, which stands for unknown."""
    segment = np.where(context.segment == NO_SEGMENT, 0, context.segment + 1)
    return np.column_stack([segment, context.profile]).astype(np.int32)


def _knows_amounts(of_family: Interactions) -> bool:
    return of_family.amount is not None and bool(np.isfinite(of_family.amount).any())


def _amount_code(of_family: Interactions) -> npt.NDArray[np.int64]:
    """Return the class of each customer's mean amount over the usual, 0 where none is known."""
    customers = of_family.shape[0]
    if of_family.amount is None:
        return np.zeros(customers, dtype=np.int64)
    known = np.isfinite(of_family.amount)
    rows = of_family.rows[known]
    times = np.bincount(rows, minlength=customers)
    total = np.bincount(rows, weights=of_family.amount[known], minlength=customers)
    code = np.searchsorted(AMOUNT_EDGES, total / np.maximum(times, 1), side="right") + 1
    return np.where(times > 0, code, 0)


def last_bought(baskets: Interactions) -> Ints:
    """Return the product acquired last by each customer, the number of products for none."""
    last = np.empty(baskets.shape[0], dtype=np.int32)
    neighbour_kernels.last_acquired(
        baskets.indptr, baskets.items, baskets.first_day, baskets.shape[1], last
    )
    return last


def newest_days(baskets: Interactions) -> npt.NDArray[np.float64]:
    """Return days since each customer's latest first purchase, infinity without one."""
    newest = np.full(baskets.shape[0], np.inf)
    some = np.flatnonzero(np.diff(baskets.indptr))
    if len(some):
        age = days_since_epoch(baskets.as_of) - baskets.first_day
        newest[some] = np.minimum.reduceat(age, baskets.indptr[some])
    return newest
