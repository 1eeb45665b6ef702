"""The recommendation stage on a real Hive and mart: trained, promoted, offered, published."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import ledger
from passbook.contracts import WORK_TABLES
from passbook.errors import NoChampionError
from passbook.recommend.control_group import in_control_group
from passbook.settings import Settings
from passbook.sources import Source
from passbook.steps import recommend_products
from passbook.steps.challenger import Challenger
from passbook.steps.stage import Stage
from passbook.steps.week import Week
from work_weeks import put_in_force, register, rows, work_database

pytestmark = [pytest.mark.hive, pytest.mark.postgres]

BASE_DATE = date(2022, 12, 4)
START = date(2021, 1, 3)
CUSTOMERS = 1500
SOURCE = f"recommend_{os.getpid()}_test"
DISCONTINUED, ELDERLY = "i5", "i4"
RESTING = [BASE_DATE + timedelta(weeks=n) for n in range(4, 8)]
"""Weeks with a cool-off of two, and no offers in the two before them."""


def _work_tables() -> dict[str, pa.Table]:
    """A bank of insurance only: product i is followed by i + 1, the fifth has ended."""
    rng = np.random.default_rng(11)
    first = rng.integers(0, 6, CUSTOMERS)
    opened = rng.integers(0, 500, CUSTOMERS)
    later = opened + rng.integers(20, 300, CUSTOMERS)
    last = (BASE_DATE - START).days
    bought = [
        (f"c{c:05}", f"i{p}", START + timedelta(days=int(day)))
        for c in range(CUSTOMERS)
        for p, day in ((first[c], opened[c]), ((first[c] + 1) % 6, later[c]))
        if day <= last
    ]
    people = [
        {"customer_id": f"c{c:05}", "sex": "M" if c % 2 else None, "birth_date": date(1990, 5, 1),
         "age_band": "30-39", "occupation_group": "employed", "region_code": None,
         "joined_on": START, "has_deposit": False, "has_insurance": True, "has_card": False,
         "has_fund": False, "holding_type": "I"}
        for c in range(CUSTOMERS)
    ]  # fmt: skip
    products = [
        {"product_code": f"i{p}", "product_name": f"든든한 보험 {p}", "family": "insurance",
         "sale_start": date(2010, 1, 1),
         "sale_end": date(2022, 12, 3) if f"i{p}" == DISCONTINUED else None,
         "min_age": 60 if f"i{p}" == ELDERLY else None, "max_age": None}
        for p in range(6)
    ]  # fmt: skip
    holdings = [
        {"customer_id": c, "product_code": p, "opened_on": day, "closed_on": None, "amount": 1000}
        for c, p, day in bought
    ]
    rows = {"customer": people, "product": products, "insurance_holding": holdings}
    return {
        name: pa.Table.from_pylist(found, schema=WORK_TABLES[name].schema)
        for name, found in rows.items()
    }


@pytest.fixture(scope="module")
def week(hive_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    """The week's work tables in Hive."""
    folder = tmp_path_factory.mktemp("work")
    folder.parent.chmod(0o755)
    tables = _work_tables()
    with work_database(hive_url, f"work_{SOURCE}") as connection:
        for name, table in tables.items():
            place = folder / name / BASE_DATE.isoformat()
            place.mkdir(parents=True)
            pq.write_table(table, place / "part.parquet")
            places = dict.fromkeys((BASE_DATE, *RESTING), place)
            register(connection, f"work_{SOURCE}.{name}", places)
        source = Source(SOURCE, folder, dict.fromkeys(tables, ""))
        settings = Settings(home=folder, source=SOURCE, fund_minimum_holders=100, block_rows=400)  # type: ignore[call-arg]
        fingerprints = {(name, day): name for name in tables for day in (BASE_DATE, *RESTING)}
        yield Week(BASE_DATE, settings, connection, source, fingerprints)


@pytest.fixture(scope="module")
def challengers(week: Week) -> list[Challenger]:
    """The scenario's model, trained once."""
    return recommend_products.train(week, None)


@pytest.fixture(scope="module")
def published(
    week: Week, loader: Connection, challengers: list[Challenger]
) -> list[dict[str, object]]:
    """What the stage returned, run twice with the promoted model."""
    retrain = ledger.begin_stage(loader, "retrain_models", BASE_DATE, "test")
    ledger.append(loader, retrain, "trial", challengers[0].trials)
    ledger.append(loader, retrain, "leaderboard", challengers[0].leaderboard)
    for challenger in challengers:
        put_in_force(loader, retrain, week.settings.artifacts, challenger)
    return [recommend_products.work(_stage(week, loader)) for _ in range(2)]


def _stage(week: Week, loader: Connection) -> Stage:
    fence = ledger.begin_stage(loader, "recommend_products", week.base_date, "test")
    return Stage(week, loader, fence, week.settings)


