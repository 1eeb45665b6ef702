"""Training end to end on planted customers: near the oracle, calibrated, explained, carded."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from credit.planted import PlantedBank, planted_bank
from passbook.credit import features
from passbook.credit.boosting import TreeSettings
from passbook.credit.evaluation import discrimination
from passbook.credit.index import IndexScale, whole_shares
from passbook.credit.model_card import render
from passbook.credit.scoring import CreditModels, score_block
from passbook.credit.training import (
    RiskPlan,
    Sample,
    Trained,
    train_default,
    train_style,
    with_inferred,
)

AS_OF = date(2022, 6, 5)
PLAN = RiskPlan(IndexScale(), "optuna", 1, 0.005, seed=0, threads=2)


def _sample(bank: PlantedBank) -> tuple[Sample, pa.Table, np.ndarray]:
    table = features.build(bank.tables, AS_OF)
    customer = bank.tables["customer"]
    order = np.argsort(customer["customer_id"].to_numpy(zero_copy_only=False))
    names = features.names(bank.tables)
    known = np.random.default_rng(0).random(len(order)) < 0.5
    sample = Sample(
        features.as_matrix(table, names),
        bank.defaulted[order],
        np.where(known, bank.style[order], -1),
        {"sex": customer["sex"].to_numpy(zero_copy_only=False)[order].astype(str)},
        observed="later",
        default_day=np.where(bank.defaulted[order], 91.0, np.nan),
        impossible={"balance": 7},
    )
    return sample, table, bank.log_odds[order]


@pytest.fixture(scope="module")
def later() -> tuple[Sample, pa.Table, np.ndarray]:
    """The later observation date: sample, features and true log-odds."""
    return _sample(planted_bank(4000, seed=22))


@pytest.fixture(scope="module")
def trained(later: tuple[Sample, pa.Table, np.ndarray]) -> tuple[Trained, Trained]:
    """Both models."""
    earlier = replace(_sample(planted_bank(4000, seed=21))[0], observed="earlier")
    names = features.names(planted_bank(5, seed=0).tables)
    style, of_style = train_style(earlier, later[0], names, seed=0)
    return of_style, train_default(earlier, later[0], names, style, PLAN)


def test_near_the_oracle_out_of_time(
    trained: tuple[Trained, Trained], later: tuple[Sample, pa.Table, np.ndarray]
) -> None:
    oracle = discrimination(later[2], later[0].defaulted)["gini"]
    assert trained[1].metrics["gini"] > 0.85 * oracle
    assert trained[1].metrics["expected_calibration_error"] < 0.02


def test_both_kinds_and_all_trials_are_on_record(trained: tuple[Trained, Trained]) -> None:
    style, default = trained
    assert [parameters["classifier"] for parameters, *_ in style.trials] == [
        "boosted_trees", "random_forest", "neural_network",
    ]  # fmt: skip
    kinds = [parameters.get("kind") for parameters, *_ in default.trials]
    assert kinds == [None, None, "boosted_trees", "scorecard"]
    assert default.parameters["kind"] in ("boosted_trees", "scorecard")


def test_every_figure_is_a_row_for_the_ledger(trained: tuple[Trained, Trained]) -> None:
    style, default = trained
    rows = {(section, item, name): value for section, item, name, value in default.figures}
    assert len(rows) == len(default.figures)
    kind = default.parameters["kind"]
    assert rows["out_of_time", kind, "gini"] == default.metrics["gini"]
    assert rows["vintage", "later month 6", "defaulted"] == default.metrics["default_rate"]
    assert rows["vintage", "later month 1", "defaulted"] == 0.0
    assert rows["bands", "A", "default_rate"] < rows["bands", "D", "default_rate"]
    assert rows["lift", "tenth 1", "lift"] > 2
    assert rows["cleaning", "later income", "missing"] > 300
    assert rows["cleaning", "later balance", "impossible"] == 7
    assert rows["cleaning", "later balance", "drawn_down"] > 0
    assert rows["fairness", "sex", "approval_ratio"] == default.metrics["approval_ratio"]
    matrix = [value for section, item, _, value in style.figures
              if section == "confusion" and item.startswith("random_forest")]  # fmt: skip
    assert len(matrix) == 16
    assert ("styles", "neural_network", "f1") in {row[:3] for row in style.figures}


def test_index_equals_the_sum_of_its_points(
    trained: tuple[Trained, Trained], later: tuple[Sample, pa.Table, np.ndarray]
) -> None:
    models = CreditModels.from_files(trained[0].files, trained[1].files)
    batch = later[1].combine_chunks().to_batches()[0]
    scored = score_block(batch, models)
    points = scored["points"].flatten().to_numpy().reshape(len(scored), -1)
    total = scored["start"].to_numpy() + points.sum(axis=1)
    np.testing.assert_array_equal(total.clip(300, 850), scored["credit_index"].to_numpy())
    data = scored["data"].flatten().to_numpy().reshape(points.shape)
    place = models.risk.names.index("arrears_count")
    np.testing.assert_array_equal(data[:, place], batch["arrears_count"].to_numpy())


def test_reasons_have_the_direction_of_the_outcome(
    trained: tuple[Trained, Trained], later: tuple[Sample, pa.Table, np.ndarray]
) -> None:
    models = CreditModels.from_files(trained[0].files, trained[1].files)
    scored = score_block(later[1].combine_chunks().to_batches()[0], models)
    for index, reasons in zip(
        scored["credit_index"].to_pylist(), scored["reasons"].to_pylist(), strict=True
    ):
        word = "Lowers" if index < 600 else "Supports"
        assert reasons
        assert all(reason.startswith(word) for reason in reasons)


def test_blocks_give_what_the_whole_gives(
    trained: tuple[Trained, Trained], later: tuple[Sample, pa.Table, np.ndarray]
) -> None:
    models = CreditModels.from_files(trained[0].files, trained[1].files)
    table = later[1].combine_chunks()
    whole = score_block(table.to_batches()[0], models)
    parts = [score_block(batch, models) for batch in table.to_batches(max_chunksize=1111)]
    joined = pa.concat_batches(parts)
    np.testing.assert_array_equal(joined["data"].flatten(), whole["data"].flatten())
    assert joined.drop_columns(["data"]) == whole.drop_columns(["data"])


def test_model_card_tells_figures_fairness_and_limits(trained: tuple[Trained, Trained]) -> None:
    manifest = {"base_date": "2022-12-04", "parameters": {"kind": "x"}, "inputs": {"customer": "f"}}
    text = render(manifest, trained[1].files)
    figures = json.loads(trained[1].files["evaluation.json"])
    gini = figures[figures["chosen"]]["out_of_time"]["gini"]
    assert f"{gini:.4f}" in text
    for words in (
        "Vintages", "| earlier | 4,000 | 0.00%", "Cleaning", "Fairness by sex", "| A |", "Limits",
        "never a feature: sex", "| customer | f |",
    ):  # fmt: skip
        assert words in text


def test_inferred_outcomes_raise_the_rate_by_the_multiple_that_is_assumed(
    later: tuple[Sample, pa.Table, np.ndarray],
) -> None:
    sample = later[0]
    names = features.names(planted_bank(5, seed=0).tables)
    known = replace(
        sample, matrix=sample.matrix[:2000], defaulted=sample.defaulted[:2000],
        without_outcome=sample.matrix[2000:],
    )  # fmt: skip
    settings = TreeSettings(folds=2, rounds=60, patience=10)
    plan = replace(PLAN, reject_inference=3.0)
    matrix, outcome = with_inferred([known], names, settings, plan)
    assert matrix.shape == (4000, sample.matrix.shape[1])
    np.testing.assert_array_equal(outcome[:2000], known.defaulted)
    odds = [rate / (1 - rate) for rate in (outcome[2000:].mean(), sample.defaulted[2000:].mean())]
    assert 2.0 < odds[0] / odds[1] < 4.0
    assert len(with_inferred([known], names, settings, PLAN)[0]) == 2000


def test_whole_shares_add_up() -> None:
    exact = np.random.default_rng(1).normal(0, 30, (40, 28))
    total = np.floor(exact.sum(axis=1) + 0.5).astype(np.int64)
    shares = whole_shares(exact, total)
    np.testing.assert_array_equal(shares.sum(axis=1), total)
    assert np.abs(shares - exact).max() < 1
    assert whole_shares(np.array([[1.4, 1.4, 1.2]]), np.array([4])).tolist() == [[2, 1, 1]]
