"""Drift, retraining and promotion over weeks of an insurer, on a real Hive and mart.

Week one has no champions, week two is like week one, week three's policies have changed, and half a
year later nobody has bought anything since.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import hive, ledger
from passbook.base_date import observation_dates
from passbook.contracts import WORK_TABLES
from passbook.settings import Settings
from passbook.sources import Source
from passbook.steps import recommend_products, retrain_models
from passbook.steps.stage import Stage
from passbook.steps.week import Week
from work_weeks import add_partition, work_database

pytestmark = [pytest.mark.hive, pytest.mark.postgres]

FIRST = date(2022, 12, 4)
WEEKS = [FIRST + timedelta(weeks=w) for w in (0, 1, 2, 26)]
OFFERED = [FIRST + timedelta(weeks=w) for w in (3, 4)]
CUSTOMERS, PRODUCTS = 900, 6
SOURCE = f"retrain_{os.getpid()}_test"
SEGMENTS = "segments.insurance"
TABLES = ("customer", "insurance_profile", "product", "insurance_holding")
MODELS = {SEGMENTS, "recommend.up_sell.insurance"}


@dataclass(frozen=True)
class Ran:
    """What a week's run brought, and what it left in the ledger."""

    drift: dict[str, Any]
    outcome: dict[str, Any]
    rows: dict[str, list[tuple[Any, ...]]]


def bank_tables(base_date: date, *, changed: bool) -> dict[str, pa.Table]:
    """Return an insurer's work tables; `changed` moves its customers to other policies."""
    rng = np.random.default_rng(5)
    ids = [f"C{i:06d}" for i in range(CUSTOMERS)]
    group = rng.integers(0, 3, CUSTOMERS)
    kinds = WORK_TABLES["insurance_profile"].column_names[1:-1]
    means = np.full((3, len(kinds)), 0.1)
    for number in range(3):
        means[number, (3 * number + (4 if changed else 0)) % len(kinds)] = 4.0
    policies = rng.poisson(means[group])
    tables: dict[str, dict[str, Any]] = {
        "customer": {
            "customer_id": ids,
            "sex": rng.choice(["M", "F"], CUSTOMERS),
            "age_band": rng.choice(["20-29", "40-49", "60-69"], CUSTOMERS),
            "occupation_group": ["employed"] * CUSTOMERS,
            "joined_on": [date(2018, 1, 1)] * CUSTOMERS,
            "has_insurance": [True] * CUSTOMERS,
            "holding_type": ["I"] * CUSTOMERS,
        },
        "insurance_profile": {
            "customer_id": ids,
            **{kind: policies[:, i] for i, kind in enumerate(kinds)},
            "policy_count": policies.sum(axis=1),
        },
        "product": {
            "product_code": [f"P{i}" for i in range(PRODUCTS)],
            "product_name": [f"보험 {i}" for i in range(PRODUCTS)],
            "family": ["insurance"] * PRODUCTS,
            "sale_start": [date(2015, 1, 1)] * PRODUCTS,
        },
        "insurance_holding": _holdings(rng, ids, group, base_date),
    }
    return {name: _filled(name, columns) for name, columns in tables.items()}


def _holdings(
    rng: np.random.Generator, ids: list[str], group: np.ndarray, base_date: date
) -> dict[str, Any]:
    """Return a purchase in the past for everyone, and another in the last 60 days for a third."""
    past = rng.integers(90, 1200, CUSTOMERS)
    buyers = np.flatnonzero(rng.random(CUSTOMERS) < 1 / 3)
    owned, bought = group, group[buyers] + 3
    days = np.concatenate([past, rng.integers(1, 60, buyers.size)])
    return {
        "customer_id": [*ids, *(ids[i] for i in buyers)],
        "product_code": [f"P{i}" for i in (*owned, *bought)],
        "opened_on": [base_date - timedelta(days=int(d)) for d in days],
    }


def _filled(name: str, columns: dict[str, Any]) -> pa.Table:
    rows = len(next(iter(columns.values())))
    empty = {pa.bool_(): False}
    schema = WORK_TABLES[name].schema
    return pa.table(
        {f.name: columns.get(f.name, [empty.get(f.type)] * rows) for f in schema}, schema=schema
    )


@pytest.fixture(scope="module")
def open_hive(hive_url: str) -> Iterator[hive.Hive]:
    """Hive with an empty database of work tables."""
    with work_database(hive_url, f"work_{SOURCE}") as connection:
        yield connection


