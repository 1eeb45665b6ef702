"""The status page shows the ledger's weeks, escaped, and says when there is nothing."""

from __future__ import annotations

from contextlib import closing
from datetime import date, timedelta

import pyarrow as pa
import pytest

from passbook import ledger, mart
from passbook.contracts import OPS_TABLES
from passbook.ledger import StaleWeek
from passbook.pages.status import Status, read_status, render

DAY = date(2022, 12, 4)


def test_an_empty_ledger_is_said_to_be_empty() -> None:
    page = render(Status({}, [], [], [], [], [], []))
    assert "No stage has run yet." in page


def test_reasons_are_escaped_and_stale_weeks_marked() -> None:
    verdicts = {
        (DAY, "ingest_work_tables"): ("reject", "E104", "<script>alert(1)</script>", None),
        (DAY, "score_credit"): ("pass", "", "", None),
    }
    why, mend = "behaviour has changed since", "passbook backfill …"
    page = render(Status(verdicts, [StaleWeek(DAY, "score_credit", why, mend)], [], [], [], [], []))
    assert "<script>" not in page
    assert "reject E104" in page
    assert 'class="stale" title="behaviour has changed since"' in page
    assert f'<td class="">{mend}</td>' in page


@pytest.mark.postgres
def test_the_page_reads_what_the_ledger_has(postgres_database: str) -> None:
    mart.migrate(postgres_database)
    drift = {"base_date": DAY, "model": "credit.default", "feature": "잔액", "psi": 0.31,
             "jensen_shannon": 0.2, "rows": 5000, "drifted": True, "seasonal": False}  # fmt: skip
    gini = {"base_date": DAY, "model": "credit.default", "feature": "gini", "rows": 321,
            "drifted": False, "seasonal": False, "reference": 0.61, "realised": 0.59}  # fmt: skip
    with closing(mart.connect(postgres_database)) as connection:
        for weeks in range(3):
            day = DAY - timedelta(weeks=weeks)
            fence = ledger.begin_stage(connection, "retrain_models", day, "run")
            ledger.record_verdict(connection, fence, "pass")
        fence = ledger.begin_stage(connection, "retrain_models", DAY, "run")
        rows = pa.Table.from_pylist([drift, gini], schema=OPS_TABLES["drift"].schema)
        ledger.append(connection, fence, "drift", rows)
        version = ledger.ModelVersion("credit.default", "v1", DAY, "ab" * 32)
        ledger.record_model_version(connection, fence, version)
        ledger.record_promotion(
            connection, fence, "credit.default", "v1", promoted=True, reason="First model."
        )
        status = read_status(connection, weeks=2)
    assert status.weeks == [DAY, DAY - timedelta(weeks=1)]
    assert status.verdicts[DAY, "retrain_models"][0] == "running"
    page = render(status)
    for words in (
        "credit.default",
        "First model.",
        "잔액",
        "0.310",
        "2022-12-04",
        "0.610",
        "0.590",
        "321",
    ):
        assert words in page
