"""A published week is stale when a work table or a model it was computed from is another now."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import ledger, mart
from passbook.contracts import OPS_TABLES

from .weeks import BASE_DATE, rows, segments

pytestmark = pytest.mark.postgres

MODEL = "segments.deposit"


def ingest(connection: Connection, fingerprint: str) -> None:
    fence = ledger.begin_stage(connection, "ingest_work_tables", BASE_DATE, "run")
    row = {"base_date": BASE_DATE, "work_table": "customer", "partition_date": BASE_DATE,
           "rows": 2, "bytes": 10, "seconds": 0.1, "fingerprint": fingerprint}  # fmt: skip
    table = pa.Table.from_pylist([row], schema=OPS_TABLES["work_table"].schema)
    ledger.append(connection, fence, "work_table", table)


def promote(connection: Connection, version: str, weeks: int, *, promoted: bool = True) -> None:
    day = BASE_DATE + timedelta(weeks=weeks)
    fence = ledger.begin_stage(connection, "retrain_models", day, "run")
    known = ledger.ModelVersion(MODEL, version, day, f"sha of {version}")
    ledger.record_model_version(connection, fence, known)
    ledger.record_promotion(connection, fence, MODEL, version, promoted=promoted, reason="Test.")


def publish(connection: Connection, inputs: dict[str, str]) -> None:
    fence = ledger.begin_stage(connection, "segment_customers", BASE_DATE, "run")
    mart.publish(connection, fence, {"customer_segment": [segments([1, 2])]}, inputs=inputs)


def stale(analyst: Connection) -> list[tuple[str, str]]:
    return rows(analyst, "SELECT input, reason FROM mart.stale_week ORDER BY input")


def test_a_week_becomes_stale_and_fresh_again(loader: Connection, analyst: Connection) -> None:
    ingest(loader, "first")
    promote(loader, "v1", weeks=-1)
    publish(loader, {"customer": "first", MODEL: "sha of v1", "settings": "whatever"})
    assert stale(analyst) == []
    ingest(loader, "second")
    promote(loader, "v3", weeks=1)
    [(name, reason)] = stale(analyst)
    assert name == "customer"
    assert reason == (f"customer has changed since; backfill segment_customers for {BASE_DATE}")
    promote(loader, "v2", weeks=0)
    assert [name for name, _ in stale(analyst)] == ["customer", MODEL]
    promote(loader, "v2", weeks=0, promoted=False)
    assert [name for name, _ in stale(analyst)] == ["customer"]
    publish(loader, {"customer": "second", MODEL: "sha of v1"})
    assert stale(analyst) == []
