"""Gradient-boosted trees for default risk: one model a fold, averaged.

Each of the K models is trained on K−1 folds and stopped early on the one left out. So every row is
used for training, and still has a margin by a model that has not seen it, which calibration needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
import xgboost as xgb
from sklearn.model_selection import StratifiedKFold


@dataclass(frozen=True)
class TreeSettings:
    """Settings of the boosted trees; names are XGBoost's."""

    max_depth: int = 2
    learning_rate: float = 0.05
    min_child_weight: float = 5.0
    subsample: float = 0.7
    colsample_bynode: float = 0.3
    reg_lambda: float = 5.0
    folds: int = 5
    rounds: int = 3000
    patience: int = 50
    """Rounds without improvement on the fold left out before training stops."""


def fit_folds(
    matrix: np.ndarray,
    defaulted: np.ndarray,
    settings: TreeSettings,
    *,
    monotone: Sequence[int],
    seed: int,
    threads: int,
) -> tuple[tuple[xgb.Booster, ...], np.ndarray]:
    """Fit one booster a fold.

    Every booster is trained on one thread, and folds run beside each other: the sums inside
    XGBoost, and so the trees, would otherwise depend on the number of threads.

    Parameters
    ----------
    matrix : numpy.ndarray of float32, shape (rows, features)
        Missing is NaN.
    defaulted : numpy.ndarray of bool, shape (rows,)
    settings : TreeSettings
    monotone : sequence of int, length features
        1: more raises the risk, -1: more lowers it, 0: either.
    seed, threads : int

    Returns
    -------
    tuple of xgboost.Booster, numpy.ndarray of shape (rows,)
        The boosters, and each row's margin by the booster that has not seen it.
    """
    label = np.asarray(defaulted, np.float32)
    splitter = StratifiedKFold(settings.folds, shuffle=True, random_state=seed)
    held_out = [test for _, test in splitter.split(matrix, label)]

    def fit(fold: int) -> xgb.Booster:
        return _fit_one(
            matrix, label, held_out[fold], settings, monotone=tuple(monotone), seed=seed + fold
        )

    with ThreadPoolExecutor(threads) as pool:
        boosters = tuple(pool.map(fit, range(settings.folds)))
    margins = np.empty(len(label), np.float64)
    for booster, rows in zip(boosters, held_out, strict=True):
        margins[rows] = booster.inplace_predict(matrix[rows], predict_type="margin")
    return boosters, margins


def _fit_one(
    matrix: np.ndarray,
    label: np.ndarray,
    held_out: np.ndarray,
    settings: TreeSettings,
    *,
    monotone: tuple[int, ...],
    seed: int,
) -> xgb.Booster:
    kept = np.setdiff1d(np.arange(len(label)), held_out)
    chosen = {
        name: value
        for name, value in asdict(settings).items()
        if name not in ("folds", "rounds", "patience")
    }
    parameters = chosen | {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "base_score": 0.5,
        "monotone_constraints": monotone,
        "tree_method": "hist",
        "nthread": 1,
        "seed": seed,
    }
    train = xgb.QuantileDMatrix(matrix[kept], label[kept], nthread=1)
    watch = xgb.QuantileDMatrix(matrix[held_out], label[held_out], ref=train, nthread=1)
    booster = xgb.train(
        parameters,
        train,
        settings.rounds,
        evals=[(watch, "held_out")],
        early_stopping_rounds=settings.patience,
        verbose_eval=False,
    )
    return booster[: booster.best_iteration + 1]


def to_bytes(booster: xgb.Booster) -> bytes:
    """Return a booster in XGBoost's ``.ubj`` format."""
    return bytes(booster.save_raw("ubj"))


def from_bytes(content: bytes) -> xgb.Booster:
    """Read a booster from XGBoost's ``.ubj`` format."""
    booster = xgb.Booster()
    booster.load_model(bytearray(content))
    return booster