def _control_group() -> int:
    ids = pa.array([f"c{c:05}" for c in range(CUSTOMERS)])
    return int(in_control_group(ids, 0.05, "1").sum())


def test_no_champion_is_said_and_nothing_is_published(week: Week, loader: Connection) -> None:
    with pytest.raises(NoChampionError, match="E601"):
        recommend_products.work(_stage(week, loader))
    assert rows(loader, "SELECT count(*) FROM mart.recommendation_list") == [(0,)]


def test_a_bank_of_one_family_has_one_scenario(challengers: list[Challenger]) -> None:
    assert [c.model for c in challengers] == ["recommend.up_sell.insurance"]
    assert challengers[0].parameters["recommender"] in ("ranker", "transitions")
    assert challengers[0].metrics["hit_rate_1"] > 0.8


def test_trials_and_leaderboard_are_kept(
    published: list[dict[str, object]], loader: Connection
) -> None:
    assert published
    names = {row[0] for row in rows(loader, "SELECT recommender FROM ops.leaderboard")}
    assert {"popularity", "popularity_by_segment", "als", "ranker"} <= names
    assert rows(loader, "SELECT count(*) FROM ops.leaderboard WHERE champion") == [(1,)]
    assert rows(loader, "SELECT count(*) > 1 FROM ops.trial") == [(True,)]


def test_the_same_week_twice_is_the_same_content(published: list[dict[str, object]]) -> None:
    assert published[0] == published[1]
    assert published[0]["rows"] == CUSTOMERS - _control_group()


def test_no_offer_is_held_discontinued_or_closed_to_the_age(
    published: list[dict[str, object]], week: Week, loader: Connection
) -> None:
    assert published
    offers = rows(loader, "SELECT customer_id, product_codes FROM mart.recommendation_list")
    held = week.table("insurance_holding", ["customer_id", "product_code"]).to_pydict()
    owned = set(zip(held["customer_id"], held["product_code"], strict=True))
    for customer, codes in offers:
        assert isinstance(codes, list)
        assert not {DISCONTINUED, ELDERLY} & set(codes)
        assert not any((customer, code) in owned for code in codes)
        assert len(set(codes)) == len(codes)


def test_the_planted_next_product_is_offered_first_with_its_reason(
    published: list[dict[str, object]], loader: Connection
) -> None:
    assert published
    query = "SELECT product_code, reason FROM mart.product_recommendation WHERE rank = 1"
    reasons = [reason for code, reason in rows(loader, query) if code == "i2"]
    assert reasons.count("Customers with 든든한 보험 1 often took it next") > len(reasons) / 2


def test_products_are_published_with_what_is_on_sale(
    published: list[dict[str, object]], loader: Connection
) -> None:
    assert published
    found = dict(rows(loader, "SELECT product_code, on_sale FROM mart.product"))
    assert found == {f"i{p}": f"i{p}" != DISCONTINUED for p in range(6)}


@pytest.fixture(scope="module")
def rested(
    published: list[dict[str, object]], week: Week, loader: Connection
) -> list[dict[str, str]]:
    """The one product that each customer was offered in each of the weeks with a cool-off."""
    assert published
    settings = week.settings.model_copy(
        update={"offers_per_scenario": 1, "offer_cool_off_weeks": 2}
    )
    offered = []
    for base_date in RESTING:
        of_date = replace(week, base_date=base_date, settings=settings, used={})
        recommend_products.work(_stage(of_date, loader))
        query = "SELECT customer_id, product_codes[1] FROM mart.recommendation_list"
        found = rows(loader, f"{query} WHERE base_date = '{base_date}'")
        offered.append({str(customer): str(code) for customer, code in found})
    return offered


def test_what_was_offered_lately_rests_and_then_returns(rested: list[dict[str, str]]) -> None:
    first, second, third, fourth = rested
    assert len(first) == CUSTOMERS - _control_group()
    for customer, code in first.items():
        assert code not in {second.get(customer), third.get(customer)}
    assert all(second.get(customer) != code for customer, code in third.items())
    for customer, code in fourth.items():
        assert code not in {second.get(customer), third.get(customer)}
    # Nothing has been sold or bought since, so what was best mostly is best again.
    assert sum(fourth.get(c) == code for c, code in first.items()) > len(first) / 2


def test_what_rests_is_counted_under_its_reason(
    rested: list[dict[str, str]], loader: Connection
) -> None:
    query = "SELECT base_date, customers, products FROM mart.offer_exclusion"
    found = rows(loader, f"{query} WHERE rule = 'recently_offered' AND base_date > '{BASE_DATE}'")
    counted = {day: (customers, products) for day, customers, products in found}
    first, second, third, _ = rested
    assert counted == {
        RESTING[0]: (0, 0),
        RESTING[1]: (len(first), len(first)),
        RESTING[2]: (len(first), len(first) + len(second)),
        RESTING[3]: (len(second.keys() | third.keys()), len(second) + len(third)),
    }
