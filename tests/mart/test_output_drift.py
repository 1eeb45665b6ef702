"""Drift of outputs compares two published weeks, and only when there are two."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import ledger, mart
from passbook.settings import Settings
from passbook.steps.output_drift import count_outputs, measure_output

from .weeks import BASE_DATE, batch

pytestmark = pytest.mark.postgres

WEEK = timedelta(weeks=1)
SETTINGS = Settings(drift_thresholds={"*": {"minimum_rows": 100}})


def publish(connection: Connection, day: date, share_of_zero: float) -> None:
    rows = 1000
    segment = [0 if i < share_of_zero * rows else 1 for i in range(rows)]
    columns = batch(
        "customer_segment", day, customer_id=[f"C{i:05d}" for i in range(rows)],
        deposit_segment=segment,
    )  # fmt: skip
    fence = ledger.begin_stage(connection, "segment_customers", day, "run")
    mart.publish(connection, fence, {"customer_segment": [columns]}, inputs={})


def test_outputs_that_move_are_drift(loader: Connection) -> None:
    publish(loader, BASE_DATE, 0.5)
    publish(loader, BASE_DATE + WEEK, 0.52)
    publish(loader, BASE_DATE + 2 * WEEK, 0.9)
    assert count_outputs(loader, "segments.deposit", BASE_DATE) == {"0": 500, "1": 500}
    found = [
        measure_output(loader, "segments.deposit", BASE_DATE, BASE_DATE + n * WEEK, SETTINGS)
        for n in range(5)
    ]
    assert [f and f.drifted for f in found] == [None, None, False, True, None]
    assert found[3] is not None
    assert found[3].feature == "output"


@pytest.mark.parametrize(
    "model", ["segments.insurance", "recommend.up_sell.fund", "credit.style", "credit.default"]
)
def test_nothing_published_is_nothing_to_compare(loader: Connection, model: str) -> None:
    later = BASE_DATE + 2 * WEEK
    assert measure_output(loader, model, BASE_DATE, later, SETTINGS) is None
