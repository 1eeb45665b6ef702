"""On the demo bank the planted groups come back, and the naive recipe is refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import adjusted_rand_score

from passbook import hive, sources
from passbook.demo import load
from passbook.demo.bank.simulation import simulate
from passbook.segments import train_segments
from passbook.segments.audit import audit_clusters
from passbook.segments.feature_sets import FEATURE_SETS
from passbook.segments.features import fit_scaling
from segments.test_audit import naive_labels

pytestmark = pytest.mark.hive

BASE_DATE = date(2022, 12, 4)
CATEGORIES = ("sex", "age_band", "occupation_group")


@pytest.fixture(scope="module")
def bank(
    hive_url: str, hive_database: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, pa.Table]:
    """The work tables that segments are made from, and the truth beside them."""
    folder = tmp_path_factory.mktemp("bank")
    folder.parent.chmod(0o755)
    simulate(folder, customers=6000, seed=1, end=BASE_DATE, months=30, threads=1)
    source = sources.find("demo", None)
    tables = {"truth": pq.read_table(Path(folder) / "truth" / "customer")}
    with hive.connect(hive_url) as connection:
        load.register(connection, folder, hive_database)
        for name in ("customer", "deposit_profile", "insurance_profile"):
            tables[name] = connection.query(source.statement(name, BASE_DATE, hive_database))
    return tables


def features(bank: dict[str, pa.Table], family: str) -> pa.Table:
    profile = bank[FEATURE_SETS[family].profile]
    rows = pc.index_in(profile["customer_id"], value_set=bank["customer"]["customer_id"])
    for name in CATEGORIES:
        profile = profile.append_column(name, bank["customer"][name].take(rows))
    return profile


@pytest.mark.parametrize("family", ["deposit", "insurance"])
def test_the_planted_groups_come_back(bank: dict[str, pa.Table], family: str) -> None:
    table = features(bank, family)
    truth = bank["truth"]
    rows = pc.index_in(table["customer_id"], value_set=truth["customer_id"])
    group = truth[f"{family}_group"].take(rows).to_pylist()
    training = train_segments(family, table, (3, 4, 5, 6, 7), seed=0, minimum_customers=200)
    assert training.model.clusters == len(set(group))
    segments = training.model.assign(table)["segment"].to_numpy()
    assert adjusted_rand_score(group, segments) >= 0.8
    assert training.audit.faults == []


def test_the_naive_recipe_is_refused(bank: dict[str, pa.Table]) -> None:
    table = features(bank, "deposit")
    known = pc.and_(pc.is_valid(table["sex"]), pc.is_valid(table["age_band"]))
    table = table.filter(known)
    scaling = fit_scaling(table, FEATURE_SETS["deposit"])
    audit = audit_clusters(
        table, scaling, naive_labels(table, 5), must_lead=FEATURE_SETS["deposit"].must_lead
    )
    assert len(audit.faults) == 2
    assert audit.demographic_share > 0.6