@pytest.fixture(scope="module")
def weeks(open_hive: hive.Hive, tmp_path_factory: pytest.TempPathFactory) -> list[Week]:
    """The weeks' work tables; the third is another bank in its policies."""
    folder = tmp_path_factory.mktemp("retrain")
    folder.parent.chmod(0o755)
    settings = Settings(home=folder, source=SOURCE, segment_counts=(3,), fund_minimum_holders=500)
    found = []
    for base_date in WEEKS:
        bought_until = FIRST if base_date == WEEKS[3] else base_date
        tables = bank_tables(bought_until, changed=base_date == WEEKS[2])
        for name, table in tables.items():
            add_partition(open_hive, f"work_{SOURCE}.{name}", base_date, table, folder / "tables")
        found.append(_week(base_date, settings, open_hive))
    return found


def _week(base_date: date, settings: Settings, open_hive: hive.Hive) -> Week:
    source = Source(SOURCE, settings.home, dict.fromkeys(TABLES, ""))
    hashes = {(name, base_date): f"{name} {base_date}" for name in TABLES}
    return Week(base_date, settings, open_hive, source, hashes)


@pytest.fixture(scope="module")
def ran(weeks: list[Week], loader: Connection) -> dict[str, Ran]:
    """Weeks one to three in order, then week one again."""
    return {
        name: run(weeks[number], loader)
        for name, number in (("first", 0), ("quiet", 1), ("drifted", 2), ("again", 0))
    }


def run(week: Week, loader: Connection) -> Ran:
    fence = ledger.begin_stage(loader, "retrain_models", week.base_date, "test")
    stage = Stage(week, loader, fence, week.settings)
    drift = retrain_models.measure_drift(stage)
    if drift["due"]:
        outcome = retrain_models.train_challengers(stage, tuple(drift["due"]))
    else:
        outcome = retrain_models.evaluate_champions(stage)
    figures = {**drift, **outcome}
    ledger.record_verdict(loader, fence, "pass", figures=figures)
    rows = {
        "drift": "SELECT model, feature, drifted FROM ops.drift WHERE base_date = %s ORDER BY 1, 2",
        "leaderboard": "SELECT recommender, mrr, champion FROM ops.leaderboard"
        " WHERE base_date = %s ORDER BY 1",
        "promotion": "SELECT model, version, promoted FROM ops.promotion"
        " WHERE base_date = %s ORDER BY promotion_id",
        "decision_input": "SELECT input, fingerprint FROM ops.decision_input"
        " WHERE base_date = %s ORDER BY 1",
    }
    found = {}
    with loader.cursor() as cursor:
        for table, query in rows.items():
            cursor.execute(query, (week.base_date,))
            found[table] = cursor.fetchall()
    loader.commit()
    return Ran(drift, outcome, found)


def test_without_champions_everything_is_trained_and_promoted(ran: dict[str, Ran]) -> None:
    first = ran["first"]
    assert set(first.drift["due"]) == {"segments", "recommend"}
    assert set(first.outcome["promoted"]) == MODELS
    assert first.rows["drift"] == []
    assert all(version.startswith("2022-12-04-") for version in first.outcome["promoted"].values())


def test_a_like_week_trains_nothing_but_measures_the_champions(ran: dict[str, Ran]) -> None:
    quiet = ran["quiet"]
    assert quiet.drift["due"] == {}
    assert quiet.drift["max_psi"] < 0.1
    assert {model for model, _, _ in quiet.rows["drift"]} == MODELS
    assert quiet.rows["promotion"] == []
    champions = [name for name, _, champion in quiet.rows["leaderboard"] if champion]
    assert champions == [name for name, _, champion in ran["first"].rows["leaderboard"] if champion]
    assert len(quiet.rows["leaderboard"]) == len(ran["first"].rows["leaderboard"])


def test_drift_names_the_feature_and_retrains_what_it_concerns(ran: dict[str, Ran]) -> None:
    drifted = ran["drifted"]
    assert list(drifted.drift["due"]) == ["segments"]
    assert "segments.insurance drifted: PSI" in drifted.drift["due"]["segments"]
    assert any(found for _, _, found in drifted.rows["drift"])
    assert {model for model, _, _ in drifted.rows["promotion"]} >= {"segments.insurance"}
    assert any(champion for _, _, champion in drifted.rows["leaderboard"])


def test_a_decision_keeps_what_it_went_by(ran: dict[str, Ran], weeks: list[Week]) -> None:
    """Champions are those before the week; what they published may not be there yet."""
    kept = [dict(ran[name].rows["decision_input"]) for name in ("first", "quiet", "drifted")]
    tables = [{name: f"{name} {week.base_date}" for name in TABLES} for week in weeks[:3]]
    untrained = {"recommend.new_customer": "none in force"}
    assert kept[0] == tables[0] | untrained | dict.fromkeys(MODELS, "none in force")
    champions = {model: kept[1][model] for model in MODELS}
    assert "none in force" not in champions.values()
    assert kept[1] == tables[1] | untrained | champions
    outputs = {f"{table} {week.base_date}": "never published" for week in weeks[:2]
               for table in ("customer_segment", "recommendation_list")}  # fmt: skip
    assert kept[2] == tables[2] | untrained | champions | outputs


