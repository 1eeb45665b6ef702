"""The credit stage on a real Hive and a real mart: trained, promoted, scored, published."""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)
from pydantic import SecretStr

from credit.planted import PlantedBank, planted_bank
from passbook import cli, hive, ledger, mart
from passbook.base_date import observation_dates
from passbook.contracts import STYLES, WORK_TABLES
from passbook.credit import explanation
from passbook.errors import (
    ArtifactError,
    FutureRowError,
    InputError,
    NoChampionError,
    SealError,
    SettingsError,
)
from passbook.privacy.keys import KeyRing
from passbook.settings import Settings, load
from passbook.sources import Source
from passbook.steps import credit_in_force, model_drift, privacy, score_credit
from passbook.steps.privacy import sealing_ring
from passbook.steps.realised_performance import measure_performance
from passbook.steps.stage import Stage
from passbook.steps.week import Week
from work_weeks import add_partition, put_in_force, rows, work_database

pytestmark = [pytest.mark.hive, pytest.mark.postgres]

BASE_DATE = date(2022, 12, 4)
EARLIER, LATER = observation_dates(BASE_DATE)
CUSTOMERS = 2500
SOURCE = f"credit_{os.getpid()}_test"


@pytest.fixture(scope="module")
def banks() -> dict[date, PlantedBank]:
    """A bank a date, each with other customers' luck."""
    return {
        day: planted_bank(CUSTOMERS, seed, day)
        for seed, day in enumerate((EARLIER, LATER, BASE_DATE))
    }


@pytest.fixture(scope="module")
def open_hive(hive_url: str) -> Iterator[hive.Hive]:
    """Hive with an empty database of work tables."""
    with work_database(hive_url, f"work_{SOURCE}") as connection:
        yield connection


@pytest.fixture(scope="module")
def week(
    open_hive: hive.Hive,
    banks: dict[date, PlantedBank],
    tmp_path_factory: pytest.TempPathFactory,
) -> Week:
    """The week's work tables in Hive, for the base date and both observation dates."""
    folder = tmp_path_factory.mktemp("work")
    folder.parent.chmod(0o755)
    partitions = {
        (name, day): table for day, bank in banks.items() for name, table in bank.tables.items()
    }
    outcomes = [banks[day].outcomes(day) for day in (EARLIER, LATER)]
    partitions["credit_outcome", BASE_DATE] = pa.concat_tables(outcomes)
    for (name, day), table in partitions.items():
        add_partition(open_hive, f"work_{SOURCE}.{name}", day, table, folder)
    source = Source(SOURCE, folder, {name: "" for name, day in partitions if day == BASE_DATE})
    settings = Settings(home=folder, source=SOURCE, credit_search_trials=1)
    fingerprints = {key: f"{key[0]} {key[1]}" for key in partitions}
    return Week(BASE_DATE, settings, open_hive, source, fingerprints)


@pytest.fixture(scope="module")
def challengers(week: Week) -> list[score_credit.Challenger]:
    """Both models, trained once."""
    return score_credit.train(week)


@pytest.fixture(scope="module")
def published(
    week: Week, loader: Connection, challengers: list[score_credit.Challenger]
) -> list[dict[str, object]]:
    """What the stage returned, run twice with promoted models."""
    retrain = ledger.begin_stage(loader, "retrain_models", BASE_DATE, "test")
    for challenger in challengers:
        put_in_force(loader, retrain, week.settings.artifacts, challenger)
    return [score_credit.work(_stage(week, loader)) for _ in range(2)]


def _stage(week: Week, loader: Connection) -> Stage:
    fence = ledger.begin_stage(loader, "score_credit", week.base_date, "test")
    return Stage(week, loader, fence, week.settings)


def test_no_champion_is_said_and_nothing_is_published(week: Week, loader: Connection) -> None:
    with pytest.raises(NoChampionError, match=r"E601.*credit\.style"):
        score_credit.work(_stage(week, loader))
    assert rows(loader, "SELECT count(*) FROM mart.credit_score") == [(0,)]


