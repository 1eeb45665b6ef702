"""The page of a week tells its stages, broken rules and hashes, and finds its reports."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from passbook import ledger, mart, settings
from passbook.contracts import OPS_TABLES
from passbook.pages import answers, week

DAY = date(2022, 12, 4)
RULE = {
    "base_date": DAY, "work_table": "customer", "rule": "in_set sex", "severity": "warn",
    "passed": False, "rows": 500, "unexpected": 3, "overridden": False, "example_shape": "a<b",
}  # fmt: skip


@pytest.fixture(scope="module")
def week_of_a_run(postgres_database: str) -> str:
    """Keep a passed ingest with a broken rule, run by ``run 1``."""
    mart.migrate(postgres_database)
    with closing(mart.connect(postgres_database)) as connection:
        fence = ledger.begin_stage(connection, "ingest_work_tables", DAY, "run 1")
        checks = pa.Table.from_pylist([RULE], schema=OPS_TABLES["quality_result"].schema)
        ledger.append(connection, fence, "quality_result", checks)
        ledger.record_verdict(connection, fence, "pass")
    return postgres_database


@pytest.fixture(autouse=True)
def at_home(week_of_a_run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings with the week's mart and an empty home."""
    monkeypatch.setenv("PASSBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("PASSBOOK_MART_URL", week_of_a_run)
    return tmp_path / "reports" / settings.load().source / "2022-12-04"


@pytest.mark.postgres
def test_the_week_is_told(at_home: Path) -> None:
    at_home.mkdir(parents=True)
    (at_home / "drift.html").write_text("<h1>PSI</h1>")
    status, page = answers.week_answer(DAY)
    assert status == 200
    for words in ("run 1", "in_set sex", "a&lt;b", '<a href="../report/2022-12-04/drift">'):
        assert words in page
    assert answers.report_answer(DAY, "drift") == (200, "<h1>PSI</h1>")


@pytest.mark.postgres
@pytest.mark.parametrize("name", ["segments", "../../drift", "../2022-12-04/drift"])
def test_only_reports_of_the_week_are_served(at_home: Path, name: str) -> None:
    at_home.mkdir(parents=True)
    (at_home / "drift.html").write_text("x")
    (at_home.parent.parent / "drift.html").write_text("secret")
    assert answers.report_answer(DAY, name)[0] == 404


@pytest.mark.postgres
def test_a_run_leads_to_its_week() -> None:
    assert answers.run_answer("run 1") == DAY
    assert isinstance(answers.run_answer("run 2"), tuple)


@pytest.mark.postgres
def test_a_mart_that_is_gone_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSBOOK_MART_URL", "postgresql://x:y@127.0.0.1:1/gone_test")
    settings.load.cache_clear()
    status, page = answers.status_answer()
    assert status == 503
    assert "E701" in page


def test_a_week_that_nobody_worked_for_is_empty() -> None:
    page = week.render(week.WeekRecord(DAY, [], [], [], [], [], [], []), [])
    assert page.count("Nothing yet.") == 7
    assert '<h2>Changed since</h2><p class="note">Nothing.</p>' in page


def test_a_week_that_was_checked_and_broke_no_rule_says_so() -> None:
    checks = [("account", 9, 0, 0, 100)]
    page = week.render(week.WeekRecord(DAY, [], checks, [], [], [], [], []), [])
    assert '<h2>Rules broken</h2><p class="note">None.</p>' in page
