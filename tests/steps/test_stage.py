"""A stage is run by one writer at a time, and every end of it is in the ledger."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from mart.weeks import segments
from passbook import ledger, mart, settings
from passbook.base_date import schedule_moment
from passbook.ended_runs import conclude
from passbook.errors import (
    HiveUnreachableError,
    MartBusyError,
    MartUnreachableError,
    QualityError,
    StageBusyError,
    StageRejectedError,
    StaleWriterError,
)
from passbook.settings import Settings
from passbook.steps.stage import Stage, begin, run_stage
from passbook.steps.week import Week

pytestmark = pytest.mark.postgres

DAY = date(2022, 12, 4)
SEGMENT, INGEST = "segment_customers", "ingest_work_tables"


@pytest.fixture(scope="module")
def mart_address(addresses: mart.Addresses) -> str:
    """The loader's address of a migrated mart."""
    return addresses.loader


@pytest.fixture
def impatient(
    mart_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """Settings of the environment, with a short wait for locks."""
    monkeypatch.setenv("PASSBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("PASSBOOK_MART_URL", mart_address)
    monkeypatch.setenv("PASSBOOK_LOCK_TIMEOUT_SECONDS", "1")
    monkeypatch.setenv("PASSBOOK_SOURCE", "insurance_purchases")
    settings.load.cache_clear()
    yield settings.load()
    settings.load.cache_clear()


def verdict(address: str, stage: str = SEGMENT) -> ledger.Verdict:
    with closing(mart.connect(address)) as connection:
        found = ledger.latest_verdict(connection, stage, DAY)
    assert found is not None
    return found


def test_another_run_of_the_same_stage_and_base_date_is_told_to_wait(impatient: Settings) -> None:
    with begin(impatient, SEGMENT, DAY, "backfill"):
        with pytest.raises(StageBusyError), begin(impatient, SEGMENT, DAY, "scheduled"):
            pass
        with begin(impatient, "score_credit", DAY, "scheduled"):
            pass
    with begin(impatient, SEGMENT, DAY, "scheduled"):
        pass


def test_work_tables_are_not_rebuilt_under_a_reader(impatient: Settings) -> None:
    with (
        begin(impatient, SEGMENT, DAY, "one"),
        pytest.raises(StageBusyError),
        begin(impatient, INGEST, DAY, "two"),
    ):
        pass
    with (
        begin(impatient, INGEST, DAY, "two"),
        pytest.raises(StageBusyError),
        begin(impatient, SEGMENT, DAY, "one"),
    ):
        pass


def test_publishing_waits_for_readers_as_long_as_the_settings_say(
    impatient: Settings, addresses: mart.Addresses
) -> None:
    with (
        closing(mart.connect(addresses.analyst, check_migration=False)) as reader,
        begin(impatient, SEGMENT, DAY, "run") as (connection, fence),
    ):
        stage = Stage(Week(DAY, impatient, None, None), connection, fence, impatient)  # type: ignore[arg-type]
        stage.publish({"customer_segment": [segments([1])]}, inputs={})
        with reader.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM mart.customer_segment")
        release = threading.Timer(4.0, reader.rollback)
        release.start()
        with pytest.raises(MartBusyError):
            stage.publish({"customer_segment": [segments([2])]}, inputs={})
        release.join()


def test_a_stage_that_waited_for_a_rejected_one_is_rejected_itself(
    impatient: Settings, mart_address: str
) -> None:
    from passbook.steps.verdict_wait import WaitForVerdict  # noqa: PLC0415

    run = SimpleNamespace(
        dag_id="retrain_models",
        run_id="backfill",
        run_type="backfill",
        data_interval_end=schedule_moment(DAY),
        run_after=schedule_moment(DAY),
    )
    wait = WaitForVerdict(task_id="wait", stage=INGEST)
    event = {"verdict": "reject", "base_date": DAY.isoformat(), "reason": "E102 nothing there"}
    with pytest.raises(StageRejectedError, match="E102 nothing there"):
        wait.execute_complete({"dag_run": run, "params": {}}, event)  # type: ignore[arg-type, typeddict-item]
    found = verdict(mart_address, "retrain_models")
    assert (found.verdict, found.code, found.run_id) == ("reject", "E705", "backfill")
    assert "E102 nothing there" in found.reason


def test_a_long_wait_looks_less_often_and_is_not_late_for_it() -> None:
    from passbook.steps.verdict_wait import pauses  # noqa: PLC0415

    waited = 0.0
    hour = list(islice(pauses(), 200))
    assert (hour[0], hour[-1]) == (3.0, 30.0)
    for pause in hour:
        assert pause <= max(waited / 30, 3.0)
        waited += pause
    assert waited > 3600


def test_a_new_attempt_of_the_same_run_ends_the_one_that_was_left_behind(
    impatient: Settings,
) -> None:
    with begin(impatient, SEGMENT, DAY, "run") as (left_behind, old):
        with begin(impatient, SEGMENT, DAY, "run") as (connection, fence):
            ledger.record_verdict(connection, fence, "pass")
        with pytest.raises((StaleWriterError, MartUnreachableError)):
            ledger.record_verdict(left_behind, old, "pass")


def test_an_earlier_attempt_that_goes_on_leaves_the_later_one_alone(impatient: Settings) -> None:
    with begin(impatient, SEGMENT, DAY, "run", attempt="02") as (connection, fence):
        with (
            pytest.raises(StageBusyError),
            begin(impatient, SEGMENT, DAY, "run", attempt="01"),
        ):
            pass
        ledger.record_verdict(connection, fence, "pass")
    with pytest.raises(StaleWriterError), begin(impatient, SEGMENT, DAY, "run", attempt="01"):
        pass


def test_a_run_that_ends_without_a_verdict_is_rejected_and_its_writer_refused(
    impatient: Settings, mart_address: str
) -> None:
    with begin(impatient, SEGMENT, DAY, "lost") as (connection, lives_on):
        told = conclude(SEGMENT, DAY, "lost")
        with pytest.raises(StaleWriterError):
            ledger.record_verdict(connection, lives_on, "pass")
    found = verdict(mart_address)
    assert (found.verdict, found.code, found.run_id) == ("reject", "E709", "lost")
    assert told == f"base date {DAY}, rejected: {found.reason}"


def test_a_run_that_ends_leaves_the_verdicts_of_others_alone(
    impatient: Settings, mart_address: str
) -> None:
    with begin(impatient, SEGMENT, DAY, "another") as (connection, fence):
        conclude(SEGMENT, DAY, "lost")
        assert verdict(mart_address).verdict == "running"
        ledger.record_verdict(connection, fence, "pass")
    for run in ("lost", "another"):
        conclude(SEGMENT, DAY, run)
        assert (verdict(mart_address).verdict, verdict(mart_address).run_id) == ("pass", "another")


def test_a_run_whose_stage_never_began_is_rejected(impatient: Settings, mart_address: str) -> None:
    assert impatient
    conclude("recommend_products", DAY, "lost")
    assert verdict(mart_address, "recommend_products").code == "E709"


def ignored(stage: Stage) -> NoReturn:
    raise AssertionError("Hive is not there: the work must not begin.")


def test_an_unreachable_hive_leaves_the_verdict_open_until_the_last_attempt(
    impatient: Settings, mart_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSBOOK_HIVE_URL", "hive://nobody@127.0.0.1:1/?auth=NONE")
    settings.load.cache_clear()
    with pytest.raises(HiveUnreachableError):
        run_stage(SEGMENT, DAY, "run", ignored, last_attempt=False)
    assert verdict(mart_address).verdict == "running"
    with pytest.raises(HiveUnreachableError):
        run_stage(SEGMENT, DAY, "run", ignored, last_attempt=True)
    assert (verdict(mart_address).verdict, verdict(mart_address).code) == ("reject", "E101")


@pytest.mark.hive
def test_every_end_of_the_work_is_kept(
    impatient: Settings, mart_address: str, hive_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSBOOK_HIVE_URL", hive_url)
    settings.load.cache_clear()

    def raising(error: Exception) -> Any:
        def work(stage: Stage) -> NoReturn:
            raise error

        return work

    with pytest.raises(QualityError):
        run_stage(SEGMENT, DAY, "run", raising(QualityError("Two rules.")))
    found = verdict(mart_address)
    assert (found.verdict, found.code) == ("reject", "E201")
    assert "Two rules." in found.reason
    with pytest.raises(ZeroDivisionError):
        run_stage(SEGMENT, DAY, "run", raising(ZeroDivisionError("C0000001 owes 5")))
    found = verdict(mart_address)
    assert (found.verdict, found.code) == ("reject", "E000")
    assert "C0000001" not in found.reason
    first = run_stage(SEGMENT, DAY, "run", lambda stage: {"rows": 1}, concludes=False)
    assert verdict(mart_address).verdict == "running"
    run_stage(SEGMENT, DAY, "run", lambda stage: {"rows": 2}, token=first["token"])
    found = verdict(mart_address)
    assert (found.verdict, found.figures) == ("pass", {"rows": 2})
    newer = run_stage(SEGMENT, DAY, "other", lambda stage: {})
    with pytest.raises(StaleWriterError):
        run_stage(SEGMENT, DAY, "run", lambda stage: {}, token=first["token"])
    assert newer["token"] > first["token"]
