"""A published week is stale when anything that it was computed from is another now."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import cli, ledger, mart, settings
from passbook.contracts import OPS_TABLES
from passbook.mart import publishing

from .weeks import BASE_DATE, batch, rows, segments

pytestmark = pytest.mark.postgres

MODEL = "segments.deposit"
LATER = BASE_DATE + timedelta(weeks=1)
OBSERVED = BASE_DATE - timedelta(weeks=26)


@pytest.fixture(autouse=True)
def _fresh(addresses: mart.Addresses) -> None:
    """Empty the ledger, so that each test tells a story of its own."""
    with closing(mart.connect(addresses.owner)) as owner, owner, owner.cursor() as cursor:
        cursor.execute(
            "TRUNCATE ops.work_table, ops.promotion, ops.model_version, ops.stage_input,"
            " ops.decision_input"
        )


def ingest(connection: Connection, fingerprint: str, of: date = BASE_DATE) -> None:
    """Keep the fingerprint of a partition; an observation date counts as its own run left it."""
    fence = ledger.begin_stage(connection, "ingest_work_tables", of, "run")
    row = {"base_date": of, "work_table": "customer", "partition_date": of,
           "rows": 2, "bytes": 10, "seconds": 0.1, "fingerprint": fingerprint}  # fmt: skip
    table = pa.Table.from_pylist([row], schema=OPS_TABLES["work_table"].schema)
    ledger.append(connection, fence, "work_table", table)


def promote(
    connection: Connection,
    version: str,
    weeks: int,
    *,
    promoted: bool = True,
    model: str = MODEL,
) -> None:
    day = BASE_DATE + timedelta(weeks=weeks)
    fence = ledger.begin_stage(connection, "retrain_models", day, "run")
    known = ledger.ModelVersion(model, version, day, f"sha of {version}")
    ledger.record_model_version(connection, fence, known)
    ledger.record_promotion(connection, fence, model, version, promoted=promoted, reason="Test.")


def publish(
    connection: Connection,
    inputs: dict[str, str],
    day: date = BASE_DATE,
    stage: str = "segment_customers",
    bands: Sequence[int] = (1, 2),
) -> None:
    fence = ledger.begin_stage(connection, stage, day, "run")
    name, rows = {
        "segment_customers": ("customer_segment", segments(bands, day)),
        "score_credit": ("credit_score_feature", batch("credit_score_feature", day, place=[])),
    }[stage]
    mart.publish(connection, fence, {name: [rows]}, inputs=inputs)


def stale(analyst: Connection) -> list[tuple[str, str]]:
    return rows(analyst, "SELECT input, reason FROM mart.stale_week ORDER BY input")


def test_a_week_becomes_stale_and_fresh_again(loader: Connection, analyst: Connection) -> None:
    ingest(loader, "first")
    promote(loader, "v1", weeks=-1)
    publish(loader, {"customer": "first", MODEL: "sha of v1", "unknown": "whatever"})
    assert stale(analyst) == []
    ingest(loader, "second")
    promote(loader, "v3", weeks=1)
    assert stale(analyst) == [("customer", "customer has changed since")]
    promote(loader, "v2", weeks=0)
    assert stale(analyst)[1] == (MODEL, f"another version of {MODEL} is in force since")
    promote(loader, "v2", weeks=0, promoted=False)
    assert [name for name, _ in stale(analyst)] == ["customer"]
    publish(loader, {"customer": "second", MODEL: "sha of v1"})
    assert stale(analyst) == []


def test_a_partition_of_an_observation_date_counts(loader: Connection, analyst: Connection) -> None:
    ingest(loader, "now")
    ingest(loader, "then", of=OBSERVED)
    name = f"customer {OBSERVED}"
    publish(loader, {"customer": "now", name: "then"})
    assert stale(analyst) == []
    ingest(loader, "now")
    ingest(loader, "anew", of=OBSERVED)
    assert stale(analyst) == [(name, f"customer of {OBSERVED} has changed since")]


def test_a_model_that_comes_to_be_later_makes_the_week_stale(
    loader: Connection, analyst: Connection
) -> None:
    ingest(loader, "now")
    publish(loader, {"segments.insurance": "none in force"})
    assert stale(analyst) == []
    promote(loader, "v1", weeks=0, model="segments.insurance")
    assert [name for name, _ in stale(analyst)] == ["segments.insurance"]


def test_weeks_of_other_code_or_settings_are_stale_with_the_backfill_that_mends_them(
    loader: Connection, analyst: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(loader, {"settings": "five offers"})
    assert stale(analyst) == []
    monkeypatch.setattr(publishing, "stage_code", lambda stage: f"9.9.9+{stage}")
    publish(loader, {"settings": "four offers"}, LATER)
    publish(loader, {"settings": "twenty"}, LATER, stage="score_credit")
    assert stale(analyst) == [
        ("code", "the code of segment_customers has changed since"),
        ("settings", "settings of segment_customers have changed since"),
    ]
    (found,) = ledger.stale_weeks(loader)
    assert (found.base_date, found.stage) == (BASE_DATE, "segment_customers")
    assert found.reasons.count(";") == 1
    assert found.mend == f"passbook backfill {BASE_DATE} {BASE_DATE} --only {found.stage} --again"
    publish(loader, {"settings": "four offers"})
    assert stale(analyst) == []
    history = rows(loader, "SELECT count(*) FROM ops.stage_input WHERE stage = %s", found.stage)
    assert history == [(4,)]


def test_a_decision_on_models_is_stale_when_what_it_went_by_is_another_now(
    loader: Connection, analyst: Connection
) -> None:
    """A model of the decision's own week is what it decided, not what it went by."""
    publish(loader, {})
    publish(loader, {}, LATER)
    ((published,),) = rows(
        loader, "SELECT sha256 FROM ops.publication WHERE mart_table = 'customer_segment'"
        " AND base_date = %s", BASE_DATE,
    )  # fmt: skip
    ingest(loader, "first", of=LATER)
    fence = ledger.begin_stage(loader, "retrain_models", LATER, "run")
    before = f"customer_segment {BASE_DATE}"
    decided = {"customer": "first", MODEL: "none in force", before: published}
    kept = [{"base_date": LATER, "input": n, "fingerprint": f} for n, f in decided.items()]
    schema = OPS_TABLES["decision_input"].schema
    ledger.append(loader, fence, "decision_input", pa.Table.from_pylist(kept, schema=schema))
    promote(loader, "v2", weeks=1)
    assert stale(analyst) == []
    publish(loader, {}, bands=[3, 4])
    promote(loader, "v1", weeks=0)
    ingest(loader, "second", of=LATER)
    assert stale(analyst) == [
        ("customer", "customer has changed since"),
        (before, f"segments of {BASE_DATE} have changed since"),
        (MODEL, f"another version of {MODEL} was in force before"),
    ]
    (found,) = ledger.stale_weeks(loader)
    assert found.mend == f"passbook backfill {LATER} {LATER} --only retrain_models --again"


