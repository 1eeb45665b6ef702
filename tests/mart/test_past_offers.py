"""Earlier offers read back from a real Postgres, and a week that they make stale."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import ledger, mart
from passbook.mart.past_offers import NEVER, offer_fingerprints, past_offers

from .weeks import BASE_DATE, batch, offer_week, rows

pytestmark = pytest.mark.postgres

EARLIER = BASE_DATE - timedelta(weeks=1)


def publish(connection: Connection, week: dict[str, list[pa.RecordBatch]], **inputs: str) -> None:
    day = week["product"][0]["base_date"][0].as_py()
    fence = ledger.begin_stage(connection, "recommend_products", day, "run")
    mart.publish(connection, fence, week, inputs=inputs)


def control(day: object) -> pa.RecordBatch:
    return batch("control_offer", day, customer_id=["3"], scenario=["up_sell.deposit"],
                 product_codes=[["B"]], explanations=[[0]], segment=[4])  # fmt: skip


def test_offers_and_control_offers_come_back_as_arrow(loader: Connection) -> None:
    week = offer_week(["1", "2"], [["B", "A"], ["A"]], EARLIER)
    publish(loader, {**week, "control_offer": [control(EARLIER)]})
    listed, kept = past_offers(loader, EARLIER)
    assert listed.to_pylist()[0] == {
        "customer_id": "1", "scenario": "up_sell.deposit", "segment": -1, "control": False,
        "product_codes": ["B", "A"], "models": ["popularity", "popularity"],
    }  # fmt: skip
    (row,) = kept.to_pylist()
    assert (row["customer_id"], row["segment"], row["control"]) == ("3", 4, True)
    assert list(past_offers(loader, EARLIER - timedelta(weeks=1))) == []


def test_customer_numbers_may_hold_quotes_and_line_breaks(
    loader: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a block of the transfer ends inside one."""
    customers = [f'{n}"\n가,{n}' for n in range(10, 99)]
    day = EARLIER - timedelta(weeks=8)
    publish(loader, offer_week(customers, [["A"]] * len(customers), day))
    monkeypatch.setattr("passbook.mart.past_offers._BLOCK_BYTES", 256)
    found = [c for block in past_offers(loader, day) for c in block["customer_id"].to_pylist()]
    assert found == customers


def test_a_week_is_stale_once_the_offers_before_it_are_others(
    loader: Connection, analyst: Connection
) -> None:
    earliest = EARLIER - timedelta(weeks=3)
    used = offer_fingerprints(loader, [earliest])
    assert set(used.values()) == {NEVER}
    publish(loader, offer_week(["1"], [["A"]]), **used)
    query = "SELECT input FROM mart.stale_week WHERE base_date = %s AND mart_table = 'product'"
    assert rows(analyst, query, BASE_DATE) == []
    publish(loader, offer_week(["1"], [["B"]], earliest))
    assert rows(analyst, query, BASE_DATE) == [(f"recommendation_list {earliest}",)]
    publish(loader, offer_week(["1"], [["A"]]), **offer_fingerprints(loader, [earliest]))
    assert rows(analyst, query, BASE_DATE) == []
