"""The segmentation stage on a real Hive and a real mart: trained, promoted, assigned, published."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)
from sklearn.metrics import adjusted_rand_score

from passbook import hive, ledger
from passbook.contracts import FAMILIES, WORK_TABLES
from passbook.errors import ClusterCountError, ContractError, NoChampionError, StorageError
from passbook.settings import Settings
from passbook.sources import Source
from passbook.steps import segment_customers
from passbook.steps.challenger import Challenger
from passbook.steps.stage import Stage
from passbook.steps.week import Week
from segments.planted import deposit_customers
from work_weeks import add_partition, put_in_force, rows, work_database

pytestmark = [pytest.mark.hive, pytest.mark.postgres]

BASE_DATE = date(2022, 12, 4)
HOLDERS, WITHOUT, INSURED = 2000, 100, 50
SOURCE = f"segments_{os.getpid()}_test"


def bank_tables() -> dict[str, pa.Table]:
    """Work tables of a bank: deposit holders, some without deposits, very few insured."""
    profiles, _ = deposit_customers(HOLDERS, seed=0)
    ids = [*profiles["customer_id"].to_pylist(), *(f"Z{i:07d}" for i in range(WITHOUT))]
    people = profiles.select(["sex", "age_band", "occupation_group"])
    people = pa.concat_tables([people, people.slice(0, WITHOUT)])
    unknown = {name: [None] * len(ids) for name in WORK_TABLES["customer"].column_names}
    customer: dict[str, Any] = {
        **unknown,
        "customer_id": ids,
        **{name: people[name] for name in people.column_names},
        "joined_on": [date(2020, 1, 1)] * len(ids),
        **{f"has_{family}": [True] * len(ids) for family in (*FAMILIES, "card")},
        "holding_type": ["DICF"] * len(ids),
    }  # fmt: skip
    policies = {
        column.name: ids[:INSURED] if column.name == "customer_id" else [1] * INSURED
        for column in WORK_TABLES["insurance_profile"].columns
    }
    columns = {"customer": customer, "insurance_profile": policies}
    schemas = {name: WORK_TABLES[name].schema for name in columns}
    tables = {name: pa.table(columns[name], schema=schemas[name]) for name in columns}
    deposit = WORK_TABLES["deposit_profile"].schema
    return {**tables, "deposit_profile": profiles.select(deposit.names).cast(deposit)}


def published_rows(loader: Connection, day: date) -> int:
    """Return how many customers' segments the mart has for a base date."""
    query = f"SELECT count(*) FROM mart.customer_segment WHERE base_date = '{day}'"
    ((count,),) = rows(loader, query)
    return int(count)


@pytest.fixture(scope="module")
def open_hive(hive_url: str) -> Iterator[hive.Hive]:
    """Hive with an empty database of work tables."""
    with work_database(hive_url, f"work_{SOURCE}") as connection:
        yield connection


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the work tables' files and the artifacts, which Hive may traverse."""
    folder = tmp_path_factory.mktemp("segments")
    folder.parent.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def week(open_hive: hive.Hive, home: Path) -> Week:
    """The week's work tables in Hive."""
    return make_week(open_hive, home, BASE_DATE, bank_tables())


def make_week(
    open_hive: hive.Hive, home: Path, base_date: date, tables: Mapping[str, pa.Table]
) -> Week:
    for name, table in tables.items():
        add_partition(open_hive, f"work_{SOURCE}.{name}", base_date, table, home)
    source = Source(SOURCE, home, dict.fromkeys(tables, ""))
    settings = Settings(home=home, source=SOURCE, segment_counts=(3, 4, 5), block_rows=700)
    fingerprints = {(name, base_date): f"{name} {base_date}" for name in tables}
    return Week(base_date, settings, open_hive, source, fingerprints)


@pytest.fixture(scope="module")
def challengers(week: Week) -> list[Challenger]:
    """The week's models, trained once."""
    return segment_customers.train(week)


@pytest.fixture(scope="module")
def published(
    week: Week, loader: Connection, challengers: list[Challenger]
) -> list[dict[str, Any]]:
    """What the stage returned, run twice with the promoted model."""
    promote(loader, week, challengers[0])
    return [segment_customers.work(stage_of(week, loader)) for _ in range(2)]


def stage_of(week: Week, loader: Connection) -> Stage:
    fence = ledger.begin_stage(loader, "segment_customers", week.base_date, "test")
    return Stage(week, loader, fence, week.settings)


def promote(loader: Connection, week: Week, challenger: Challenger) -> None:
    fence = ledger.begin_stage(loader, "retrain_models", week.base_date, "test")
    put_in_force(loader, fence, week.settings.artifacts, challenger)


def test_no_champion_is_said_and_nothing_is_published(week: Week, loader: Connection) -> None:
    with pytest.raises(NoChampionError, match=r"E601.*2000 customers hold deposit"):
        segment_customers.work(stage_of(week, loader))
    assert rows(loader, "SELECT count(*) FROM mart.customer_segment") == [(0,)]


