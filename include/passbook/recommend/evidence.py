"""What a ranker weighs: popularity lately, what followed what, whom a product appeals to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from passbook.recommend.basket_model import NO_SEGMENT, BasketModel
from passbook.recommend.context import Context
from passbook.recommend.interactions import Flags, Floats, Interactions
from passbook.recommend.neighbours import item_cosine, transitions
from passbook.recommend.popularity import counts
from passbook.recommend.purchases import Ints, days_since_epoch

RECENT_DAYS: Final = (90, 30)
SMOOTHING: Final = 20.0
"""Acquisitions that a trait's own share is weighed against the share of all."""


@dataclass(frozen=True)
class Evidence:
    """Counts as of a day, as logarithms of shares.

    Attributes
    ----------
    popularity : float32 array of shape (3, products)
        Log share of buyers ever, of the last 90 and of the last 30 days.
    followers : BasketModel
        Transitions: what was acquired after what.
    next_after : float32 array of shape (products + 1, products)
        Log share of what was acquired directly after a product; last row: after nothing.
    traits : tuple of float32 arrays of shape (codes, products)
        By trait, segment first: log share among customers with a code, over the share of all.
    season : float32 array of shape (13, products)
        Log share in a calendar month over the share of all; row 0 is empty.
    cosine : BasketModel
    """

    popularity: Floats
    followers: BasketModel
    next_after: Floats
    traits: tuple[Floats, ...]
    season: Floats
    cosine: BasketModel

    def features(self, context: Context, month: int) -> Iterator[Floats]:
        """Yield the features that the first stage weighs, each (customers, products).

        Parameters
        ----------
        month : int
            Calendar month for which products are ranked.
        """
        customers = len(context.segment)
        after = self.followers.score(context)
        yield np.log(np.maximum(after, 0.0) + np.float32(1e-4))
        yield np.log(np.maximum(self.cosine.score(context), 0.0) + np.float32(1e-4))
        yield self.next_after[last_bought(context.baskets)]
        for row in self.popularity:
            yield np.broadcast_to(row, (customers, len(row)))
        for table, code in zip(self.traits, _codes(context).T, strict=True):
            yield table[np.where(code < len(table), code, 0)]
        yield np.broadcast_to(self.season[month], (customers, self.season.shape[1]))

    def on_products(self, place: npt.NDArray[np.int64]) -> Evidence:
        """Return the evidence over another product list, none where `place` is -1."""
        known = place >= 0

        def columns(table: Floats) -> Floats:
            return np.where(known, table[:, place], np.float32(0)).astype(np.float32)

        rows = np.append(place, len(self.next_after) - 1)
        return Evidence(
            columns(self.popularity),
            self.followers.on_products(place),
            columns(self.next_after[rows]),
            tuple(columns(table) for table in self.traits),
            columns(self.season),
            self.cosine.on_products(place),
        )

    @property
    def width(self) -> int:
        """Number of features of the first stage."""
        return 7 + len(self.traits)


def gather(context: Context, offered: Flags) -> Evidence:
    """Count the evidence in what customers bought.

    Parameters
    ----------
    context : Context
        Of all who may be learnt from.
    offered : bool array of shape (products,)
        Products among which shares are taken.
    """
    train = context.baskets
    ever = counts(train)
    recent = [_bought_within(train, days) for days in RECENT_DAYS]
    popularity = np.stack([_log_share(c + 1.0, offered) for c in (ever, *recent)])
    followers = transitions(train)
    month = _calendar_month(train.first_day)
    codes = _codes(context)[train.rows]
    return Evidence(
        popularity,
        followers,
        _next_after(train, offered),
        tuple(_lift(train.items, code, offered, train.shape[1]) for code in codes.T),
        _lift(train.items, month, offered, train.shape[1], codes=13),
        item_cosine(train),
    )


def last_bought(baskets: Interactions) -> Ints:
    """Return the product acquired last by each customer, the number of products for none."""
    last = np.full(baskets.shape[0], baskets.shape[1], dtype=np.int32)
    rows = baskets.rows
    order = np.lexsort((baskets.items, baskets.first_day, rows))
    last[rows[order]] = baskets.items[order]
    return last


def _codes(context: Context) -> Ints:
    """Return segment and traits as codes from 0, which stands for unknown."""
    segment = np.where(context.segment == NO_SEGMENT, 0, context.segment + 1)
    return np.column_stack([segment, context.profile]).astype(np.int32)


def _bought_within(train: Interactions, days: int) -> Floats:
    since = days_since_epoch(train.as_of) - days
    return np.bincount(train.items[train.first_day > since], minlength=train.shape[1]).astype(
        np.float32
    )


def _calendar_month(days: Ints) -> Ints:
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int32)
    return np.asarray(months % 12 + 1, dtype=np.int32)


def _log_share(count: npt.NDArray[np.floating], offered: Flags) -> Floats:
    share = np.where(offered, count, 0.0)
    total = np.maximum(share.sum(axis=-1, keepdims=True), 1e-12)
    return np.asarray(np.log(share / total + 1e-9), dtype=np.float32)


def _next_after(train: Interactions, offered: Flags, smoothing: float = 10.0) -> Floats:
    """Count what was acquired directly after what, on a later day."""
    products = train.shape[1]
    rows = train.rows
    order = np.lexsort((train.items, train.first_day, rows))
    row, item, day = rows[order], train.items[order], train.first_day[order]
    follows = (row[1:] == row[:-1]) & (day[1:] > day[:-1])
    pair = item[:-1][follows].astype(np.int64) * products + item[1:][follows]
    count = np.bincount(pair, minlength=products * products).reshape(products, products)
    base = np.where(offered, count.sum(axis=0) + 1e-3 * counts(train), 0.0)
    base = base / max(float(base.sum()), 1e-12)
    with_none = np.vstack([count * offered, np.zeros(products)]) + smoothing * base
    return _log_share(with_none, offered)


def _lift(
    items: Ints, code: Ints, offered: Flags, products: int, codes: int | None = None
) -> Floats:
    """Return log share of products among the purchases of each code, over the share of all."""
    rows = codes or int(code.max(initial=0)) + 1
    cell = code.astype(np.int64) * products + items
    count = np.bincount(cell, minlength=rows * products).reshape(rows, products) * offered
    share = np.where(offered, count.sum(axis=0) + 0.1, 0.0)
    share = share / max(float(share.sum()), 1e-12)
    smoothed = (count + SMOOTHING * share) / (count.sum(axis=1, keepdims=True) + SMOOTHING)
    lift = np.log((smoothed + 1e-9) / (share + 1e-9))
    lift[0] = 0.0
    return np.asarray(lift, dtype=np.float32)
