"""Offers that came true are counted by buyer, and only those of the version that is asked about."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import ledger, mart
from passbook.mart.offer_hits import count_offer_hits

from .weeks import BASE_DATE, offers

pytestmark = pytest.mark.postgres

MODEL = "recommend.up_sell.deposit"


def test_buyers_with_a_list_count_and_hit_once(loader: Connection) -> None:
    fence = ledger.begin_stage(loader, "recommend_products", BASE_DATE, "run")
    lists = offers(["C1", "C2", "C3"], [["적금", "예금"], ["예금"], ["예금"]])
    mart.publish(loader, fence, {"recommendation_list": [lists]}, inputs={MODEL: "sha"})
    bought = [("C1", "적금"), ("C1", "예금"), ("C2", "적금"), ("C9", "예금")]
    acquired = pa.table({
        "customer_id": [customer for customer, _ in bought],
        "product_code": [product for _, product in bought],
    })  # fmt: skip

    def counted(base_date=BASE_DATE, scenario="up_sell.deposit", sha="sha"):  # type: ignore[no-untyped-def]
        return count_offer_hits(
            loader, base_date, scenario, acquired, model=MODEL, manifest_sha256=sha
        )

    assert counted() == (2, 1)
    assert counted() == (2, 1)  # the temporary table is gone each time
    assert counted(scenario="cross_sell.deposit") == (0, 0)
    assert counted(sha="another version") == (0, 0)
    assert counted(base_date=BASE_DATE - timedelta(weeks=1)) == (0, 0)
