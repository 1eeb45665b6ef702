"""The audit: statistics against their definitions, and the naive recipe refused."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import chi2_contingency
from scipy.stats.contingency import association
from sklearn.cluster import KMeans

from passbook.segments.audit import audit_clusters, cramers_v, eta_squared, recovered_share
from passbook.segments.feature_sets import DEPOSIT
from passbook.segments.features import fit_scaling
from segments.planted import deposit_customers


def test_eta_squared_by_hand() -> None:
    # Means 1 and 5 around 3: between 4 · 4 = 16, within 4 · 1 = 4.
    values = np.array([0.0, 2.0, 4.0, 6.0])
    assert eta_squared(values, np.array([0, 0, 1, 1])) == pytest.approx(16 / 20)
    assert eta_squared(values, np.array([0, 1, 1, 0])) == 0
    assert eta_squared(np.ones(4), np.array([0, 0, 1, 1])) == 0


def test_cramers_v_is_scipys() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 500)
    codes = np.where(rng.random(500) < 0.5, labels, rng.integers(0, 5, 500))
    crossed = np.zeros((3, 5), dtype=int)
    np.add.at(crossed, (labels, codes), 1)
    assert chi2_contingency(crossed).pvalue < 0.01
    assert cramers_v(codes, labels) == pytest.approx(association(crossed, method="cramer"))


def test_cramers_v_of_one_value_is_nothing() -> None:
    assert cramers_v(np.zeros(4, int), np.array([0, 1, 0, 1])) == 0
    assert cramers_v(np.array([0, 1, 0, 1]), np.zeros(4, int)) == 0
    assert cramers_v(np.array([2, 7, 2, 7]), np.array([0, 1, 0, 1])) == pytest.approx(1)


def test_a_tree_recovers_what_age_decides_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    codes = np.column_stack([rng.integers(0, 2, 4000), rng.integers(0, 10, 4000)])
    assert recovered_share(codes, codes[:, 1] // 5) == 1
    assert recovered_share(codes, rng.integers(0, 4, 4000)) < 0.05
    assert recovered_share(codes, np.zeros(4000, int)) == 0
    assert recovered_share(np.empty((4000, 0), int), codes[:, 1]) == 0


def naive_labels(table: pa.Table, clusters: int) -> np.ndarray:  # type: ignore[type-arg]
    """Min–max scaled numbers and one-hot age and sex through k-means."""
    names = [field.name for field in table.schema if pa.types.is_integer(field.type)]
    numbers = np.column_stack([table[name].to_numpy() for name in names]).astype(float)
    numbers = (numbers - numbers.min(axis=0)) / np.ptp(numbers, axis=0)
    flags = [
        np.equal.outer(table[name].to_numpy(), np.unique(table[name].to_numpy()))
        for name in ("sex", "age_band")
    ]
    X = np.hstack([numbers, *flags]).astype(np.float32)
    return np.asarray(KMeans(clusters, n_init=3, random_state=0).fit(X).labels_)


def test_the_naive_recipe_is_refused_and_the_planted_groups_pass() -> None:
    table, group = deposit_customers(4000, seed=0)
    scaling = fit_scaling(table, DEPOSIT)
    naive = audit_clusters(table, scaling, naive_labels(table, 4), must_lead=DEPOSIT.must_lead)
    assert naive.demographic_share > 0.6
    assert len(naive.faults) == 2
    assert "age and sex alone recover" in naive.faults[0]
    planted = audit_clusters(table, scaling, group, must_lead=DEPOSIT.must_lead)
    assert planted.faults == []
    assert planted.metrics["demographic_share"] < 0.05
    assert 1 <= planted.required_rank <= 5
    strengths = [found.strength for found in planted.separations]
    assert strengths == sorted(strengths, reverse=True)
    assert {found.feature for found in planted.separations} == set(DEPOSIT.groups)