def test_both_models_are_trained_and_judged(challengers: list[score_credit.Challenger]) -> None:
    style, default = challengers
    assert (style.model, default.model) == ("credit.style", "credit.default")
    assert style.parameters["labels"] == "bank"
    assert style.metrics["f1"] > 0.8
    assert default.metrics["roc_auc"] > 0.65
    assert default.metrics["rows"] == CUSTOMERS
    assert all(not name.endswith((".pkl", ".joblib")) for c in challengers for name in c.files)


def test_training_again_gives_the_same_bytes(
    week: Week, challengers: list[score_credit.Challenger]
) -> None:
    one_thread = week.settings.model_copy(update={"threads": 1})
    again = score_credit.train(Week(BASE_DATE, one_thread, week.hive, week.source))
    assert [challenger.files for challenger in again] == [c.files for c in challengers]


def test_every_customer_is_scored_once(
    published: list[dict[str, object]], loader: Connection, banks: dict[date, PlantedBank]
) -> None:
    assert published[0]["rows"] == CUSTOMERS
    assert published[0] == published[1]
    scored = rows(
        loader,
        "SELECT customer_id, style, style_probability, default_probability, credit_index, band,"
        " reasons FROM mart.credit_score ORDER BY customer_id",
    )
    ids = sorted(banks[BASE_DATE].tables["customer"]["customer_id"].to_pylist())
    assert [row[0] for row in scored] == ids
    assert {row[1] for row in scored} == set(STYLES)
    assert all(row[6] for row in scored)


def test_index_follows_the_planted_risk(
    published: list[dict[str, object]], loader: Connection, banks: dict[date, PlantedBank]
) -> None:
    assert published
    found = dict(rows(loader, "SELECT customer_id, credit_index FROM mart.credit_score"))
    bank = banks[BASE_DATE]
    index = [found[name] for name in bank.tables["customer"]["customer_id"].to_pylist()]
    assert np.corrcoef(index, bank.log_odds)[0, 1] < -0.7


def test_explanation_adds_up_to_what_was_published(
    published: list[dict[str, object]], week: Week, loader: Connection
) -> None:
    assert published
    in_force = credit_in_force.find(loader, week.settings.artifacts, None)
    assert in_force.base_date == BASE_DATE
    wrong = rows(
        loader,
        "SELECT count(*) FROM (SELECT credit_index, sum(points) AS points"
        " FROM mart.credit_score_explanation GROUP BY customer_id, credit_index) s"
        " WHERE credit_index <> least(850, greatest(300, points))",
    )
    assert wrong == [(0,)]
    scored = rows(loader, "SELECT customer_id, credit_index FROM mart.credit_score LIMIT 1")
    for customer, index in scored:
        found = credit_in_force.explain_customer(loader, None, str(customer), None)
        assert found.start + sum(line.points for line in found.lines) == found.points
        assert found.score["credit_index"] == index
        text = found.to_text()
        assert in_force.default.version in text
        assert in_force.style.version in text
    with pytest.raises(InputError, match="E803") as unknown:
        credit_in_force.explain_customer(loader, None, "C-UNKNOWN-1", None)
    assert "C-UNKNOWN-1" not in str(unknown.value)


