"""What a ranker weighs: popularity lately, what followed what, whom a product appeals to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from passbook.recommend import basket_kernels, neighbour_kernels
from passbook.recommend.basket_model import BasketModel
from passbook.recommend.context import Context
from passbook.recommend.customer_codes import CodeLayout, last_bought, trait_codes
from passbook.recommend.interactions import Flags, Floats, Interactions
from passbook.recommend.neighbours import ease, item_cosine, transitions
from passbook.recommend.popularity import counts
from passbook.recommend.purchases import Ints, days_since_epoch

Doubles = npt.NDArray[np.float64]
RECENT_DAYS: Final = (90, 30)
FLOOR: Final = np.float32(1e-4)
"""Least share that a logarithm is taken of."""
SMOOTHING: Final = 20.0
"""Acquisitions that a trait's own share is weighed against the share of all."""


@dataclass(frozen=True)
class Evidence:
    """Counts as of a day, as logarithms of shares among the offered products.

    Attributes
    ----------
    columns : int64 array of shape (offered,)
        The offered products among all that customers may own.
    popularity : float32 array of shape (4, offered)
        Log share of buyers ever, in the last 90 and 30 days, and of first purchases of the family.
    followers, cosine, ease : BasketModel
        From all products to the offered ones; `followers` has what was acquired after what.
    next_after : float32 array of shape (products + 1, offered)
        Log share of what was acquired directly after a product; last row: after nothing.
    traits : tuple of float32 arrays of shape (codes, offered)
        By trait, segment first: log share among customers with a code, over the share of all.
    season : float32 array of shape (13, offered)
        Log share in a calendar month over the share of all; row 0 is empty.
    """

    columns: npt.NDArray[np.int64]
    popularity: Floats
    followers: BasketModel
    cosine: BasketModel
    ease: BasketModel
    next_after: Floats
    traits: tuple[Floats, ...]
    season: Floats

    def features(self, context: Context, month: int) -> Iterator[Floats]:
        """Yield the features that the first stage weighs, each (customers, offered).

        Parameters
        ----------
        month : int
            Calendar month for which products are ranked.
        """
        shape = (len(context.segment), len(self.columns))
        yield _log(self.followers.score(context))
        yield _log(self.cosine.score(context))
        yield self.ease.score(context)
        yield self.next_after[last_bought(context.baskets)]
        for row in self.popularity:
            yield np.broadcast_to(row, shape)
        yield self.segment_lift(context)
        for table, code in zip(self.traits[1:], trait_codes(context).T[1:], strict=True):
            yield table[np.where(code < len(table), code, 0)]
        yield np.broadcast_to(self.season[month], shape)

    def at(self, context: Context, month: int, columns: Ints) -> Floats:
        """Return the same features of some products only, (customers, chosen, features).

        Parameters
        ----------
        columns : int32 array of shape (customers, chosen)
            Places among the offered products.
        """
        baskets = context.baskets
        found: list[Floats] = []
        for model in (self.followers, self.cosine, self.ease):
            score = np.empty(columns.shape, dtype=np.float32)
            basket_kernels.scores_at(
                baskets.indptr, baskets.items, model.prior[0], model.affinity[0], columns, score
            )
            found.append(score if model is self.ease else _log(score))
        found.append(self.next_after[last_bought(baskets)[:, None], columns])
        found.extend(row[columns] for row in self.popularity)
        found.append(np.take_along_axis(self.segment_lift(context), columns, axis=1))
        for table, code in zip(self.traits[1:], trait_codes(context).T[1:], strict=True):
            found.append(table[np.where(code < len(table), code, 0)[:, None], columns])
        found.append(self.season[month][columns])
        return np.stack(found, axis=2)

    def segment_lift(self, context: Context) -> Floats:
        """Return the lift of each customer's segment, or of the mixture of the likely ones."""
        lift = self.traits[0]
        if context.likely is None:
            code = trait_codes(context)[:, 0]
            return np.asarray(lift[np.where(code < len(lift), code, 0)])
        odds = np.ones((context.likely.shape[1], lift.shape[1]), dtype=np.float32)
        seen = min(len(odds), len(lift) - 1)
        odds[:seen] = np.exp(lift[1 : seen + 1])
        return np.asarray(np.log(context.likely @ odds))

    def tables(self, layout: CodeLayout, month: int, shared: Doubles) -> Floats:
        """Return what `shared` weights make of the evidence that is a table of codes.

        Returns
        -------
        float32 array of shape (rows of the layout, offered)
            All evidence but the logarithms of `followers` and `cosine`.
        """
        weight = dict(zip(self.names, shared, strict=True))
        starts = layout.starts
        table = np.zeros((layout.rows, len(self.columns)))
        table[0] = sum(
            weight[f"popularity_{i}"] * row.astype(np.float64)
            for i, row in enumerate(self.popularity)
        )
        table[0] += weight["season"] * self.season[month] + weight["ease"] * self.ease.prior[0]
        for number, lift in enumerate(self.traits):
            codes = min(len(lift), layout.traits[number])
            first = starts[1 + number]
            table[first : first + codes] = weight[f"trait_{number}"] * lift[:codes]
        last, owned = layout.last, starts[-1]
        table[last : last + layout.products + 1] = weight["next_after"] * self.next_after
        table[owned:] = weight["ease"] * self.ease.affinity[0] / layout.scale[-1]
        return table.astype(np.float32)

    @property
    def names(self) -> list[str]:
        """Names of the features of the first stage, in order."""
        return [
            "followers", "cosine", "ease", "next_after",
            *(f"popularity_{i}" for i in range(len(self.popularity))),
            *(f"trait_{i}" for i in range(len(self.traits))), "season",
        ]  # fmt: skip

    @property
    def width(self) -> int:
        """Number of features of the first stage."""
        return len(self.names)

    def on_products(self, place: npt.NDArray[np.int64]) -> Evidence:
        """Return the evidence over another product list, -1 for a product it has never seen."""
        position = np.full(len(self.next_after), -1, dtype=np.int64)
        position[self.columns] = np.arange(len(self.columns))
        found = position[place]
        columns = np.flatnonzero(found >= 0)
        kept = found[columns]
        rows = np.append(place, len(self.next_after) - 1)
        next_after = np.where(rows[:, None] >= 0, self.next_after[rows][:, kept], np.float32(0))
        return Evidence(
            columns,
            self.popularity[:, kept],
            _between(self.followers, place, kept),
            _between(self.cosine, place, kept),
            _between(self.ease, place, kept),
            next_after.astype(np.float32),
            tuple(table[:, kept] for table in self.traits),
            self.season[:, kept],
        )


