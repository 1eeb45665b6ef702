"""Rolling a model back puts its published weeks back, together or not at all."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pyarrow as pa
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import ledger, mart
from passbook.errors import MartBusyError, ModelError, StaleWriterError

from .weeks import BASE_DATE, batch, offer_week, rows, segments

pytestmark = pytest.mark.postgres

STAGE = "segment_customers"
names = itertools.count()


@pytest.fixture
def model(loader: Connection) -> str:
    """A model with versions ``v1``, promoted for a day of its own, and ``v2`` a week later."""
    return f"segments.model{next(names)}"


@pytest.fixture
def day(model: str) -> date:
    return BASE_DATE + timedelta(weeks=10 * int(model.removeprefix("segments.model")))


@pytest.fixture(autouse=True)
def two_versions(loader: Connection, model: str, day: date) -> None:
    for version, promoted_for in (("v1", day - timedelta(weeks=1)), ("v2", day)):
        fence = ledger.begin_stage(loader, "retrain_models", promoted_for, "retrain")
        ledger.record_model_version(
            loader, fence, ledger.ModelVersion(model, version, promoted_for, sha(model, version))
        )
        ledger.record_promotion(loader, fence, model, version, promoted=True, reason="better")


def sha(model: str, version: str) -> str:
    return f"sha256 of {model} {version}"


def publish(
    loader: Connection, model: str, version: str, day: date, **tables: list[pa.RecordBatch]
) -> list[mart.Publication]:
    fence = ledger.begin_stage(loader, STAGE, day, f"run with {version}")
    inputs = {model: sha(model, version), "customer": "c1"}
    done = mart.publish(loader, fence, tables, inputs=inputs)
    ledger.record_verdict(loader, fence, "pass")
    return done


def roll_back(loader: Connection, model: str, version: str) -> list[mart.RolledBackWeek]:
    return mart.roll_back(loader, model, version, reason="민원", run_id="op")


def live(loader: Connection, model: str, day: date) -> str | None:
    found = ledger.champion(loader, model, day)
    return found.version if found else None


def test_model_and_published_week_go_back_together(
    loader: Connection, analyst: Connection, model: str, day: date
) -> None:
    named = {
        v: [batch("segment", day, family=["deposit"], segment=[1], name=[v])] for v in ("a", "b")
    }
    before = publish(loader, model, "v1", day, customer_segment=[segments([1, 2], day)],
                     segment=named["a"])  # fmt: skip
    publish(loader, model, "v2", day, customer_segment=[segments([5], day)], segment=named["b"])
    assert roll_back(loader, model, "v1") == [mart.RolledBackWeek(day, STAGE, restored=True)]
    assert live(loader, model, day) == "v1"
    assert rows(analyst, "SELECT balance_band FROM mart.customer_segment WHERE base_date = %s"
                " ORDER BY 1", day) == [(1,), (2,)]  # fmt: skip
    assert rows(analyst, "SELECT name FROM mart.segment WHERE base_date = %s", day) == [("a",)]
    record = rows(
        analyst,
        """SELECT mart_table, sha256, ops.content_hash(mart_table, base_date), inputs ->> %s, run_id
           FROM mart.publication WHERE base_date = %s ORDER BY 1""",
        model,
        day,
    )
    assert record == [
        (p.table, p.sha256, p.sha256, sha(model, "v1"), "run with v1") for p in before
    ]
    verdict = ledger.latest_verdict(loader, STAGE, day)
    assert verdict is not None
    assert (verdict.verdict, verdict.run_id) == ("pass", "op")


def test_the_history_tells_who_and_why(loader: Connection, model: str, day: date) -> None:
    roll_back(loader, model, "v1")
    history = ledger.model_history(loader, model)
    assert [(d.version, d.base_date, d.promoted, d.reason, d.run_id) for d in history] == [
        ("v1", day - timedelta(weeks=1), True, "better", "retrain"),
        ("v2", day, True, "better", "retrain"),
        ("v2", day, False, "민원", "op"),
        ("v1", day, True, "민원", "op"),
    ]
    assert (model, "v1") in [(v.model, v.version) for v in ledger.live_models(loader, day)]


def test_back_and_forth(loader: Connection, analyst: Connection, model: str, day: date) -> None:
    publish(loader, model, "v1", day, customer_segment=[segments([1], day)])
    publish(loader, model, "v2", day, customer_segment=[segments([5], day)])
    query = "SELECT max(balance_band) FROM mart.customer_segment WHERE base_date = %s"
    for version, band in (("v1", 1), ("v2", 5), ("v1", 1)):
        assert [week.restored for week in roll_back(loader, model, version)] == [True]
        assert rows(analyst, query, day) == [(band,)]
        assert live(loader, model, day) == version


def test_a_week_that_the_version_never_made_is_told_and_left(
    loader: Connection, analyst: Connection, model: str, day: date
) -> None:
    later = day + timedelta(weeks=1)
    publish(loader, model, "v1", day, customer_segment=[segments([1], day)])
    for at in (day, later):
        publish(loader, model, "v2", at, customer_segment=[segments([5], at)])
    assert roll_back(loader, model, "v1") == [
        mart.RolledBackWeek(day, STAGE, restored=True),
        mart.RolledBackWeek(later, STAGE, restored=False),
    ]
    found = rows(analyst, "SELECT base_date, max(balance_band) FROM mart.customer_segment"
                 " WHERE base_date IN (%s, %s) GROUP BY 1 ORDER BY 1", day, later)  # fmt: skip
    assert found == [(day, 1), (later, 5)]
    stale = rows(analyst, "SELECT base_date FROM mart.stale_week WHERE input = %s", model)
    assert stale == [(later,)]


def test_a_table_that_did_not_change_goes_along(
    loader: Connection, analyst: Connection, model: str, day: date
) -> None:
    """The products were the same for both versions; only the lists differ."""
    for version, code in (("v1", "A"), ("v2", "B")):
        publish(loader, model, version, day, **offer_week(["1"], [[code]], day))
    roll_back(loader, model, "v1")
    found = rows(analyst, "SELECT product_code, product_name FROM mart.product_recommendation"
                 " WHERE base_date = %s", day)  # fmt: skip
    assert found == [("A", "우체국 A")]
    assert rows(analyst, "SELECT * FROM mart.stale_week WHERE input = %s", model) == []


def test_tables_go_back_together_or_not_at_all(
    loader: Connection, analyst: Connection, model: str, day: date
) -> None:
    """One table's earlier content is no longer kept: the other one stays as well."""
    publish(loader, model, "v1", day, **offer_week(["1"], [["A"]], day, sold=("A",)))
    for code in "BCD":  # the products change thrice, the lists once
        week = offer_week(["1"], [["X"]], day, sold=("A", code, "X"))
        publish(loader, model, "v2", day, **week)
    assert [week.restored for week in roll_back(loader, model, "v1")] == [False]
    found = rows(analyst, "SELECT product_codes FROM mart.recommendation_list WHERE base_date = %s",
                 day)  # fmt: skip
    assert found == [(["X"],)]