def test_sealed_income_is_explained_with_the_key_alone(
    published: list[dict[str, object]], week: Week, loader: Connection
) -> None:
    assert published
    plain = "SELECT customer_id, data, points FROM mart.credit_score_record ORDER BY 1"
    before = rows(loader, plain)
    keys = SecretStr(json.dumps({"3": base64.b64encode(bytes(range(32))).decode()}))
    settings = week.settings.model_copy(
        update={"sealed_features": ("balance", "income"), "sealing_keys": keys}
    )
    sealed = [score_credit.work(_stage(replace(week, settings=settings), loader)) for _ in range(2)]
    assert sealed[0] == sealed[1] == published[0]  # the scores stay, a rerun is the same
    names = dict(rows(loader, "SELECT feature, place FROM mart.credit_score_feature WHERE sealed"))
    assert set(names) == {"balance", "income"}
    after = rows(loader, plain)
    for (_, data, points), (_, open_data, open_points) in zip(after, before, strict=True):
        assert points == open_points
        for place, (value, was) in enumerate(zip(data, open_data, strict=True), start=1):
            assert np.isnan(value) if place in names.values() else value == was or np.isnan(was)
    customer, data, _ = before[7]
    texts = [
        credit_in_force.explain_customer(loader, None, str(customer), ring).to_text()
        for ring in (None, sealing_ring(settings))
    ]
    income = data[names["income"] - 1]
    shown = "unknown" if np.isnan(income) else f"{income:,.0f}"
    assert f"income on record (등록 소득): {explanation.SEALED}" in texts[0]
    assert f"income on record (등록 소득): {shown}" in texts[1]
    with pytest.raises(SealError, match="E503"):
        credit_in_force.explain_customer(loader, None, str(customer), KeyRing({3: bytes(32)}))
    score_credit.work(_stage(week, loader))
    assert rows(loader, plain) == before or np.isnan(before[0][1]).any()


def test_settings_of_privacy_that_cannot_be_are_told(week: Week) -> None:
    names = ("income",)
    for update, words in (
        ({"sealed_features": ("shoe_size",)}, "shoe_size"),
        ({"sealed_features": ("income",)}, "PASSBOOK_SEALING_KEYS"),
        ({"sealed_features": ("income",), "sealing_keys": SecretStr("x")}, "JSON"),
    ):
        with pytest.raises(SettingsError, match=f"E801.*{words}"):
            privacy.sealing(week.settings.model_copy(update=update), names, BASE_DATE)


def test_every_customer_of_the_week_gets_a_pseudonym(
    published: list[dict[str, object]], week: Week, loader: Connection
) -> None:
    assert published
    assert rows(loader, "SELECT count(*) FROM pseudonym.customer") == [(0,)]
    key = SecretStr(base64.b64encode(bytes(32)).decode())
    settings = week.settings.model_copy(update={"pseudonym_key": key})
    for _ in range(2):
        score_credit.work(_stage(replace(week, settings=settings), loader))
    assert rows(
        loader,
        "SELECT count(*), count(DISTINCT pseudonym) FROM pseudonym.customer"
        " JOIN mart.credit_score USING (customer_id)",
    ) == [(CUSTOMERS, CUSTOMERS)]


def test_altered_model_file_is_refused_and_the_week_stays(
    published: list[dict[str, object]], week: Week, loader: Connection
) -> None:
    assert published
    before = rows(loader, "SELECT count(*), sum(credit_index) FROM mart.credit_score")
    (folder,) = (week.settings.artifacts / "credit.default").iterdir()
    file = folder / "scorecard.json"
    content = file.read_bytes()
    file.write_bytes(content[:-20])
    with pytest.raises(ArtifactError, match="E602"):
        score_credit.work(_stage(week, loader))
    file.write_bytes(content)
    assert rows(loader, "SELECT count(*), sum(credit_index) FROM mart.credit_score") == before


