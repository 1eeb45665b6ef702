"""Figures by which credit models are judged."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.stats import rankdata
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, roc_auc_score

from passbook.base_date import OUTCOME_WEEKS
from passbook.credit.calibration import expected_calibration_error
from passbook.errors import OutcomeError

OUTCOME_MONTHS: Final = 6
MONTH_DAYS: Final = 7 * OUTCOME_WEEKS / OUTCOME_MONTHS
"""Equal parts of the weeks that an outcome takes."""


def check_outcomes(defaulted: np.ndarray, minimum: int = 20) -> np.ndarray:
    """Return the outcomes as bool when both kinds are frequent enough to learn from.

    Raises
    ------
    OutcomeError
        E501 with the counts.
    """
    bad = np.asarray(defaulted, bool)
    defaults = int(bad.sum())
    if min(defaults, len(bad) - defaults) < minimum:
        raise OutcomeError(
            f"{defaults} defaults among {len(bad)} outcomes; each kind needs at least {minimum}."
        )
    return bad


def discrimination(risk: np.ndarray, defaulted: np.ndarray) -> dict[str, float]:
    """Return ROC-AUC, Gini and the Kolmogorov–Smirnov distance of a risk ranking."""
    bad = np.asarray(defaulted, bool)
    area = float(roc_auc_score(bad, risk))
    return {"roc_auc": area, "gini": 2 * area - 1, "ks": kolmogorov_smirnov(risk, bad)}


def roc_auc_interval(risk: np.ndarray, defaulted: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the ROC-AUC of a risk ranking.

    Source: E. DeLong et al., "Comparing the areas under two or more correlated receiver operating
    characteristic curves" (1988), by the midranks of X. Sun and W. Xu (2014).
    """
    bad = np.asarray(defaulted, bool)
    ranks = rankdata(risk)
    above = (ranks[bad] - rankdata(risk[bad])) / (~bad).sum()
    below = 1 - (ranks[~bad] - rankdata(risk[~bad])) / bad.sum()
    error = np.sqrt(above.var(ddof=1) / len(above) + below.var(ddof=1) / len(below))
    area = above.mean()
    return float(max(area - 1.96 * error, 0.0)), float(min(area + 1.96 * error, 1.0))


def kolmogorov_smirnov(risk: np.ndarray, bad: np.ndarray) -> float:
    """Return the largest gap between the risk distributions of bad and good customers."""
    order = np.argsort(risk, kind="stable")
    ranked, outcome = np.asarray(risk)[order], bad[order]
    gap = np.abs(np.cumsum(outcome) / outcome.sum() - np.cumsum(~outcome) / (~outcome).sum())
    last_of_tie = np.append(ranked[1:] != ranked[:-1], True)
    return float(gap[last_of_tie].max())


def risk_metrics(probability: np.ndarray, defaulted: np.ndarray) -> dict[str, float]:
    """Return discrimination, calibration and Brier score of default probabilities."""
    bad = np.asarray(defaulted, bool)
    return {
        **discrimination(probability, bad),
        "expected_calibration_error": expected_calibration_error(probability, bad),
        "brier": float(np.mean((probability - bad) ** 2)),
        "default_rate": float(bad.mean()),
        "rows": float(len(bad)),
    }


def lift_table(risk: np.ndarray, defaulted: np.ndarray, bins: int = 10) -> list[dict[str, float]]:
    """Return the default rate of every tenth, riskiest first, beside the overall rate."""
    bad = np.asarray(defaulted, bool)
    order = np.argsort(-np.asarray(risk), kind="stable")
    overall, found, rows = bad.mean(), 0, []
    for number, part in enumerate(np.array_split(order, bins), start=1):
        found += int(bad[part].sum())
        rows.append(
            {
                "tenth": float(number),
                "customers": float(len(part)),
                "default_rate": float(bad[part].mean()),
                "lift": float(bad[part].mean() / overall),
                "captured": found / float(bad.sum()),
            }
        )
    return rows


def risk_curve(risk: np.ndarray, defaulted: np.ndarray, points: int = 50) -> list[dict[str, float]]:
    """Return the shares of good and of bad customers at or above risk thresholds, from none to all.

    Bad over good is the ROC curve, their gap along the customers is the Kolmogorov–Smirnov curve.
    """
    bad = np.asarray(defaulted, bool)
    order = np.argsort(-np.asarray(risk), kind="stable")
    ranked, outcome = np.asarray(risk)[order], bad[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) + 1
    wanted = np.linspace(0, len(bad), points + 1)[1:]
    chosen = np.unique(ends[np.searchsorted(ends, wanted)])
    bads, goods = np.cumsum(outcome), np.cumsum(~outcome)
    return [{"customers": 0.0, "good": 0.0, "bad": 0.0}] + [
        {
            "customers": float(end / len(bad)),
            "good": float(goods[end - 1] / goods[-1]),
            "bad": float(bads[end - 1] / bads[-1]),
        }
        for end in chosen
    ]


def vintage(cohort: str, default_day: np.ndarray) -> list[dict[str, float | str]]:
    """Return a cohort's cumulative default rate by the end of each month after observation.

    Parameters
    ----------
    cohort : str
    default_day : numpy.ndarray, shape (customers,)
        Days from the observation date to the default; NaN for who did not default.
    """
    count = len(default_day)
    return [
        {
            "cohort": cohort,
            "month": float(month),
            "customers": float(count),
            "defaulted": float((default_day <= month * MONTH_DAYS).sum() / count),
        }
        for month in range(1, OUTCOME_MONTHS + 1)
        if count
    ]


def class_metrics(
    probability: np.ndarray, label: np.ndarray, classes: int
) -> dict[str, float | list[list[int]]]:
    """Return a classifier's figures on labelled rows.

    Parameters
    ----------
    probability : numpy.ndarray, shape (rows, classes)
    label : numpy.ndarray of int, shape (rows,)
    classes : int

    Returns
    -------
    dict
        ``accuracy``; macro ``precision``, ``recall``, ``f1``; ``roc_auc`` (macro, one against
        the rest, over the classes that occur); ``confusion_matrix`` with true classes as rows.
    """
    guess = probability.argmax(axis=1)
    precision, recall, f1, _ = precision_recall_fscore_support(
        label, guess, labels=range(classes), average="macro", zero_division=0.0
    )
    areas = [
        roc_auc_score(label == one, probability[:, one])
        for one in range(classes)
        if 0 < (label == one).sum() < len(label)
    ]
    return {
        "accuracy": float((guess == label).mean()),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "roc_auc": float(np.mean(areas)),
        "confusion_matrix": confusion_matrix(label, guess, labels=range(classes)).tolist(),
    }
