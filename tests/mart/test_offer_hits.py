"""Offers that came true are counted by their customers, of one week and version."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import ledger, mart
from passbook.mart.offer_hits import count_offer_hits

from .weeks import BASE_DATE, offer_week

pytestmark = pytest.mark.postgres

MODEL = "recommend.up_sell.deposit"
ACQUIRED = pa.table(
    {"customer_id": ["1", "1", "2", "4", "한"], "product_code": ["A", "B", "A", "A", "X"]}
)


@pytest.fixture(scope="module", autouse=True)
def offered(addresses: mart.Addresses) -> None:
    """Offer 1: A and B, 2: B, 3: A, 한: X, by version v1."""
    connection = mart.connect(addresses.loader)
    fence = ledger.begin_stage(connection, "recommend_products", BASE_DATE, "run")
    week = offer_week(["1", "2", "3", "한"], [["A", "B"], ["B"], ["A"], ["X"]])
    mart.publish(connection, fence, week, inputs={MODEL: "v1"})
    connection.close()


def count(
    loader: Connection, acquired: pa.Table, *, weeks: int = 0, version: str = "v1"
) -> tuple[int, int]:
    day = BASE_DATE + timedelta(weeks=weeks)
    return count_offer_hits(
        loader, day, "up_sell.deposit", acquired, model=MODEL, manifest_sha256=version
    )


def test_a_buyer_counts_once_and_one_without_offers_not_at_all(loader: Connection) -> None:
    assert count(loader, ACQUIRED) == (3, 2)
    assert count(loader, ACQUIRED) == (3, 2)  # the table of acquisitions is gone after each
    assert count(loader, ACQUIRED.slice(0, 0)) == (0, 0)


def test_another_version_and_an_unpublished_week_have_no_hits(loader: Connection) -> None:
    assert count(loader, ACQUIRED, version="v2") == (0, 0)
    assert count(loader, ACQUIRED, weeks=1) == (0, 0)
