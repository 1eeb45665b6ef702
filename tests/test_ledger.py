"""The ledger on a real Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta

import pyarrow as pa
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import ledger, mart
from passbook.contracts import OPS_TABLES
from passbook.errors import AuditError, InputError, StaleWriterError

pytestmark = pytest.mark.postgres

DAY = date(2022, 12, 4)
WEEK = timedelta(weeks=1)
STAGE = "retrain_models"


@pytest.fixture(scope="module")
def url(postgres_database: str) -> str:
    mart.migrate(postgres_database)
    return postgres_database


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    with closing(mart.connect(url)) as connection:
        yield connection


def begin(connection: Connection, day: date = DAY, run: str = "run") -> ledger.Fence:
    return ledger.begin_stage(connection, STAGE, day, run)


def record(connection: Connection, model: str, version: str, day: date) -> None:
    ledger.record_model_version(
        connection,
        begin(connection, day),
        ledger.ModelVersion(model, version, day, "ab" * 32, {"k": 5}, {"mrr": 0.5}),
    )


def decide(connection: Connection, model: str, version: str, day: date, promoted: bool) -> None:
    fence = begin(connection, day)
    ledger.record_promotion(
        connection, fence, model, version, promoted=promoted, reason="더 낫다", figures={"mrr": 0.5}
    )


def live(connection: Connection, model: str, day: date) -> str | None:
    version = ledger.champion(connection, model, day)
    return version.version if version else None


def test_a_verdict_runs_then_passes(connection: Connection) -> None:
    assert ledger.latest_verdict(connection, STAGE, DAY - 100 * WEEK) is None
    fence = begin(connection)
    running = ledger.latest_verdict(connection, STAGE, DAY)
    assert running == ledger.Verdict(STAGE, DAY, "running", "", "", {}, "run")
    ledger.record_verdict(connection, fence, "pass", figures={"rows": 7})
    passed = ledger.latest_verdict(connection, STAGE, DAY)
    assert passed == ledger.Verdict(STAGE, DAY, "pass", "", "", {"rows": 7}, "run")


def test_an_attempt_that_was_stopped_does_not_begin_after_a_later_one(
    connection: Connection,
) -> None:
    later = ledger.begin_stage(connection, STAGE, DAY, "stopped run", "02")
    ledger.record_verdict(connection, later, "pass")
    with pytest.raises(StaleWriterError, match="later attempt"):
        ledger.begin_stage(connection, STAGE, DAY, "stopped run", "01")
    verdict = ledger.latest_verdict(connection, STAGE, DAY)
    assert verdict is not None
    assert (verdict.verdict, verdict.run_id) == ("pass", "stopped run")
    ledger.begin_stage(connection, STAGE, DAY, "other run", "00")
    ledger.begin_stage(connection, STAGE, DAY, "stopped run", "03")


def test_a_rejection_keeps_code_and_reason_until_a_newer_run_begins(
    connection: Connection,
) -> None:
    ledger.record_verdict(connection, begin(connection), "reject", code="E201", reason="품질")
    verdict = ledger.latest_verdict(connection, STAGE, DAY)
    assert verdict is not None
    assert (verdict.verdict, verdict.code, verdict.reason) == ("reject", "E201", "품질")
    begin(connection, run="rerun")
    newer = ledger.latest_verdict(connection, STAGE, DAY)
    assert newer is not None
    assert (newer.verdict, newer.run_id) == ("running", "rerun")


def test_a_newer_run_fences_every_write_of_the_older(connection: Connection) -> None:
    older = begin(connection)
    newer = begin(connection, run="newer")
    assert newer.token > older.token
    version = ledger.ModelVersion("m", "v", DAY, "00")
    with pytest.raises(StaleWriterError, match="retrain_models for 2022-12-04"):
        ledger.record_verdict(connection, older, "pass")
    with pytest.raises(StaleWriterError):
        ledger.record_model_version(connection, older, version)
    with pytest.raises(StaleWriterError):
        ledger.append(connection, older, "drift", drift(["a"]))
    verdict = ledger.latest_verdict(connection, STAGE, DAY)
    assert verdict is not None
    assert verdict.verdict == "running"
    assert ledger.champion(connection, "m", DAY) is None


def test_another_base_date_is_not_fenced(connection: Connection) -> None:
    fence = begin(connection)
    begin(connection, DAY - WEEK)
    ledger.record_verdict(connection, fence, "pass")
    verdict = ledger.latest_verdict(connection, STAGE, DAY)
    assert verdict is not None
    assert verdict.verdict == "pass"


def test_an_unknown_stage_or_verdict_is_refused(connection: Connection) -> None:
    with pytest.raises(InputError, match="'retrain' is not a stage"):
        ledger.begin_stage(connection, "retrain", DAY, "run")
    with pytest.raises(InputError, match="not a verdict"):
        ledger.record_verdict(connection, begin(connection), "maybe")  # type: ignore[arg-type]


def test_figures_that_are_not_json_are_refused(connection: Connection) -> None:
    fence = begin(connection)
    for bad in ({"x": float("nan")}, {"x": date(2022, 1, 1)}):
        with pytest.raises(InputError, match="not JSON"):
            ledger.record_verdict(connection, fence, "pass", figures=bad)


def test_the_champion_is_the_newest_promoted_up_to_the_base_date(connection: Connection) -> None:
    model = "credit.style"
    assert ledger.champion(connection, model, DAY) is None
    for week, version in enumerate(("v0", "v1", "v2")):
        record(connection, model, version, DAY + week * WEEK)
    decide(connection, model, "v2", DAY + 2 * WEEK, promoted=True)
    decide(connection, model, "v0", DAY, promoted=True)  # a backfill comes later
    decide(connection, model, "v1", DAY + WEEK, promoted=False)
    weeks = [live(connection, model, DAY + n * WEEK) for n in (-1, 0, 1, 2, 3)]
    assert weeks == [None, "v0", "v0", "v2", "v2"]
    found = ledger.champion(connection, model, DAY)
    assert found == ledger.ModelVersion(model, "v0", DAY, "ab" * 32, {"k": 5}, {"mrr": 0.5})


def test_a_later_decision_on_the_same_base_date_counts(connection: Connection) -> None:
    model = "segments.deposit"
    record(connection, model, "a", DAY)
    record(connection, model, "b", DAY)
    decide(connection, model, "a", DAY, promoted=True)
    decide(connection, model, "b", DAY, promoted=True)
    assert live(connection, model, DAY) == "b"
    decide(connection, model, "b", DAY, promoted=False)
    assert live(connection, model, DAY) == "a"


def test_repeating_a_decision_adds_no_row(connection: Connection) -> None:
    model = "segments.insurance"
    for _ in range(2):
        record(connection, model, "a", DAY)
        decide(connection, model, "a", DAY, promoted=True)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM mart.promotion WHERE model = %s", (model,))
        assert cursor.fetchone() == (1,)


def drift(features: list[str], model: str = "m", day: date = DAY, psi: float = 0.1) -> pa.Table:
    count = len(features)
    columns = {
        "base_date": [day] * count,
        "model": [model] * count,
        "feature": features,
        "psi": [psi] * count,
        "jensen_shannon": [0.2] * count,
        "rows": [1000] * count,
        "drifted": [False] * count,
        "seasonal": [False] * count,
        "reference": [None] * count,
        "realised": [None] * count,
    }
    return pa.table(columns, schema=OPS_TABLES["drift"].schema)


def appended(connection: Connection, day: date) -> list[tuple[str, str, float]]:
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT model, feature, psi FROM ops.drift WHERE base_date = %s ORDER BY 1, 2", (day,)
        )
        return cursor.fetchall()


def test_a_rerun_replaces_its_rows_and_no_others(connection: Connection) -> None:
    day = DAY + 10 * WEEK
    for model in ("m", "n"):
        ledger.append(connection, begin(connection, day), "drift", drift(["a", "b"], model, day))
    ledger.append(connection, begin(connection, day), "drift", drift(["a"], "m", day, psi=0.5))
    assert appended(connection, day) == [("m", "a", 0.5), ("n", "a", 0.1), ("n", "b", 0.1)]


def test_a_table_without_models_is_replaced_whole(connection: Connection) -> None:
    schema = OPS_TABLES["work_table"].schema
    fence = ledger.begin_stage(connection, "ingest_work_tables", DAY, "run")
    for names in (["customer", "product"], ["product"]):
        count = len(names)
        table = pa.table(
            {
                "base_date": [DAY] * count,
                "work_table": names,
                "partition_date": [DAY] * count,
                "rows": [1] * count,
                "bytes": [2] * count,
                "seconds": [0.5] * count,
                "fingerprint": ["ff"] * count,
            },
            schema=schema,
        )
        ledger.append(connection, fence, "work_table", table)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT work_table FROM ops.work_table WHERE base_date = %s", (DAY,))
        assert cursor.fetchall() == [("product",)]


def test_rows_that_break_the_contract_change_nothing(connection: Connection) -> None:
    day = DAY + 11 * WEEK
    ledger.append(connection, begin(connection, day), "drift", drift(["a"], day=day))
    before = appended(connection, day)
    bad = [
        drift(["a"], day=day, psi=float("nan")),
        drift(["a"], day=day, psi=-1.0),
        drift(["a"], day=DAY),
        drift(["a", "a"], day=day),
        drift(["a"], day=day).drop_columns("rows"),
    ]
    for rows in bad:
        with pytest.raises(AuditError):
            ledger.append(connection, begin(connection, day), "drift", rows)
    with pytest.raises(InputError, match="no table 'drifts'"):
        ledger.append(connection, begin(connection, day), "drifts", before and bad[0])
    assert appended(connection, day) == before


def test_an_empty_append_is_fine(connection: Connection) -> None:
    empty = OPS_TABLES["drift"].schema.empty_table()
    ledger.append(connection, begin(connection), "drift", empty)
    assert appended(connection, DAY) == []


def test_a_persons_word_is_kept_beside_the_rules(connection: Connection) -> None:
    model, day = "word", DAY + 20 * WEEK
    for version in ("a", "b"):
        record(connection, model, version, day)
    fence = begin(connection, day)
    ledger.record_promotion(connection, fence, model, "a", promoted=True, reason="Rules.")
    assert ledger.persons_word(connection, model, "a", day) is None
    ledger.record_promotion(
        connection, fence, model, "b", promoted=False, reason="아직", decided_by="op"
    )
    assert ledger.persons_word(connection, model, "b", day) is False
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT version, decided_by FROM mart.promotion WHERE model = %s", (model,))
        assert sorted(cursor.fetchall()) == [("a", "rules"), ("b", "op")]


def test_a_refusal_is_remembered_until_a_promotion(connection: Connection) -> None:
    model, day = "refused", DAY + 30 * WEEK
    record(connection, model, "a", day)
    decide(connection, model, "a", day, promoted=False)
    assert ledger.last_refusal(connection, model, day - WEEK, day + WEEK) == day
    assert ledger.last_refusal(connection, model, day - WEEK, day) is None
    assert ledger.last_refusal(connection, model, day, day + 4 * WEEK) is None
    record(connection, model, "b", day + WEEK)
    decide(connection, model, "b", day + WEEK, promoted=True)
    assert ledger.last_refusal(connection, model, day - WEEK, day + 4 * WEEK) is None


def test_trials_are_noted_one_by_one_and_found_again_by_their_fingerprint(
    connection: Connection,
) -> None:
    model = "recommend.up_sell.noted"
    row = {"model": model, "parameters": "{}", "metrics": "{}", "seconds": 0.5, "customers": 9}
    fence = begin(connection)
    for fingerprint in ("same", "other", "same"):
        ledger.note_trial(connection, fence, {**row, "fingerprint": fingerprint})
    found = ledger.noted_trials(connection, DAY, model, "same")
    assert [f["customers"] for f in found] == [9, 9]
    assert ledger.noted_trials(connection, DAY + WEEK, model, "same") == []
    begin(connection)
    with pytest.raises(StaleWriterError):
        ledger.note_trial(connection, fence, {**row, "fingerprint": "late"})