def test_a_run_under_way_is_fenced_off(loader: Connection, model: str, day: date) -> None:
    publish(loader, model, "v1", day, customer_segment=[segments([1], day)])
    publish(loader, model, "v2", day, customer_segment=[segments([5], day)])
    under_way = ledger.begin_stage(loader, STAGE, day, "late run")
    roll_back(loader, model, "v1")
    with pytest.raises(StaleWriterError):
        mart.publish(loader, under_way, {"customer_segment": [segments([5], day)]}, inputs={})


@pytest.mark.parametrize(
    ("version", "sentence"), [("v2", "is in force already"), ("v3", "was never in force")]
)
def test_a_version_that_cannot_come_back_is_refused(
    loader: Connection, model: str, version: str, sentence: str
) -> None:
    before = ledger.model_history(loader, model)
    with pytest.raises(ModelError, match=f"{model} {version} {sentence}"):
        roll_back(loader, model, version)
    assert ledger.model_history(loader, model) == before


def test_a_readers_lock_leaves_all_as_it_was(
    loader: Connection, analyst: Connection, model: str, day: date
) -> None:
    publish(loader, model, "v1", day, customer_segment=[segments([1], day)])
    publish(loader, model, "v2", day, customer_segment=[segments([5], day)])
    analyst.autocommit = False
    with analyst.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM mart.customer_segment")
    with pytest.raises(MartBusyError):
        mart.roll_back(loader, model, "v1", reason="x", run_id="op", lock_timeout_seconds=0.3)
    analyst.rollback()
    assert live(loader, model, day) == "v2"
    assert [week.restored for week in roll_back(loader, model, "v1")] == [True]
