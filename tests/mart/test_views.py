"""The analyst's views over two weeks, the newer one not complete."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import ledger, mart

from .weeks import BASE_DATE, addressees, batch, offer_week, rows

pytestmark = pytest.mark.postgres

NEWER = BASE_DATE + timedelta(weeks=1)


@pytest.fixture(autouse=True, scope="module")
def two_weeks(addresses: mart.Addresses) -> None:
    """Publish a complete week, and of the next one the segments only."""
    connection = mart.connect(addresses.loader)
    for day in (BASE_DATE, NEWER):
        segmented = {
            "customer_segment": [
                batch("customer_segment", day, customer_id=["1", "2"], deposit_segment=[1, None],
                      balance_band=[3, 0])
            ],
            "segment": [
                batch("segment", day, family=["deposit"], segment=[1], name=["적금형"],
                      customers=[1], share=[1.0], profile=["{}"], name_ko=["적금형"],
                      description=["x"], description_ko=["x"])
            ],
        }  # fmt: skip
        publish(connection, "segment_customers", day, segmented)
        ledger.record_verdict(connection, begun[-1], "pass")
    offered = offer_week(["1", "3"], [["B", "A"], ["A"]]) | {
        "offer_customer": [addressees(["1", "3", "4"], control_group=[False, False, True])]
    }
    publish(connection, "recommend_products", BASE_DATE, offered)
    ledger.record_verdict(connection, begun[-1], "pass")
    ledger.record_verdict(
        connection, ledger.begin_stage(connection, "score_credit", BASE_DATE, "run"), "pass"
    )
    connection.close()


begun: list[ledger.Fence] = []


def publish(connection: Connection, stage: str, day: date, tables: dict[str, list]) -> None:
    begun.append(ledger.begin_stage(connection, stage, day, "run"))
    mart.publish(connection, begun[-1], tables, inputs={})


def test_the_customer_view_speaks_of_the_newest_complete_week(analyst: Connection) -> None:
    found = rows(
        analyst,
        """SELECT base_date, customer_id, deposit_segment_name, balance_band, up_sell_deposit,
                  cross_sell_fund, credit_index, control_group
           FROM mart.customer ORDER BY customer_id""",
    )
    assert found == [
        (BASE_DATE, "1", "적금형", 3, ["B", "A"], None, None, False),
        (BASE_DATE, "2", None, 0, None, None, None, None),
        (BASE_DATE, "3", None, None, ["A"], None, None, False),
        (BASE_DATE, "4", None, None, None, None, None, True),
    ]


def test_latest_views_speak_of_their_tables_newest_week(analyst: Connection) -> None:
    assert rows(analyst, "SELECT DISTINCT base_date FROM mart.customer_segment_latest") == [
        (NEWER,)
    ]
    assert rows(analyst, "SELECT base_date, count(*) FROM mart.product_recommendation_latest"
                " GROUP BY 1") == [(BASE_DATE, 3)]  # fmt: skip


def test_a_customer_is_looked_up_by_index(analyst: Connection) -> None:
    """No scan of a whole partition when one customer is asked for."""
    with analyst.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
    plan = rows(analyst, "EXPLAIN SELECT * FROM mart.customer WHERE customer_id = '1'")
    scans = [line for (line,) in plan if "Seq Scan" in line]
    assert not [line for line in scans if "recommendation_list" in line or "_segment_" in line]


def test_who_is_offered_a_product_is_looked_up_by_index(analyst: Connection) -> None:
    with analyst.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
    query = "SELECT customer_id FROM mart.recommendation_list WHERE product_codes @> ARRAY[%s]"
    assert sorted(rows(analyst, query, "A")) == [("1",), ("3",)]
    plan = rows(analyst, f"EXPLAIN {query}", "A")
    assert [line for (line,) in plan if "product_codes_idx" in line]