def test_a_family_with_enough_customers_is_trained(challengers: list[Challenger]) -> None:
    (deposit,) = challengers
    assert deposit.model == "segments.deposit"
    assert deposit.parameters["clusters"] == 4
    assert deposit.metrics["silhouette"] > 0.3
    assert deposit.trials is not None
    assert len(deposit.trials) == 3
    assert all(not name.endswith((".pkl", ".joblib")) for name in deposit.files)


def test_every_customer_is_published_once(
    published: list[dict[str, Any]], loader: Connection
) -> None:
    assert published[0] == published[1]
    assert published[0]["rows"] == HOLDERS + WITHOUT
    found = rows(
        loader,
        "SELECT customer_id, deposit_segment, deposit_distance, insurance_segment, balance_band,"
        " account_band FROM mart.customer_segment ORDER BY customer_id",
    )
    assert [row[0] for row in found] == sorted(bank_tables()["customer"]["customer_id"].to_pylist())
    without = [row for row in found if row[0].startswith("Z")]
    assert {row[1:] for row in without} == {(None, None, None, None, None)}
    assert all(None not in (row[1], row[2], row[4], row[5]) for row in found if row[0] < "Z")
    assert {row[3] for row in found} == {None}


def test_segments_are_the_planted_groups(
    published: list[dict[str, Any]], loader: Connection
) -> None:
    assert published
    profiles, group = deposit_customers(HOLDERS, seed=0)
    found = dict(rows(loader, "SELECT customer_id, deposit_segment FROM mart.customer_segment"))
    segments = [found[customer] for customer in profiles["customer_id"].to_pylist()]
    assert adjusted_rand_score(group, segments) > 0.95


def test_bands_are_the_rules(published: list[dict[str, Any]], loader: Connection) -> None:
    assert published
    profiles, _ = deposit_customers(HOLDERS, seed=0)
    balances = dict(
        zip(*(profiles[c].to_pylist() for c in ("customer_id", "avg_balance_3m")), strict=True)
    )
    found = rows(
        loader, "SELECT customer_id, balance_band FROM mart.customer_segment"
        " WHERE balance_band IS NOT NULL",
    )  # fmt: skip
    limits = [0, 100_000, 1_600_000, 12_000_000, 120_000_000]
    assert len(found) == HOLDERS
    assert all(band == sum(balances[c] > limit for limit in limits) for c, band in found)


def test_segments_are_described(published: list[dict[str, Any]], loader: Connection) -> None:
    assert published[0]["segments"] == 4
    assert published[0]["unsegmented"] == {"insurance": "50 customers are fewer than 200."}
    found = rows(loader, "SELECT family, segment, name, customers, share, profile FROM mart.segment"
                 " ORDER BY segment")  # fmt: skip
    assert [row[:2] for row in found] == [("deposit", s) for s in range(4)]
    assert sum(row[3] for row in found) == HOLDERS
    assert sum(row[4] for row in found) == pytest.approx(1)
    profile = json.loads(found[0][5])
    overall = np.mean(bank_tables()["deposit_profile"]["balance"].to_numpy())
    assert profile["balance"]["overall"] == pytest.approx(overall, rel=1e-5)
    shares = [value["share"] for value in profile["sex"].values()]
    assert sum(shares) == pytest.approx(1, abs=1e-5)


def test_numbers_of_published_segments_are_not_free(
    published: list[dict[str, Any]], loader: Connection
) -> None:
    assert published
    assert segment_customers.free_ids(loader, BASE_DATE) == {}
    assert segment_customers.free_ids(loader, BASE_DATE + timedelta(days=1)) == {"deposit": 4}


def test_segments_are_told_apart_by_balance_and_drawn(
    published: list[dict[str, Any]], loader: Connection, week: Week
) -> None:
    found = rows(loader, "SELECT feature, separation FROM mart.segment_separation ORDER BY place")
    assert "avg_balance_3m" in [feature for feature, _ in found[:5]]
    medians = rows(
        loader, "SELECT segment, median FROM mart.segment_feature WHERE feature = 'balance'"
    )
    names = dict(rows(loader, "SELECT segment, name FROM mart.segment"))
    assert "high balance" in names[max(medians, key=lambda row: row[1])[0]]
    report = Path(published[0]["report"])
    assert report.is_relative_to(week.settings.home)
    assert report.read_text().count("<svg") == 2


def test_a_moved_customer_is_in_the_migration(
    published: list[dict[str, Any]], loader: Connection, open_hive: hive.Hive, home: Path
) -> None:
    """One dormant customer becomes one of another segment, one leaves, and both are told."""
    assert published
    later = BASE_DATE + timedelta(days=3)
    tables = bank_tables()
    profile = tables["deposit_profile"]
    before = dict(rows(loader, "SELECT customer_id, deposit_segment FROM mart.customer_segment"
                       f" WHERE base_date = '{BASE_DATE}'"))  # fmt: skip
    ids = profile["customer_id"].to_pylist()
    other = next(i for i, c in enumerate(ids) if before[c] != before[ids[0]])
    like_other = profile.slice(other, 1).set_column(
        0, profile.schema.field(0), pa.array([ids[0]], pa.string())
    )
    changed = pa.concat_tables([like_other, profile.slice(1, HOLDERS - 2)])
    week = make_week(open_hive, home, later, {**tables, "deposit_profile": changed})
    figures = segment_customers.work(stage_of(week, loader))
    moves = rows(
        loader, "SELECT previous_segment, segment, customers FROM mart.segment_migration"
        f" WHERE base_date = '{later}' AND family = 'deposit'"
        " AND previous_segment IS DISTINCT FROM segment",
    )  # fmt: skip
    assert sorted(moves, key=str) == sorted(
        [(before[ids[0]], before[ids[other]], 1), (before[ids[-1]], None, 1)], key=str
    )
    assert Path(figures["report"]).read_text().count("<svg") == 3


