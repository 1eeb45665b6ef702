"""Small banks made of purchases, and one with a planted order of purchases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from passbook.recommend.catalogue import Catalogue, catalogue
from passbook.recommend.purchases import Purchases, from_holdings

Row = tuple[str, str, str] | tuple[str, str, str, str | None]
HOLDING = pa.schema(
    [
        ("customer_id", pa.string()),
        ("product_code", pa.string()),
        ("opened_on", pa.date32()),
        ("closed_on", pa.date32()),
    ]
)
PRODUCT = pa.schema(
    [
        ("product_code", pa.string()),
        ("product_name", pa.string()),
        ("family", pa.string()),
        ("sale_start", pa.date32()),
        ("sale_end", pa.date32()),
        ("min_age", pa.int32()),
        ("max_age", pa.int32()),
        ("customer_type", pa.string()),
    ]
)


def holdings(rows: Sequence[Row]) -> pa.Table:
    """Build a holding table of (customer, product, opened[, closed])."""
    full = [(*row, None)[:4] for row in rows]
    dated = [(c, p, date.fromisoformat(o), e and date.fromisoformat(e)) for c, p, o, e in full]
    return pa.Table.from_pylist(
        [dict(zip(HOLDING.names, row, strict=True)) for row in dated], schema=HOLDING
    )


def purchases(rows: Sequence[Row], customers: str, products: str) -> Purchases:
    """Encode rows; customers and products are words in one string."""
    return from_holdings([holdings(rows)], pa.array(customers.split()), pa.array(products.split()))


def products(**families: str) -> Catalogue:
    """Build a catalogue: family=words, each a code, on sale since 2000 without limits."""
    rows = [
        {"product_code": code, "product_name": f"상품 {code}", "family": family,
         "sale_start": date(2000, 1, 1)}
        for family, codes in families.items()
        for code in codes.split()
    ]  # fmt: skip
    return catalogue(pa.Table.from_pylist(rows, schema=PRODUCT))


PLANTED_PRODUCTS = 8
PLANTED_BASE_DATE = date(2022, 12, 4)


def planted() -> Purchases:
    """Build purchases in which product i is followed by i + 1 in nine of ten cases.

    First products are drawn evenly, so popularity knows nothing; the second follows 20 to 400
    days later, some of them in the holdout month.
    """
    rng = np.random.default_rng(7)
    count = 2500
    first = rng.integers(0, PLANTED_PRODUCTS, count)
    noise = rng.integers(0, PLANTED_PRODUCTS, count)
    second = np.where(rng.random(count) < 0.9, (first + 1) % PLANTED_PRODUCTS, noise)
    opened = rng.integers(0, 600, count)
    later = opened + rng.integers(20, 400, count)
    start = date(2021, 1, 1)
    end = (PLANTED_BASE_DATE - start).days
    rows = [
        (f"c{c:05}", f"d{p}", (start + timedelta(days=int(day))).isoformat())
        for c in range(count)
        for p, day in ((first[c], opened[c]), (second[c], later[c]))
        if day <= end
    ]
    customers = " ".join(f"c{c:05}" for c in range(count))
    codes = " ".join(f"d{p}" for p in range(PLANTED_PRODUCTS))
    return purchases(rows, customers, codes)