def test_weeks_are_told_in_the_order_in_which_to_mend_them(loader: Connection) -> None:
    for week in (LATER, BASE_DATE):
        ingest(loader, "first", of=week)
        for stage in ("score_credit", "segment_customers"):
            publish(loader, {"customer": "first"}, week, stage=stage)
        ingest(loader, "second", of=week)
    told = [(week.base_date, week.stage) for week in ledger.stale_weeks(loader)]
    in_a_week = ["segment_customers", "score_credit"]
    assert told == [(week, stage) for week in (BASE_DATE, LATER) for stage in in_a_week]
    for week, stage in told:
        publish(loader, {}, week, stage=stage)


def test_the_stale_weeks_are_told_on_the_command_line(
    loader: Connection,
    addresses: mart.Addresses,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PASSBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("PASSBOOK_MART_URL", addresses.loader)
    ingest(loader, "first")
    publish(loader, {"customer": "first"})
    publish(loader, {}, LATER)
    settings.load.cache_clear()
    assert cli.main(["stale"]) == 0
    assert capsys.readouterr().out == "No stale weeks.\n"
    ingest(loader, "second")
    assert cli.main(["stale"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{BASE_DATE} segment_customers: customer has changed since",
        f"    passbook backfill {BASE_DATE} {BASE_DATE} --only segment_customers --again",
        "1 stale week.",
    ]