def test_commands_show_sql_and_card(
    published: list[dict[str, object]],
    week: Week,
    addresses: mart.Addresses,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert published
    monkeypatch.setenv("PASSBOOK_HOME", str(week.settings.home))
    monkeypatch.setenv("PASSBOOK_SOURCE", SOURCE)
    monkeypatch.setenv("PASSBOOK_MART_URL", addresses.loader)
    load.cache_clear()
    try:
        assert cli.main(["credit", "sql", "--relation", "my_features"]) == 0
        assert "FROM my_features" in capsys.readouterr().out
        assert cli.main(["credit", "card", "--base-date", str(BASE_DATE)]) == 0
        assert "## Fairness by age band" in capsys.readouterr().out
        assert cli.main(["credit", "card", "--base-date", "2022-12-05"]) == 1
        assert "E802" in capsys.readouterr().err
        folder = week.settings.home / "card"
        assert cli.main(["credit", "card", "--output", str(folder)]) == 0
        assert "![roc-and-ks](roc-and-ks.svg)" in (folder / "card.md").read_text()
        assert len(list(folder.glob("*.svg"))) == 5
        assert cli.main(["credit", "card", "--output", str(folder / "card.md")]) == 1
        assert "E805" in capsys.readouterr().err
    finally:
        load.cache_clear()


def test_source_without_credit_has_nothing_to_do(week: Week, loader: Connection) -> None:
    without = Week(
        BASE_DATE,
        week.settings,
        week.hive,
        Source(SOURCE, week.source.folder, {"customer": "", "insurance_holding": ""}),
    )
    assert score_credit.train(without) == []
    figures = score_credit.work(_stage(without, loader))
    assert figures == {"table": "credit_score", "rows": 0, "nothing_to_do": True}


def test_no_outcomes_yet_gives_no_challenger(
    week: Week, open_hive: hive.Hive, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    young = date(2023, 3, 5)
    empty = WORK_TABLES["credit_outcome"].schema.empty_table()
    add_partition(open_hive, f"work_{SOURCE}.credit_outcome", young, empty, tmp_path)
    with caplog.at_level(logging.WARNING):
        assert score_credit.train(Week(young, week.settings, week.hive, week.source)) == []
    assert "E501" in caplog.text


def test_outcome_after_the_base_date_is_refused(
    week: Week, open_hive: hive.Hive, banks: dict[date, PlantedBank], tmp_path: Path
) -> None:
    old = date(2022, 11, 27)
    future = banks[LATER].outcomes(date(2022, 12, 3))
    add_partition(open_hive, f"work_{SOURCE}.credit_outcome", old, future, tmp_path)
    with pytest.raises(FutureRowError, match="E104"):
        score_credit.train(Week(old, week.settings, week.hive, week.source))


@pytest.mark.parametrize(("weeks_later", "as_expected"), [(1, True), (2, False)])
def test_outcomes_that_arrive_are_held_against_what_the_champion_promised(
    *,
    published: list[dict[str, object]],
    week: Week,
    open_hive: hive.Hive,
    loader: Connection,
    banks: dict[date, PlantedBank],
    tmp_path: Path,
    weeks_later: int,
    as_expected: bool,
) -> None:
    """Customers default as the bank is planted, or whoever and twice as many of them."""
    assert published
    day = BASE_DATE + timedelta(weeks=weeks_later)
    _, observed = observation_dates(day)
    bank = banks[LATER]
    if not as_expected:
        rng = np.random.default_rng(3)
        rate = 2.5 * bank.defaulted.mean()
        bank = replace(bank, defaulted=rng.random(CUSTOMERS) < rate)
    tmp_path.parent.chmod(0o755)
    for name, table in bank.tables.items():
        add_partition(open_hive, f"work_{SOURCE}.{name}", observed, table, tmp_path)
    outcomes = bank.outcomes(observed)
    add_partition(open_hive, f"work_{SOURCE}.credit_outcome", day, outcomes, tmp_path)
    thresholds = Settings(drift_thresholds={"credit.default": {"minimum_outcomes": 50}})
    settings = week.settings.model_copy(update={"drift_thresholds": thresholds.drift_thresholds})
    later = Week(day, settings, open_hive, week.source)
    fence = ledger.begin_stage(loader, "retrain_models", day, "test")
    stage = Stage(later, loader, fence, settings)
    champion = stage.champion("credit.default")
    assert champion is not None
    found = measure_performance(stage, "credit.default", champion)
    measured = model_drift.Measured("credit.default", found)
    ledger.append(loader, fence, "drift", model_drift.rows(day, [measured]))
    told = rows(
        loader,
        f"""SELECT feature, d.drifted, v.drifted FROM mart.drift d
            JOIN mart.drift_verdict v USING (base_date, model)
            WHERE d.base_date = '{day}' ORDER BY feature""",
    )
    called = not as_expected
    assert told == [("default_rate", called, called), ("gini", called, called)]
    assert measured.reason.startswith("credit.default drifted: " if called else "")
