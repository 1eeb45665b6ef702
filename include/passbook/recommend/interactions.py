"""Who has bought what as of a day: a compressed sparse row matrix with dates for values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_matrix

from passbook.errors import InteractionError
from passbook.recommend.purchases import Ints, Purchases, days_since_epoch

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
LEAST_CONFIDENCE: Final = np.finfo(np.float32).tiny


@dataclass(frozen=True)
class Interactions:
    """Customers × products as of a day; a row's entries ascend by product.

    Attributes
    ----------
    customers, products : pyarrow.StringArray
    indptr : int64 array of shape (customers + 1,)
    items : int32 array of shape (entries,)
    first_day, last_day : int32 array of shape (entries,)
        First and latest purchase of the product, days since 1970-01-01.
    held : bool array of shape (entries,)
        Whether the product had not ended as of the day.
    as_of : datetime.date
    amount : float32 array of shape (entries,), optional
        Natural logarithm of the first contract's amount over what is usual for the product; NaN
        where it is not known.
    """

    customers: pa.Array
    products: pa.Array
    indptr: npt.NDArray[np.int64]
    items: Ints
    first_day: Ints
    last_day: Ints
    held: Flags
    as_of: date
    amount: Floats | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Customers, products."""
        return len(self.customers), len(self.products)

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Row of each entry."""
        return np.repeat(np.arange(self.shape[0]), np.diff(self.indptr))

    def take(self, rows: npt.NDArray[np.int64]) -> Interactions:
        """Return the interactions of some customers, in the order of `rows`."""
        indptr, entries = row_entries(self.indptr, rows)
        return Interactions(
            self.customers.take(pa.array(rows)), self.products, indptr, self.items[entries],
            self.first_day[entries], self.last_day[entries], self.held[entries], self.as_of,
            None if self.amount is None else self.amount[entries],
        )  # fmt: skip

    def only(self, products: Flags) -> Interactions:
        """Return the interactions with some products; columns keep their place."""
        return self.entries(products[self.items])

    def entries(self, keep: Flags) -> Interactions:
        """Return the interactions without some entries; rows and columns keep their place."""
        before = np.concatenate([[0], np.cumsum(keep)])
        return Interactions(
            self.customers, self.products, before[self.indptr], self.items[keep],
            self.first_day[keep], self.last_day[keep], self.held[keep], self.as_of,
            None if self.amount is None else self.amount[keep],
        )  # fmt: skip

    def before(self, day: date) -> Interactions:
        """Return the products whose first purchase was up to `day`, as it was known then."""
        number = days_since_epoch(day)
        kept = self.entries(self.first_day <= number)
        last = np.where(kept.last_day <= number, kept.last_day, kept.first_day)
        return replace(kept, last_day=last, as_of=day)

    def first_purchases(self) -> Interactions:
        """Return what each customer bought on the first day of buying anything."""
        some = np.flatnonzero(np.diff(self.indptr))
        if not len(some):
            return self
        first = np.zeros(self.shape[0], dtype=np.int32)
        first[some] = np.minimum.reduceat(self.first_day, self.indptr[some])
        return self.entries(self.first_day == first[self.rows])

    def customers_who_hold(self, products: Flags) -> Flags:
        """Return which customers hold any of `products` as of the day."""
        return self._any(products[self.items] & self.held)

    def customers_who_bought(self, products: Flags) -> Flags:
        """Return which customers ever bought any of `products`."""
        return self._any(products[self.items])

    def _any(self, entries: Flags) -> Flags:
        before = np.concatenate([[0], np.cumsum(entries)])
        return np.asarray(before[self.indptr[1:]] > before[self.indptr[:-1]])


def row_entries(
    indptr: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the row pointer and the entry numbers of a selection of rows."""
    lengths = indptr[rows + 1] - indptr[rows]
    taken = np.concatenate([[0], np.cumsum(lengths)])
    entries = np.repeat(indptr[rows] - taken[:-1], lengths) + np.arange(taken[-1])
    return taken, entries


def interactions_as_of(purchases: Purchases, as_of: date) -> Interactions:
    """Return what was bought up to `as_of`, the latest purchase of a product only.

    A product that ended after `as_of` counts as held: nothing later than the day is used.
    """
    today = days_since_epoch(as_of)
    seen = purchases.opened <= today
    customer, item = purchases.customer[seen], purchases.item[seen]
    opened, closed = purchases.opened[seen], purchases.closed[seen]
    starts = np.ones(len(customer), dtype=bool)
    starts[1:] = (customer[1:] != customer[:-1]) | (item[1:] != item[:-1])
    first = np.flatnonzero(starts)
    last = np.append(first[1:], len(customer)) - 1 if len(first) else first
    open_now = (closed > today).astype(np.int32)
    held = np.maximum.reduceat(open_now, first).astype(bool) if len(first) else open_now == 1
    amount = None
    if purchases.amount is not None and len(first):
        amount = _first_amounts(purchases.amount[seen], opened, first)
        amount = _over_usual(amount, item[first])
    counts = np.bincount(customer[first], minlength=len(purchases.customers))
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Interactions(
        purchases.customers, purchases.products, indptr, item[first],
        opened[first], opened[last], held, as_of, amount,
    )  # fmt: skip


def _first_amounts(amount: Floats, opened: Ints, first: npt.NDArray[np.int64]) -> Floats:
    """Return the largest amount of each entry's first day: rows of a day have no order."""
    day = np.repeat(opened[first], np.diff(np.append(first, len(opened))))
    return np.asarray(np.fmax.reduceat(np.where(opened == day, amount, np.float32(np.nan)), first))


def _over_usual(amount: Floats, item: Ints) -> Floats:
    """Return logarithms of amounts less the mean of each product's."""
    known = np.isfinite(amount)
    times = np.bincount(item[known], minlength=int(item.max(initial=-1)) + 1)
    total = np.bincount(item[known], weights=amount[known], minlength=len(times))
    return np.asarray(amount - (total / np.maximum(times, 1))[item], dtype=np.float32)


def months_between(days: Ints, as_of: date) -> Ints:
    """Return whole calendar months from each day to `as_of`: buckets that keep baskets equal."""
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int32)
    return np.asarray((as_of.year - 1970) * 12 + as_of.month - 1 - months, dtype=np.int32)


def confidence(interactions: Interactions, half_life: float) -> Floats:
    """Return the confidence of each entry: it halves every `half_life` months of age.

    Banks date what they do not know to 1900 or before; what is so old has next to no confidence,
    but some, since none would mean that the product was never bought.

    Raises
    ------
    InteractionError
        E404 when a confidence would not be a positive number.
    """
    age = months_between(interactions.last_day, interactions.as_of)
    values = np.power(0.5, age / half_life, dtype=np.float64).astype(np.float32)
    values = np.maximum(values, LEAST_CONFIDENCE)
    check_confidence(values)
    return values


def check_confidence(values: npt.NDArray[np.floating]) -> None:
    """Refuse confidences that are zero, negative, infinite or not a number."""
    bad = int(np.count_nonzero(~(np.isfinite(values) & (values > 0))))
    if bad:
        raise InteractionError(f"{bad} of {len(values)} confidences are not positive numbers.")


def to_csr(interactions: Interactions, values: Floats) -> csr_matrix:
    """Return the matrix that `AlternatingLeastSquares.fit` and implicit take."""
    return csr_matrix(
        (values, interactions.items, interactions.indptr), shape=interactions.shape, copy=False
    )