def test_the_same_week_again_ends_in_the_same_versions_and_rows(ran: dict[str, Ran]) -> None:
    first, again = ran["first"], ran["again"]
    assert again.drift == first.drift
    assert again.outcome == first.outcome
    assert again.rows == first.rows


def test_a_later_champion_is_never_used_for_an_earlier_week(
    ran: dict[str, Ran], weeks: list[Week], loader: Connection
) -> None:
    versions = ran["drifted"].outcome["promoted"]
    assert versions
    for model in versions:
        before = ledger.champion(loader, model, weeks[1].base_date)
        assert before is not None
        assert before.base_date == weeks[0].base_date


def test_the_form_can_force_a_retrain(weeks: list[Week], loader: Connection) -> None:
    fence = ledger.begin_stage(loader, "retrain_models", weeks[1].base_date, "forced")
    stage = Stage(weeks[1], loader, fence, weeks[1].settings)
    due = retrain_models.measure_drift(stage, force=True)["due"]
    assert set(due) == {"segments", "recommend"}
    assert all(reason.startswith("forced") for reason in due.values())


def test_a_promotion_awaits_a_persons_word(
    ran: dict[str, Ran], weeks: list[Week], loader: Connection
) -> None:
    week = weeks[1]
    settings = week.settings.model_copy(update={"approval_hours": 1.0})
    before = ledger.champion(loader, SEGMENTS, week.base_date)
    fence = ledger.begin_stage(loader, "retrain_models", week.base_date, "ask")
    stage = Stage(replace(week, settings=settings), loader, fence, settings)
    trained = retrain_models.train_challengers(stage, ("segments",))
    assert trained["promoted"] == {}
    awaiting = {found["model"] for found in trained["awaiting"]}
    assert SEGMENTS in awaiting
    # Recommenders were learnt on the new segments, which are not in force yet.
    assert awaiting | set(trained["kept"]) == MODELS
    assert ledger.champion(loader, SEGMENTS, week.base_date) == before

    refused = retrain_models.record_decision(
        stage, trained, approved=False, by="op", why="명절 전에는 안 됩니다"
    )
    assert refused["promoted"] == {}
    assert set(refused["kept"]) == MODELS
    decision = ledger.model_history(loader, SEGMENTS)[-1]
    assert not decision.promoted
    assert "rejected by op: 명절 전에는 안 됩니다." in decision.reason
    again = retrain_models.train_challengers(stage, ("segments",))
    assert again["awaiting"] == []
    # Without new segments the recommenders are not due.
    assert again["kept"] == [SEGMENTS]
    assert ledger.champion(loader, SEGMENTS, week.base_date) == before


def test_a_refused_challenger_gives_the_model_a_pause(
    ran: dict[str, Ran], weeks: list[Week], loader: Connection
) -> None:
    assert ran
    week = weeks[2]
    fence = ledger.begin_stage(loader, "retrain_models", week.base_date, "pause")
    found = retrain_models.measure_drift(Stage(week, loader, fence, week.settings))
    assert "segments" not in found["due"]
    assert "was refused" in found["paused"][SEGMENTS]
    eager = week.settings.model_copy(update={"retrain_pause_weeks": 0})
    found = retrain_models.measure_drift(Stage(week, loader, fence, eager))
    assert "segments" in found["due"]
    assert Path(found["report"]).read_text("utf-8").count("<svg") >= 2


@pytest.mark.parametrize(("age", "due"), [(1, {"segments", "recommend"}), (2, set())])
def test_an_old_champion_is_due_without_drift(
    ran: dict[str, Ran], weeks: list[Week], loader: Connection, age: int, due: set[str]
) -> None:
    assert ran["first"].outcome["promoted"]
    settings = weeks[1].settings.model_copy(update={"retrain_weeks": age})
    fence = ledger.begin_stage(loader, "retrain_models", weeks[1].base_date, "old")
    stage = Stage(weeks[1], loader, fence, settings)
    assert set(retrain_models.measure_drift(stage)["due"]) == due


def test_a_month_without_acquisitions_leaves_the_recommenders_in_force(
    ran: dict[str, Ran], weeks: list[Week], loader: Connection
) -> None:
    assert ran["first"].outcome["promoted"]
    fence = ledger.begin_stage(loader, "retrain_models", weeks[3].base_date, "still")
    stage = Stage(weeks[3], loader, fence, weeks[3].settings)
    outcome = retrain_models.train_challengers(stage, ("recommend",))
    assert outcome["promoted"] == {}
    model = "recommend.up_sell.insurance"
    promoted = {**ran["first"].outcome["promoted"], **ran["drifted"].outcome["promoted"]}
    version = ledger.champion(loader, model, weeks[3].base_date)
    assert version is not None
    assert version.version == promoted[model]


