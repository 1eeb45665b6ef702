"""Behaviour styles: loose or tight (how often) × passive or aggressive (how much risk).

A loose customer transacts often, a tight one seldom; an aggressive one takes risks with the money.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.stats import rankdata
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split

from passbook.contracts import STYLES
from passbook.credit.evaluation import class_metrics
from passbook.credit.style_classifiers import (
    StyleModel,
    fit_boosted,
    fit_forest,
    fit_network,
)
from passbook.errors import OutcomeError

FREQUENCY_FEATURES: Final = ("txn_count", "active_days", "login_count")
RISK_FEATURES: Final = ("investment_share", "amount_cv", "balance_volatility", "night_share")
CLASSIFIERS: Final[dict[str, Callable[..., StyleModel]]] = {
    "boosted_trees": fit_boosted,
    "random_forest": fit_forest,
    "neural_network": fit_network,
}
_MINIMUM_LABELS: Final = 20


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


@dataclass(frozen=True)
class Comparison:
    """Classifiers beside each other.

    Attributes
    ----------
    chosen : str
        The one with the best macro F1 on the rows that stop training; the test rows judge only.
    test : dict
        By classifier its figures on the test rows (`evaluation.class_metrics`).
    """

    chosen: str
    test: dict[str, dict[str, float | list[list[int]]]]


def fit(
    matrix: np.ndarray, label: np.ndarray, *, names: Sequence[str], seed: int
) -> tuple[StyleModel, Comparison]:
    """Fit the classifiers on 70 %, choose on 15 %, judge on the last 15 %.

    Parameters
    ----------
    matrix : numpy.ndarray of float32, shape (rows, features)
    label : numpy.ndarray of int, shape (rows,)
        Positions in `contracts.STYLES`.
    names : sequence of str
    seed : int

    Raises
    ------
    OutcomeError
        E501 when a style has fewer than 20 labels.
    """
    counts = np.bincount(label, minlength=len(STYLES))
    if counts.min() < _MINIMUM_LABELS:
        rarest = STYLES[int(counts.argmin())]
        raise OutcomeError(f"{rarest} has {counts.min()} style labels; {_MINIMUM_LABELS} needed.")
    known, test = _split(label, seed)
    _, held = train_test_split(
        known, train_size=0.7 / 0.85, stratify=label[known], random_state=seed
    )
    stop = np.isin(known, held)
    models: dict[str, StyleModel] = {
        name: fitted(matrix[known], label[known], stop, names, seed)
        for name, fitted in CLASSIFIERS.items()
    }

    def judged(rows: np.ndarray) -> dict[str, dict[str, Any]]:
        return {
            name: class_metrics(model.probabilities(matrix[rows]), label[rows], len(STYLES))
            for name, model in models.items()
        }

    validated = judged(held)
    chosen = max(models, key=lambda name: validated[name]["f1"])
    return models[chosen], Comparison(chosen, judged(test))


def judged_rows(label: np.ndarray, seed: int) -> np.ndarray:
    """Return the rows that `fit` judges on, which no classifier of these labels has seen."""
    return _split(label, seed)[1]


def _split(label: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    known, test = train_test_split(
        np.arange(len(label)), train_size=0.85, stratify=label, random_state=seed
    )
    return known, test
