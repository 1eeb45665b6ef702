"""The tabled contributions equal XGBoost's exact ones, and a Shapley value counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost as xgb

from passbook.credit.tree_contributions import compile_trees
from passbook.errors import ModelError


def _data(rows: int = 3000, features: int = 9) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    matrix = rng.normal(size=(rows, features)).astype(np.float32)
    matrix[rng.random(matrix.shape) < 0.15] = np.nan
    signal = np.nansum(matrix[:, :3], axis=1) + np.nan_to_num(matrix[:, 3] * matrix[:, 4])
    return matrix, (rng.random(rows) < 1 / (1 + np.exp(-signal))).astype(np.float32)


def _boosters(depth: int, rounds: int, count: int = 2) -> list[xgb.Booster]:
    matrix, label = _data()
    return [
        xgb.train(
            {"objective": "binary:logistic", "max_depth": depth, "base_score": 0.5,
             "subsample": 0.7, "seed": seed, "nthread": 1},
            xgb.DMatrix(matrix, label), rounds,
        )
        for seed in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize(("depth", "rounds"), [(1, 5), (3, 40), (4, 20), (6, 6), (8, 2)])
def test_equal_to_xgboost(depth: int, rounds: int) -> None:
    boosters = _boosters(depth, rounds)
    matrix, _ = _data()
    data = xgb.DMatrix(matrix[:500])
    theirs = np.mean([b.predict(data, pred_contribs=True) for b in boosters], axis=0)
    tables = compile_trees(boosters)
    ours = tables.contributions(matrix[:500])
    np.testing.assert_allclose(ours, theirs, atol=2e-6)
    margins = np.mean([b.predict(data, output_margin=True) for b in boosters], axis=0)
    np.testing.assert_allclose(tables.margins(matrix[:500]), margins, atol=5e-6)
    np.testing.assert_allclose(ours.sum(axis=1), tables.margins(matrix[:500]), atol=1e-12)


def test_values_on_a_border_go_where_xgboost_sends_them() -> None:
    boosters = _boosters(3, 10, count=1)
    borders = np.array(boosters[0].trees_to_dataframe()["Split"].dropna(), np.float32)
    matrix = np.tile(borders[:, None], (1, 9))
    theirs = boosters[0].predict(xgb.DMatrix(matrix), output_margin=True)
    np.testing.assert_allclose(compile_trees(boosters).margins(matrix), theirs, atol=2e-6)


def test_one_split_by_hand() -> None:
    matrix = np.array([[0.0], [0.0], [0.0], [1.0]], np.float32)
    label = np.array([0, 0, 0, 1], np.float32)
    booster = xgb.train(
        {"objective": "reg:squarederror", "max_depth": 1, "base_score": 0.0, "eta": 1.0,
         "lambda": 0.0, "min_child_weight": 0},
        xgb.DMatrix(matrix, label), 1,
    )  # fmt: skip
    found = compile_trees([booster]).contributions(np.array([[0.0], [1.0]], np.float32))
    np.testing.assert_allclose(found, [[-0.25, 0.25], [0.75, 0.25]], atol=1e-6)


def test_blocks_of_any_size_agree() -> None:
    tables = compile_trees(_boosters(3, 10))
    matrix, _ = _data()
    whole = tables.contributions(matrix)
    parts = np.vstack([tables.contributions(part) for part in np.array_split(matrix, 7)])
    np.testing.assert_array_equal(whole, parts)


def test_tree_too_deep_is_refused() -> None:
    with pytest.raises(ModelError, match="deeper than 8"):
        compile_trees(_boosters(12, 1, count=1))