def test_a_bank_without_profiles_gets_null_segments(
    week: Week, loader: Connection, open_hive: hive.Hive, home: Path
) -> None:
    later = BASE_DATE + timedelta(weeks=1)
    only = make_week(open_hive, home, later, {"customer": bank_tables()["customer"]})
    assert segment_customers.train(only) == []
    assert segment_customers.work(stage_of(only, loader))["rows"] == HOLDERS + WITHOUT
    columns = "deposit_segment, insurance_segment, balance_band, account_band"
    found = rows(
        loader, f"SELECT DISTINCT {columns} FROM mart.customer_segment WHERE base_date = '{later}'"
    )
    assert found == [(None, None, None, None)]


def test_a_week_that_leaves_a_segment_empty_publishes_nothing(
    published: list[dict[str, Any]], loader: Connection, open_hive: hive.Hive, home: Path
) -> None:
    assert published
    alike = BASE_DATE + timedelta(weeks=2)
    tables = bank_tables()
    profile = tables["deposit_profile"]
    first = pa.Table.from_batches([profile.slice(0, 1).to_batches()[0]] * HOLDERS)
    everybody = first.set_column(0, profile.schema.field(0), profile["customer_id"])
    week = make_week(open_hive, home, alike, {**tables, "deposit_profile": everybody})
    with pytest.raises(ClusterCountError, match="E301"):
        segment_customers.work(stage_of(week, loader))
    assert published_rows(loader, alike) == 0


def test_a_report_that_cannot_be_written_publishes_nothing(
    published: list[dict[str, Any]], loader: Connection, open_hive: hive.Hive, home: Path
) -> None:
    assert published
    later = BASE_DATE + timedelta(weeks=5)
    week = make_week(open_hive, home, later, bank_tables())
    (week.settings.reports / later.isoformat()).write_text("a file in the folder's place")
    with pytest.raises(StorageError):
        segment_customers.work(stage_of(week, loader))
    assert published_rows(loader, later) == 0


def test_a_manifest_with_another_count_stops(
    published: list[dict[str, Any]], loader: Connection, week: Week, challengers: list[Challenger]
) -> None:
    assert published
    wrong = {**challengers[0].parameters, "clusters": 7}
    later = replace(week, base_date=BASE_DATE + timedelta(weeks=3))
    fingerprints = {(name, later.base_date): name for name, _ in week.fingerprints}
    promote(loader, later, replace(challengers[0], parameters=wrong))
    with pytest.raises(ClusterCountError, match="has 4 clusters, its manifest 7"):
        segment_customers.work(stage_of(replace(later, fingerprints=fingerprints), loader))


def test_a_family_whose_models_were_refused_has_no_segments_and_says_why(
    published: list[dict[str, Any]], loader: Connection, open_hive: hive.Hive, home: Path
) -> None:
    assert published
    later = BASE_DATE + timedelta(days=5)
    week = make_week(open_hive, home, later, bank_tables())
    settings = week.settings.model_copy(update={"segment_minimum_customers": INSURED})
    week = replace(week, settings=settings)
    with pytest.raises(NoChampionError, match="50 customers hold insurance"):
        segment_customers.work(stage_of(week, loader))
    fence = ledger.begin_stage(loader, "retrain_models", later, "test")
    version = ledger.ModelVersion("segments.insurance", f"{later}-refused", later, "hash")
    ledger.record_model_version(loader, fence, version)
    ledger.record_promotion(
        loader, fence, version.model, version.version, promoted=False,
        reason="demographic_share 0.6000 is above 0.4.",
    )  # fmt: skip
    figures = segment_customers.work(stage_of(week, loader))
    assert figures["unsegmented"] == {
        "insurance": "Not promoted: demographic_share 0.6000 is above 0.4."
    }
    query = (
        "SELECT count(deposit_segment), count(insurance_segment), count(balance_band)"
        f" FROM mart.customer_segment WHERE base_date = '{later}'"
    )
    assert rows(loader, query) == [(HOLDERS, 0, HOLDERS)]
    assert "Not promoted: demographic_share" in Path(figures["report"]).read_text()


def test_a_profile_without_its_customer_breaks_the_contract(
    open_hive: hive.Hive, home: Path
) -> None:
    tables = bank_tables()
    lost = {**tables, "customer": tables["customer"].slice(5)}
    week = make_week(open_hive, home, BASE_DATE + timedelta(weeks=4), lost)
    with pytest.raises(ContractError, match="5 customers of a profile"):
        segment_customers.train(week)
