"""Scales are fitted once and shipped; what is missing or unseen is explicit."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pytest

from passbook.errors import InputError
from passbook.segments.feature_sets import FEATURE_SETS, Category, FeatureSet, Number
from passbook.segments.features import Scaling, fit_scaling


def feature_set(scale: str = "log") -> FeatureSet:
    return FeatureSet(
        "profile",
        (Number("balance", "money", scale), Number("payments", "habits", scale)),  # type: ignore[arg-type]
        (Category("sex", "person"),),
        {"money": 0.5, "habits": 0.3, "person": 0.2},
    )


def customers(balance: list[object], sex: list[object] | None = None) -> pa.Table:
    return pa.table(
        {
            "balance": pa.array(balance, pa.float64()),
            "payments": pa.array(range(len(balance)), pa.int32()),
            "sex": pa.array(sex or ["F", "M"] * (len(balance) // 2), pa.string()),
        }
    )


def test_log_by_hand() -> None:
    # log1p: 0 and 2; mean 1, deviation 1; the weight is 0.5, so values are ± its root.
    scaling = fit_scaling(customers([0.0, math.expm1(2)]), feature_set())
    X, _ = scaling.transform(customers([0.0, math.expm1(2)]))
    np.testing.assert_allclose(X[:, 0], [-math.sqrt(0.5), math.sqrt(0.5)], rtol=1e-6)


def test_heavy_tails_still_count() -> None:
    rng = np.random.default_rng(0)
    balances = [*np.exp(13 + rng.standard_normal(999)), 1e13]
    for scale in ("log", "rank"):
        X, _ = fit_scaling(table := customers(balances), feature_set(scale)).transform(table)
        without_the_richest = X[:-1, 0] / math.sqrt(0.5)
        assert without_the_richest.std() > 0.8, scale


def test_squared_deviation_averages_to_the_weight() -> None:
    table = customers([float(b) for b in range(100, 1100)])
    for scale in ("log", "rank", "linear"):
        scaling = fit_scaling(table, feature_set(scale))
        X, _ = scaling.transform(table)
        np.testing.assert_allclose(X.var(axis=0), [0.5, 0.3], rtol=1e-5)
        np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-6)
        assert scaling.gamma == pytest.approx([0.2])


def test_a_feature_may_add_columns_up_and_divide_them() -> None:
    table = pa.table({"in": [2.0, 6.0, 0.0], "out": [2.0, 0.0, 0.0], "count": [2, 3, 0]})
    number = Number("size", "money", "linear", columns=("in", "out"), per="count")
    (fitted,) = fit_scaling(table, FeatureSet("t", (number,), (), {"money": 1.0})).numbers
    np.testing.assert_array_equal(fitted.read(table), [2.0, 2.0, np.nan])
    assert (fitted.median, fitted.flag_missing) == (2.0, True)


def test_scales_do_not_move_with_the_scored_customers() -> None:
    scaling = fit_scaling(customers([1.0, 10.0, 100.0, 1000.0]), feature_set())
    together, _ = scaling.transform(customers([1.0, 1e6]))
    alone, _ = scaling.transform(customers([1.0, 1.0]))
    assert together[0, 0] == alone[0, 0]


def test_a_missing_number_is_the_median_and_says_so() -> None:
    table = customers([1.0, 10.0, None, 1000.0, 10.0, float("nan")])
    scaling = fit_scaling(table, feature_set())
    X, codes = scaling.transform(table)
    assert X[2, 0] == X[1, 0] == X[5, 0]
    assert codes[:, 1].tolist() == [0, 0, 1, 0, 0, 1]
    assert len(scaling.gamma) == 2


def test_a_number_missing_only_later_is_the_median() -> None:
    scaling = fit_scaling(customers([1.0, 10.0, 100.0, 10.0]), feature_set())
    X, codes = scaling.transform(customers([None, 10.0]))
    assert X[0, 0] == X[1, 0]
    assert codes.shape == (2, 1)


@pytest.mark.parametrize("scale", ["log", "rank", "linear"])
def test_an_all_missing_or_constant_column_adds_no_distance(scale: str) -> None:
    for column in ([None] * 4, [7.0] * 4):
        table = customers(column)
        X, _ = fit_scaling(table, feature_set(scale)).transform(table)
        assert X[:, 0].tolist() == [0.0] * 4
        assert np.isfinite(X).all()


def test_categories_missing_and_never_seen_have_codes() -> None:
    scaling = fit_scaling(customers([1.0, 2.0, 3.0], ["M", "F", None]), feature_set())
    _, codes = scaling.transform(customers([1.0] * 4, ["F", "M", None, "X"]))
    assert codes[:, 0].tolist() == [1, 2, 0, 3]


def test_korean_values_are_values() -> None:
    scaling = fit_scaling(customers([1.0, 2.0], ["여성", "남성"]), feature_set())
    copy = Scaling.from_json(json.loads(json.dumps(scaling.to_json())))
    _, codes = copy.transform(customers([1.0, 2.0], ["여성", "남성"]))
    assert sorted(codes[:, 0].tolist()) == [1, 2]


@pytest.mark.parametrize("scale", ["log", "rank", "linear"])
def test_shipped_scales_are_the_fitted_ones(scale: str) -> None:
    table = customers([1.0, None, 100.0, 1e9])
    scaling = fit_scaling(table, feature_set(scale))
    copy = Scaling.from_json(json.loads(json.dumps(scaling.to_json())))
    assert copy == scaling
    assert copy.transform(table)[0].tobytes() == scaling.transform(table)[0].tobytes()


def test_infinite_numbers_and_absent_columns_are_refused() -> None:
    with pytest.raises(InputError, match="balance holds infinite"):
        fit_scaling(customers([1.0, math.inf]), feature_set())
    with pytest.raises(InputError, match="lack the column payments"):
        fit_scaling(customers([1.0, 2.0]).drop_columns("payments"), feature_set())


@pytest.mark.parametrize(
    "weights",
    [{"money": -1.0}, {"unknown": 1.0}, {"money": 0.0, "habits": 0.0, "person": 0.0},
     {"money": math.nan}, {"money": math.inf}],
)  # fmt: skip
def test_wrong_group_weights_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(InputError, match="weight"):
        fit_scaling(customers([1.0, 2.0]), feature_set(), weights)


def test_group_weights_are_shares_whatever_their_sum() -> None:
    table = customers([1.0, 2.0])
    once = fit_scaling(table, feature_set())
    tenfold = fit_scaling(table, feature_set(), {"money": 5.0, "habits": 3.0, "person": 2.0})
    assert [n.weight for n in once.numbers] == pytest.approx([n.weight for n in tenfold.numbers])


@pytest.mark.parametrize("family", FEATURE_SETS)
def test_every_group_of_a_family_has_a_weight(family: str) -> None:
    features = FEATURE_SETS[family]
    assert set(features.groups.values()) == set(features.weights)
    assert sum(features.weights.values()) == pytest.approx(1)
    assert set(features.must_lead) <= set(features.groups)