def test_segments_on_the_holdout_are_those_known_before_it(
    ran: dict[str, Ran], weeks: list[Week], open_hive: hive.Hive, loader: Connection
) -> None:
    assert ran
    week = weeks[0]
    _, observed = observation_dates(week.base_date)
    fence = ledger.begin_stage(loader, "retrain_models", week.base_date, "test")
    unknown = retrain_models.known_segments(Stage(week, loader, fence, week.settings))
    assert unknown.now.num_rows == CUSTOMERS
    assert unknown.before_holdout.num_rows == 0

    tables = bank_tables(observed, changed=False)
    for name in ("customer", "insurance_profile"):
        known_then = tables[name].slice(0, CUSTOMERS // 2)
        add_partition(
            open_hive, f"work_{SOURCE}.{name}", observed, known_then, week.settings.home / "tables"
        )
    seen = replace(week, fingerprints={**week.fingerprints, ("customer", observed): "then"})
    known = retrain_models.known_segments(Stage(seen, loader, fence, week.settings))
    assert known.now.equals(unknown.now)
    assert known.before_holdout.equals(known.now.slice(0, CUSTOMERS // 2))
    ledger.record_verdict(loader, fence, "pass")


@pytest.fixture(scope="module")
def offered(
    ran: dict[str, Ran], weeks: list[Week], open_hive: hive.Hive, loader: Connection
) -> dict[date, dict[str, list[str]]]:
    """Two weeks' published offers by customer, made by the champion of the weeks before."""
    assert ran
    found = {}
    for day in OFFERED:
        for name, table in bank_tables(OFFERED[0], changed=True).items():
            add_partition(
                open_hive, f"work_{SOURCE}.{name}", day, table, weeks[0].settings.home / "tables"
            )
        week = _week(day, weeks[0].settings, open_hive)
        fence = ledger.begin_stage(loader, "recommend_products", day, "offer")
        recommend_products.work(Stage(week, loader, fence, week.settings))
        with loader.cursor() as cursor:
            cursor.execute(
                "SELECT customer_id, product_codes FROM mart.recommendation_list"
                " WHERE base_date = %s AND scenario = 'up_sell.insurance'", (day,),
            )  # fmt: skip
            found[day] = dict(cursor.fetchall())
        loader.commit()
    return found


@pytest.mark.parametrize(("place", "taken"), [(0, True), (1, False)])
def test_offers_four_weeks_ago_are_held_against_purchases_since(
    *,
    offered: dict[date, dict[str, list[str]]],
    weeks: list[Week],
    open_hive: hive.Hive,
    loader: Connection,
    place: int,
    taken: bool,
) -> None:
    """Who was offered something either takes it, or what has come on sale since."""
    offers = dict(sorted(offered[OFFERED[place]].items())[:400])
    since = OFFERED[place] + timedelta(weeks=4)
    tables = bank_tables(OFFERED[0], changed=True)
    bought = [codes[0] if taken else "P-NEW" for codes in offers.values()]
    new = {"customer_id": list(offers), "product_code": bought,
           "opened_on": [OFFERED[place] + timedelta(days=9)] * len(offers)}  # fmt: skip
    tables["insurance_holding"] = pa.concat_tables(
        [tables["insurance_holding"], _filled("insurance_holding", new)]
    )
    for name, table in tables.items():
        add_partition(
            open_hive, f"work_{SOURCE}.{name}", since, table, weeks[0].settings.home / "tables"
        )
    week = _week(since, weeks[0].settings, open_hive)
    fence = ledger.begin_stage(loader, "retrain_models", since, "outcomes")
    drift = retrain_models.measure_drift(Stage(week, loader, fence, week.settings))
    ledger.record_verdict(loader, fence, "pass", figures=drift)
    with loader.cursor() as cursor:
        cursor.execute(
            """SELECT d.rows, d.realised, d.drifted, d.reference > 0.3, v.drifted_features
               FROM mart.drift d JOIN mart.drift_verdict v USING (base_date, model)
               WHERE d.base_date = %s AND d.feature = 'hit_rate_5'""",
            (since,),
        )
        ((outcomes, hit_rate, drifted, promised, features),) = cursor.fetchall()
    loader.commit()
    assert (outcomes, hit_rate, drifted, promised) == (400, float(taken), not taken, True)
    assert ("hit_rate_5" in (features or "")) is not taken
    if not taken:
        assert "recommend" in drift["due"]
