"""The products of a base date: what is on sale, in which family, and to which ages."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from passbook.errors import InputError
from passbook.recommend.interactions import Flags
from passbook.recommend.purchases import STILL_HELD, Ints, days_since_epoch

OLDEST: Final = 130
AGE_UNKNOWN: Final = OLDEST + 1


@dataclass(frozen=True)
class Catalogue:
    """Products in ascending order of their code.

    Attributes
    ----------
    codes, names : pyarrow.StringArray
    family : list of str
    sale_start, sale_end : int32 array of shape (products,)
        Days since 1970-01-01, both on sale; `STILL_HELD` for a product without an end.
    min_age, max_age : int32 array of shape (products,)
        -1 and `OLDEST` + 1 where there is no limit.
    customer_type : list of str or None
        Kind of customer that it is sold to; None: to all.
    """

    codes: pa.Array
    names: pa.Array
    family: list[str]
    sale_start: Ints
    sale_end: Ints
    min_age: Ints
    max_age: Ints
    customer_type: list[str | None]

    @property
    def customer_types(self) -> list[str]:
        """Kinds of customers that some product is made for, ascending."""
        return sorted({kind for kind in self.customer_type if kind is not None})

    def of_family(self, family: str) -> Flags:
        """Return which products are of a family."""
        return np.array([f == family for f in self.family], dtype=bool)

    def families(self, offered: Collection[str]) -> dict[str, Flags]:
        """Return the products of each offered family."""
        return {family: self.of_family(family) for family in offered}

    def on_sale(self, first: date, last: date | None = None) -> Flags:
        """Return which products were on sale on `first`, or at any time up to `last`."""
        start, end = days_since_epoch(first), days_since_epoch(last or first)
        return (self.sale_start <= end) & (self.sale_end >= start)

    def allowed_at_age(self) -> Flags:
        """Return a table (ages 0 … `OLDEST` and unknown, products) of who may buy what.

        A customer of unknown age gets nothing that has an age limit.
        """
        ages = np.arange(AGE_UNKNOWN + 1)[:, None]
        allowed = (ages >= self.min_age) & (ages <= self.max_age)
        allowed[AGE_UNKNOWN] = (self.min_age < 0) & (self.max_age > OLDEST)
        return allowed


def catalogue(product: pa.Table) -> Catalogue:
    """Read the product work table.

    Raises
    ------
    InputError
        E803 when a product code occurs twice.
    """
    table = product.sort_by("product_code").combine_chunks()
    codes = table.column("product_code").combine_chunks()
    if len(pc.unique(codes)) != len(codes):
        raise InputError("The product work table has a product code twice.")
    return Catalogue(
        codes,
        table.column("product_name").combine_chunks(),
        table.column("family").to_pylist(),
        _ints(table, "sale_start", -STILL_HELD),
        _ints(table, "sale_end", STILL_HELD),
        _ints(table, "min_age", -1),
        _ints(table, "max_age", OLDEST + 1),
        table.column("customer_type").to_pylist()
        if "customer_type" in table.column_names
        else [None] * len(codes),
    )


def age_classes(birth_date: pa.ChunkedArray, on: date) -> Ints:
    """Return full years of age on a day, `AGE_UNKNOWN` where it cannot be told."""
    days = birth_date.cast(pa.int32()).fill_null(STILL_HELD).to_numpy()
    known = (days != STILL_HELD) & (days <= days_since_epoch(on))
    dates = np.where(known, days, 0).astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    day_of_month = (dates - months).astype(np.int32) + 1
    month_number = months.astype(np.int32)
    years = on.year - 1970 - month_number // 12
    month = month_number % 12 + 1
    had_birthday = (month < on.month) | ((month == on.month) & (day_of_month <= on.day))
    age = years - ~had_birthday
    return np.where(known & (age <= OLDEST), age, AGE_UNKNOWN).astype(np.int32)


def _ints(table: pa.Table, name: str, fill: int) -> Ints:
    column = table.column(name)
    if pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    return np.asarray(column.fill_null(int(fill)).to_numpy(), dtype=np.int32)