POPULARITY_30D: Final = 6
POPULARITY_90D: Final = 5
FOLLOWERS: Final = 0
"""Places of features that are used by name."""


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
    every = np.arange(train.shape[1])
    columns = np.flatnonzero(offered)
    recent = [_bought_within(train, days) for days in RECENT_DAYS]
    buyers = (counts(train), *recent, _first_purchases(train, offered))
    popularity = np.stack([_log_share(c[columns] + 1.0) for c in buyers])
    month = _calendar_month(train.first_day)
    codes = trait_codes(context)[train.rows]
    inside = offered[train.items]
    position = np.cumsum(offered) - 1
    items = position[train.items[inside]]
    return Evidence(
        columns,
        popularity,
        _between(transitions(train), every, columns),
        _between(item_cosine(train), every, columns),
        _between(ease(train), every, columns),
        _next_after(train, columns),
        tuple(_lift(items, code[inside], len(columns)) for code in codes.T),
        _lift(items, month[inside], len(columns), codes=13),
    )


def _between(
    model: BasketModel, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
) -> BasketModel:
    """Return a model from some products (-1: none) to some others."""
    affinity = np.where(rows[None, :, None] >= 0, model.affinity[:, rows][:, :, columns], 0.0)
    return replace(
        model,
        prior=model.prior[:, columns],
        affinity=np.ascontiguousarray(affinity, dtype=np.float32),
    )


def _log(score: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(score, 0.0) + FLOOR))


def _first_purchases(train: Interactions, offered: Flags) -> Floats:
    """Count each offered product among the first purchases of the family."""
    inside = offered[train.items]
    first = np.full(train.shape[0], np.iinfo(np.int32).max, dtype=np.int32)
    np.minimum.at(first, train.rows[inside], train.first_day[inside])
    opening = inside & (train.first_day == first[train.rows])
    return np.bincount(train.items[opening], minlength=train.shape[1]).astype(np.float32)


def _bought_within(train: Interactions, days: int) -> Floats:
    since = days_since_epoch(train.as_of) - days
    return np.bincount(train.items[train.first_day > since], minlength=train.shape[1]).astype(
        np.float32
    )


def _calendar_month(days: Ints) -> Ints:
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int32)
    return np.asarray(months % 12 + 1, dtype=np.int32)


def _log_share(count: npt.NDArray[np.floating]) -> Floats:
    total = np.maximum(count.sum(axis=-1, keepdims=True), 1e-12)
    return np.asarray(np.log(count / total + 1e-9), dtype=np.float32)


def _next_after(
    train: Interactions, columns: npt.NDArray[np.int64], smoothing: float = 10.0
) -> Floats:
    """Count what was acquired directly after what, on a later day."""
    every = np.zeros((train.shape[1], train.shape[1]))
    neighbour_kernels.count_direct_followers(train.indptr, train.items, train.first_day, every)
    count = every[:, columns]
    base = count.sum(axis=0) + 1e-3 * counts(train)[columns]
    base = base / max(float(base.sum()), 1e-12)
    return _log_share(np.vstack([count, np.zeros(len(columns))]) + smoothing * base)


def _lift(items: Ints, code: Ints, products: int, codes: int | None = None) -> Floats:
    """Return log share of products among the purchases of each code, over the share of all."""
    rows = codes or int(code.max(initial=0)) + 1
    cell = code.astype(np.int64) * products + items
    count = np.bincount(cell, minlength=rows * products).reshape(rows, products)
    share = count.sum(axis=0) + 0.1
    share = share / max(float(share.sum()), 1e-12)
    smoothed = (count + SMOOTHING * share) / (count.sum(axis=1, keepdims=True) + SMOOTHING)
    lift = np.log((smoothed + 1e-9) / (share + 1e-9))
    lift[0] = 0.0
    return np.asarray(lift, dtype=np.float32)
