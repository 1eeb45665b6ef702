"""Small weeks to publish, and what a connection reads."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pyarrow as pa
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook.contracts import MART_TABLES

BASE_DATE = date(2022, 12, 4)


EMPTY = {pa.string(): "", pa.int32(): 0, pa.int64(): 0, pa.float64(): 0.0, pa.bool_(): False}


def batch(table: str, base_date: date = BASE_DATE, **columns: list[Any]) -> pa.RecordBatch:
    """Return a record batch of a mart table from Python values.

    Absent columns are null where the contract allows it, else empty or zero.
    """
    schema = MART_TABLES[table].schema
    rows = len(next(iter(columns.values())))
    columns["base_date"] = [base_date] * rows
    arrays = []
    for field in schema:
        absent = None if field.nullable else EMPTY.get(field.type)
        arrays.append(pa.array(columns.get(field.name, [absent] * rows), field.type))
    return pa.record_batch(arrays, schema=schema)


def products(*codes: str, base_date: date = BASE_DATE, on_sale: bool = True) -> pa.RecordBatch:
    """Return products named after their codes."""
    count = len(codes)
    return batch(
        "product",
        base_date,
        product_code=list(codes),
        product_name=[f"우체국 {code}" for code in codes],
        family=["deposit"] * count,
        on_sale=[on_sale] * count,
        sale_start=[date(2000, 1, 1)] * count,
        sale_end=[None if on_sale else base_date - timedelta(days=1)] * count,
    )


def offers(
    customers: list[str], codes: list[list[str]], base_date: date = BASE_DATE, score: float = 0.5
) -> pa.RecordBatch:
    """Return one ``up_sell.deposit`` list a customer."""
    return batch(
        "recommendation_list",
        base_date,
        customer_id=customers,
        scenario=["up_sell.deposit"] * len(customers),
        product_codes=codes,
        scores=[[score] * len(c) for c in codes],
        explanations=[[0] * len(c) for c in codes],
    )


def explanation(reason: str = "Popular", base_date: date = BASE_DATE) -> pa.RecordBatch:
    """Return the explanation that all of `offers` have."""
    return batch("explanation", base_date, explanation=[0], model=["popularity"], reason=[reason],
                 reason_ko=["인기 상품"])  # fmt: skip


def offer_week(
    customers: list[str],
    codes: list[list[str]],
    base_date: date = BASE_DATE,
    score: float = 0.5,
    sold: tuple[str, ...] = ("A", "B", "X"),
) -> dict[str, list[pa.RecordBatch]]:
    """Return lists with all that their proof asks for: products, customers, explanations."""
    return {
        "product": [products(*sold, base_date=base_date)],
        "offer_customer": [addressees(customers, base_date)],
        "explanation": [explanation(base_date=base_date)],
        "recommendation_list": [offers(customers, codes, base_date, score)],
    }  # fmt: skip


def addressees(
    customers: list[str], base_date: date = BASE_DATE, **known: list[Any]
) -> pa.RecordBatch:
    """Return ``offer_customer``; who nothing else is known of is 40 and has bought nothing."""
    count = len(customers)
    columns = {"age": [40] * count, "bought": [[] for _ in customers], **known}
    return batch("offer_customer", base_date, customer_id=customers, **columns)


def segments(bands: list[int | None], base_date: date = BASE_DATE) -> pa.RecordBatch:
    """Return ``customer_segment`` with these balance bands, customers numbered in key order."""
    customers = [f"C{n:07d}" for n in range(len(bands))]
    return batch("customer_segment", base_date, customer_id=customers, balance_band=bands)


def rows(connection: Connection, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return what a query finds."""
    with connection.cursor() as cursor:
        cursor.execute(query, values or None)
        found = cursor.fetchall()
    if not connection.autocommit:
        connection.rollback()
    return found
