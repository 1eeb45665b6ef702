"""Holdings as purchases: sorted integer columns with the maps back to customers and products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from passbook.errors import InteractionError

STILL_HELD: Final = np.iinfo(np.int32).max
"""Stands in `Purchases.closed` for a product that has not ended."""

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Purchases:
    """Every purchase, sorted by customer, product and day.

    Attributes
    ----------
    customers : pyarrow.StringArray
        Customer ids, ascending; `customer` points into it.
    products : pyarrow.StringArray
        Product codes, ascending; `item` points into it.
    customer, item : int32 array of shape (n,)
    opened, closed : int32 array of shape (n,)
        Days since 1970-01-01; `closed` is `STILL_HELD` for a product that has not ended.
    amount : float32 array of shape (n,), optional
        Natural logarithm of the contract's amount, NaN where it is not known or zero.
    strangers : int
        Purchases left out because their customer is not among `customers`.
    """

    customers: pa.Array
    products: pa.Array
    customer: Ints
    item: Ints
    opened: Ints
    closed: Ints
    strangers: int = 0
    amount: npt.NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.customer)


def days_since_epoch(day: date) -> int:
    """Return the day's number, as Arrow's date32 counts."""
    return (day - date(1970, 1, 1)).days


def from_holdings(
    holdings: Sequence[pa.Table], customers: pa.Array, products: pa.Array
) -> Purchases:
    """Encode the holding tables of one or more families.

    Parameters
    ----------
    holdings : sequence of pyarrow.Table
        With ``customer_id``, ``product_code``, ``opened_on`` and, if known, ``closed_on`` and
        ``amount``.
    customers, products : pyarrow.Array of string
        Distinct and ascending.

    Raises
    ------
    InteractionError
        E404: a blank key or date, or a product code that `products` lacks.
    """
    parts = [_encode(table, customers, products) for table in holdings if table.num_rows]
    if not parts:
        empty = np.empty(0, dtype=np.int32)
        return Purchases(customers, products, empty, empty, empty, empty)
    customer, item, opened, closed = (np.concatenate(column) for column in zip(*parts, strict=True))
    amount = _amounts([table for table in holdings if table.num_rows])
    strangers = int((customer < 0).sum())
    if strangers:
        known = customer >= 0
        customer, item, opened, closed = (c[known] for c in (customer, item, opened, closed))
        amount = None if amount is None else amount[known]
    order = _order(customer, item, opened, len(products))
    customer, item, opened, closed = (c[order] for c in (customer, item, opened, closed))
    amount = None if amount is None else amount[order]
    return Purchases(customers, products, customer, item, opened, closed, strangers, amount)


def _encode(
    table: pa.Table, customers: pa.Array, products: pa.Array
) -> tuple[Ints, Ints, Ints, Ints]:
    for name in ("customer_id", "product_code", "opened_on"):
        if blanks := table.column(name).null_count:
            raise InteractionError(f"{blanks} holdings have no {name}.")
    item = pc.index_in(table.column("product_code"), value_set=products)
    if item.null_count:
        unknown = pc.unique(table.column("product_code").filter(pc.is_null(item)))
        raise InteractionError(
            f"{len(unknown)} product codes of {item.null_count} holdings are not in the product "
            f"table, the first: {unknown[0].as_py()!r}."
        )
    customer = pc.fill_null(pc.index_in(table.column("customer_id"), value_set=customers), -1)
    opened = _days(table.column("opened_on"))
    if "closed_on" in table.column_names:
        closed = _days(table.column("closed_on"))
    else:
        closed = np.full(table.num_rows, STILL_HELD, dtype=np.int32)
    return _numpy(customer), _numpy(item), opened, closed


def _amounts(holdings: Sequence[pa.Table]) -> npt.NDArray[np.float32] | None:
    """Return the logarithms of amounts; None where no table has the column."""
    if not any("amount" in table.column_names for table in holdings):
        return None
    parts = []
    for table in holdings:
        found = np.full(table.num_rows, np.nan, dtype=np.float32)
        if "amount" in table.column_names:
            amount = pc.fill_null(table.column("amount"), 0).to_numpy()
            np.log(amount, out=found, where=amount > 0, casting="same_kind")
        parts.append(found)
    return np.concatenate(parts)


def _numpy(column: pa.ChunkedArray) -> Ints:
    return np.asarray(column.to_numpy(), dtype=np.int32)


def _days(column: pa.ChunkedArray) -> Ints:
    days = column.cast(pa.date32(), safe=False).cast(pa.int32())
    return _numpy(pc.fill_null(days, int(STILL_HELD)))


def _order(customer: Ints, item: Ints, opened: Ints, products: int) -> npt.NDArray[np.int64]:
    """Sort by customer, product, day: one integer key when it fits, else three."""
    if len(customer) == 0:
        return np.empty(0, dtype=np.int64)
    first, last = int(opened.min()), int(opened.max())
    span = last - first + 1
    if (int(customer.max()) + 1) * products * span < np.iinfo(np.int64).max:
        key = (customer.astype(np.int64) * products + item) * span + (opened - first)
        return np.argsort(key, kind="stable")
    return np.lexsort((opened, item, customer))
