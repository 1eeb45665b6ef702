"""Behaviour styles: loose or tight (how often) × passive or aggressive (how much risk).

A loose customer transacts often, a tight one seldom; an aggressive one takes risks with the money.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import xgboost as xgb
from scipy.stats import rankdata
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split

from passbook.contracts import STYLES
from passbook.credit import boosting
from passbook.credit.evaluation import class_metrics
from passbook.errors import OutcomeError

FREQUENCY_FEATURES: Final = ("txn_count", "active_days", "login_count")
RISK_FEATURES: Final = ("investment_share", "amount_cv", "balance_volatility", "night_share")
_MINIMUM_LABELS: Final = 20


@dataclass(frozen=True)
class StyleModel:
    """A fitted classifier of behaviour styles.

    Attributes
    ----------
    names : tuple of str
        Columns of the feature matrix.
    booster : xgboost.Booster
    """

    names: tuple[str, ...]
    booster: xgb.Booster

    def probabilities(self, matrix: np.ndarray) -> np.ndarray:
        """Return the probability of each of `contracts.STYLES`, shape (rows, 4)."""
        return np.asarray(self.booster.inplace_predict(matrix), np.float64)

    def to_files(self) -> dict[str, bytes]:
        """Return the model as files."""
        return {
            "style.json": json.dumps({"names": self.names}).encode(),
            "style.ubj": boosting.to_bytes(self.booster),
        }

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> StyleModel:
        """Read what `to_files` gave."""
        described = json.loads(files["style.json"])
        return cls(tuple(described["names"]), boosting.from_bytes(files["style.ubj"]))


def labels_by_rule(matrix: np.ndarray, names: Sequence[str], seed: int) -> np.ndarray:
    """Label customers where the bank knows no style: rules, sharpened by clustering.

    Each axis is the mean rank of its features. A customer above the median of an axis is loose,
    or aggressive. A Gaussian mixture that starts from these four corners then moves the borders to
    where the customers are sparse.

    Parameters
    ----------
    matrix : numpy.ndarray, shape (rows, features)
    names : sequence of str
    seed : int

    Returns
    -------
    numpy.ndarray of int8, shape (rows,)
        Positions in `contracts.STYLES`.
    """
    axes = np.column_stack([_axis(matrix, names, FREQUENCY_FEATURES),
                            _axis(matrix, names, RISK_FEATURES)])  # fmt: skip
    loose, aggressive = (axes > np.median(axes, axis=0)).T
    corner = _style_number(loose, aggressive)
    if len(np.unique(corner)) < len(STYLES):
        return corner
    means = np.array([axes[corner == style].mean(axis=0) for style in range(len(STYLES))])
    mixture = GaussianMixture(len(STYLES), means_init=means, random_state=seed)
    return np.asarray(mixture.fit_predict(axes), np.int8)


def _axis(matrix: np.ndarray, names: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    columns = [matrix[:, list(names).index(name)] for name in wanted if name in names]
    ranks = [rankdata(np.nan_to_num(column, nan=0.0)) / len(column) for column in columns]
    return np.asarray(np.mean(ranks, axis=0))


def _style_number(loose: np.ndarray, aggressive: np.ndarray) -> np.ndarray:
    return np.where(
        loose,
        np.where(aggressive, STYLES.index("loose_aggressive"), STYLES.index("loose_passive")),
        np.where(aggressive, STYLES.index("tight_aggressive"), STYLES.index("tight_passive")),
    ).astype(np.int8)


def fit(
    matrix: np.ndarray, label: np.ndarray, *, names: Sequence[str], seed: int
) -> tuple[StyleModel, dict[str, float | list[list[int]]]]:
    """Fit the classifier on 70 %, stop it early on 15 %, judge it on the last 15 %.

    Parameters
    ----------
    matrix : numpy.ndarray of float32, shape (rows, features)
    label : numpy.ndarray of int, shape (rows,)
        Positions in `contracts.STYLES`.
    names : sequence of str
    seed : int

    Returns
    -------
    StyleModel, dict
        The figures are those of the last 15 %.

    Raises
    ------
    OutcomeError
        E501 when a style has fewer than 20 labels.
    """
    counts = np.bincount(label, minlength=len(STYLES))
    if counts.min() < _MINIMUM_LABELS:
        rarest = STYLES[int(counts.argmin())]
        raise OutcomeError(f"{rarest} has {counts.min()} style labels; {_MINIMUM_LABELS} needed.")
    train, rest = train_test_split(
        np.arange(len(label)), train_size=0.7, stratify=label, random_state=seed
    )
    stop, test = train_test_split(rest, train_size=0.5, stratify=label[rest], random_state=seed)
    model = StyleModel(tuple(names), _fit_booster(matrix, label, train, stop, seed))
    return model, class_metrics(model.probabilities(matrix[test]), label[test], len(STYLES))


def _fit_booster(
    matrix: np.ndarray, label: np.ndarray, train: np.ndarray, stop: np.ndarray, seed: int
) -> xgb.Booster:
    parameters = {
        "objective": "multi:softprob",
        "num_class": len(STYLES),
        "eval_metric": "mlogloss",
        "tree_method": "hist",
        "max_depth": 4,
        "learning_rate": 0.1,
        "subsample": 0.8,
        "colsample_bynode": 0.5,
        "min_child_weight": 5,
        "nthread": 1,  # the trees would otherwise depend on the number of threads
        "seed": seed,
    }
    data = xgb.QuantileDMatrix(matrix[train], label[train], nthread=1)
    watch = xgb.QuantileDMatrix(matrix[stop], label[stop], ref=data, nthread=1)
    booster = xgb.train(
        parameters,
        data,
        600,
        evals=[(watch, "stop")],
        early_stopping_rounds=20,
        verbose_eval=False,
    )
    return booster[: booster.best_iteration + 1]
