"""`CreditModel` on tables as they come, and on inputs it must refuse."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from passbook.credit import CreditModel
from passbook.credit.boosting import TreeSettings
from passbook.credit.calibration import expected_calibration_error
from passbook.credit.evaluation import discrimination
from passbook.credit.index import IndexScale
from passbook.errors import ArtifactError, CreditError, CreditInputError, OutcomeError

QUICK = TreeSettings(rounds=60, patience=10, folds=3)


def _table(rows: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    job = rng.choice(["농부", "clerk", "artist", None], rows, p=[0.3, 0.4, 0.2, 0.1])
    arrears = rng.poisson(0.6, rows).astype(float)
    income = np.exp(rng.normal(10, 1, rows))
    log_odds = -2.2 + 0.9 * arrears - 0.8 * (np.log(income) - 10) + 1.2 * (job == "artist")
    table = pd.DataFrame(
        {
            "arrears": np.where(rng.random(rows) < 0.1, np.nan, arrears),
            "income": income,
            "job": pd.Series(job, dtype="category"),
            "homeowner": rng.random(rows) < 0.5,
            "sex": rng.choice(["M", "F"], rows),
            "empty": np.nan,
            "same": 1,
        }
    )
    return table, rng.random(rows) < 1 / (1 + np.exp(-log_odds))


@pytest.fixture(scope="module")
def fitted() -> CreditModel:
    """A model that must not use `sex`, and must not reward arrears."""
    X, y = _table(4000, seed=1)
    model = CreditModel(
        protected=["sex"], risk={"arrears": 1}, labels={"arrears": "missed payments"},
        settings=QUICK, scale=IndexScale(base_odds=4.0),
    )  # fmt: skip
    return model.fit(X, y)


def test_probabilities_are_calibrated_and_rank(fitted: CreditModel) -> None:
    X, y = _table(8000, seed=2)
    probability = fitted.predict_default(X)
    assert probability.mean() == pytest.approx(y.mean(), abs=0.02)
    assert probability[y].mean() > 1.8 * probability[~y].mean()


def test_index_falls_as_risk_rises(fitted: CreditModel) -> None:
    X, _ = _table(500, seed=3)
    order = np.argsort(fitted.predict_default(X))
    index = fitted.score(X)[order]
    assert (np.diff(index) <= 0).all()
    assert index.min() >= 300
    assert index.max() <= 850


def test_more_arrears_never_raise_the_index(fitted: CreditModel) -> None:
    X, _ = _table(300, seed=4)
    scores = [fitted.score(X.assign(arrears=float(count))) for count in range(6)]
    assert (np.diff(scores, axis=0) <= 0).all()
    assert (scores[4] < scores[0]).any()


def test_protected_column_changes_nothing_and_is_no_reason(fitted: CreditModel) -> None:
    X, _ = _table(300, seed=5)
    np.testing.assert_array_equal(fitted.score(X), fitted.score(X.assign(sex="F")))
    np.testing.assert_array_equal(fitted.score(X), fitted.score(X.drop(columns="sex")))
    assert not any("sex" in sentence for row in fitted.reasons(X, n=10) for sentence in row)


def test_contributions_add_up_to_the_index(fitted: CreditModel) -> None:
    X, _ = _table(300, seed=6)
    points = fitted.contributions(X).sum(axis=1).to_numpy()
    assert np.abs(points.clip(300, 850) - fitted.score(X)).max() <= 0.5 + 1e-9


def test_reasons_name_what_was_planted(fitted: CreditModel) -> None:
    X, _ = _table(2, seed=7)
    X.loc[:, "arrears"] = [6.0, 0.0]
    X.loc[:, "income"] = [2e4, 2e6]
    worst, best = fitted.reasons(X, n=2)
    assert worst[0] == "Lowers the index: missed payments"
    assert all(sentence.startswith("Supports") for sentence in best)
    assert len(worst) <= 2


def test_new_category_counts_as_missing(fitted: CreditModel) -> None:
    X, _ = _table(50, seed=8)
    new = fitted.score(X.assign(job="astronaut"))
    np.testing.assert_array_equal(new, fitted.score(X.assign(job=None)))


def test_extreme_and_negative_amounts_score_within_bounds(fitted: CreditModel) -> None:
    X, _ = _table(3, seed=9)
    X["income"] = [-1e9, 1e300, 0.0]
    assert ((fitted.score(X) >= 300) & (fitted.score(X) <= 850)).all()


def test_saved_model_gives_the_same_scores_and_bytes(fitted: CreditModel, tmp_path: Path) -> None:
    X, _ = _table(200, seed=10)
    fitted.save(tmp_path / "one.credit")
    loaded = CreditModel.load(tmp_path / "one.credit")
    np.testing.assert_array_equal(loaded.score(X), fitted.score(X))
    assert loaded.reasons(X) == fitted.reasons(X)
    loaded.save(tmp_path / "two.credit")
    assert (tmp_path / "one.credit").read_bytes() == (tmp_path / "two.credit").read_bytes()


@pytest.mark.parametrize("harm", ["cut", "altered", "garbled", "gone"])
def test_harmed_file_is_refused(fitted: CreditModel, tmp_path: Path, harm: str) -> None:
    path = tmp_path / "model.credit"
    fitted.save(path)
    content = path.read_bytes()
    if harm == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif harm == "garbled":
        # The first member's data follow its header, and there is no such kind of deflated block.
        start = 30 + content[26] + content[28]
        path.write_bytes(content[:start] + b"\x07" + content[start + 1 :])
    elif harm == "altered":
        _replace_member(path)
    else:
        path.unlink()
    with pytest.raises(ArtifactError, match="E602"):
        CreditModel.load(path)


def _replace_member(path: Path) -> None:
    import zipfile  # noqa: PLC0415

    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["default_risk.json"] = files["default_risk.json"].replace(b"600.0", b"700.0")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def test_unusable_outcomes_are_refused() -> None:
    X, y = _table(200, seed=11)
    model = CreditModel(settings=QUICK)
    with pytest.raises(OutcomeError, match="E501"):
        model.fit(X, np.zeros(200))
    with pytest.raises(OutcomeError, match="E501"):
        model.fit(X.iloc[:0], np.array([]))
    for outcomes in (y[:-1], np.where(y, 2, 0), np.where(y, np.nan, 0), ["yes"] * 200):
        with pytest.raises(CreditInputError, match="E502"):
            model.fit(X, outcomes)


def test_unusable_tables_are_refused(fitted: CreditModel) -> None:
    X, y = _table(200, seed=12)
    model = CreditModel(settings=QUICK, protected=["sex"])
    for table in (
        X[["sex"]],
        X[["sex", "same", "same"]],
        X.assign(born=pd.Timestamp("2000-01-01")),
        X.assign(born=[date(2000, 1, 1)] * 200),
        X.assign(income=np.inf),
        X.assign(income=1j),
        X.assign(income=[[1.0]] * 200),
        X.to_numpy(),
    ):
        with pytest.raises(CreditInputError, match="E502"):
            model.fit(table, y)
    with pytest.raises(CreditInputError, match=r"E502.*income"):
        fitted.score(X.drop(columns="income"))
    with pytest.raises(CreditInputError, match=r"E502.*income"):
        fitted.score(X.assign(income="much"))
    with pytest.raises(CreditInputError, match=r"E502.*no numbers"):
        CreditModel(risk={"shoe_size": 1}, settings=QUICK).fit(X, y)
    with pytest.raises(CreditInputError, match=r"E502.*no numbers"):
        CreditModel(risk={"job": 1}, settings=QUICK).fit(X, y)
    with pytest.raises(CreditInputError, match=r"E502.*1, 0 or -1"):
        CreditModel(risk={"income": 5}, settings=QUICK).fit(X, y)
    with pytest.raises(CreditError, match="E500"):
        CreditModel().score(X)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("flag", lambda rng, n: pd.array(rng.random(n) < 0.5, "boolean")),
        ("count", lambda rng, n: pd.array(np.where(rng.random(n) < 0.5, 3, None), "Int64")),
        ("text", lambda rng, n: pd.array(rng.choice(["가", "b"], n), "string")),
        ("one", lambda rng, n: pd.Categorical(["a"] * n, categories=["a", "z"])),
        ("mixed", lambda rng, n: [1 if i % 2 else "a" for i in range(n)]),
        ("none", lambda rng, n: None),
        ("huge", lambda rng, n: rng.choice([1e300, -1e300, 0.0], n)),
        (7, lambda rng, n: rng.random(n)),
    ],
)
def test_columns_are_taken_as_they_come(name: object, values: Callable[..., object]) -> None:
    X, y = _table(400, seed=13)
    X = X[["arrears"]].set_axis([f"r{n % 9}" for n in range(400)])  # an index with repeats
    X[name] = values(np.random.default_rng(0), 400)
    model = CreditModel(settings=QUICK).fit(X, y)
    probability = model.predict_default(X)
    assert np.isfinite(probability).all()
    assert probability.mean() == pytest.approx(y.mean(), abs=0.05)
    assert len(model.reasons(X)) == 400


@pytest.mark.parametrize("categories", [60, 3000])
def test_many_categories_do_not_give_outcomes_away(categories: int) -> None:
    """A column of noise, up to a category a row, costs next to nothing on customers to come."""
    areas = []
    for noise in (False, True):
        frames = []
        for seed in (14, 15):
            X, y = _table(3000, seed)
            if noise:
                rng = np.random.default_rng(seed)
                X["postcode"] = [f"z{n}" for n in rng.permutation(3000) % categories]
            frames.append((X, y))
        model = CreditModel(protected=["sex"], settings=QUICK).fit(*frames[0])
        X, y = frames[1]
        areas.append(discrimination(model.predict_default(X), y)["roc_auc"])
    assert areas[1] > areas[0] - 0.01


def test_one_default_in_a_thousand_is_calibrated_and_ranked() -> None:
    rng = np.random.default_rng(16)
    X = pd.DataFrame({"a": rng.normal(size=40_000), "b": rng.normal(size=40_000)})
    y = rng.random(40_000) < 1 / (1 + np.exp(7.5 - X["a"]))
    patient = TreeSettings(folds=2, rounds=300, patience=300)
    probability = CreditModel(settings=patient).fit(X, y).predict_default(X)
    assert probability.mean() == pytest.approx(y.mean(), rel=0.2)
    assert discrimination(probability, y.to_numpy())["roc_auc"] > 0.65


def test_real_card_customers_without_protected_attributes(real_data: Path) -> None:
    """One fold in five; benchmarks/credit_taiwan.py measures all of them."""
    table = pd.read_csv(real_data / "credit_taiwan" / "UCI_Credit_Card.csv")
    bad = table.pop("default.payment.next.month").to_numpy() == 1
    X = table.drop(columns="ID")
    held_out = np.arange(len(X)) % 5 == 0
    model = CreditModel(protected=["SEX", "AGE", "MARRIAGE"], settings=QUICK)
    model.fit(X[~held_out], bad[~held_out])
    probability = model.predict_default(X[held_out])
    assert discrimination(probability, bad[held_out])["roc_auc"] > 0.76
    # Perfect probabilities would show about 0.012 on 6,000 rows in ten bins.
    assert expected_calibration_error(probability, bad[held_out]) < 0.03
