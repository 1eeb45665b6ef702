"""Fairness of a credit index between groups: approvals, good customers turned away, calibration.

The groups are protected attributes, which are looked at here and nowhere else. What is counted are
fairlearn's metrics (S. Bird et al., "Fairlearn: A toolkit for assessing and improving fairness in
AI", 2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from fairlearn.metrics import (
    MetricFrame,
    count,
    demographic_parity_ratio,
    equal_opportunity_difference,
    mean_prediction,
    selection_rate,
    true_positive_rate,
)

LEAST_ROWS: Final = 100
"""Groups smaller than this are listed but do not move a ratio: chance would decide it."""

FOUR_FIFTHS: Final = 0.8
"""Share of the highest approval rate below which a group is approved too seldom."""


def by_group(
    group: np.ndarray, approved: np.ndarray, defaulted: np.ndarray, probability: np.ndarray
) -> list[dict[str, Any]]:
    """Return figures of every group, in order of its name.

    Parameters
    ----------
    group : numpy.ndarray of str, shape (rows,)
        Empty where unknown.
    approved, defaulted : numpy.ndarray of bool, shape (rows,)
    probability : numpy.ndarray, shape (rows,)
        Predicted probability of default.

    Returns
    -------
    list of dict
        ``group``, ``rows``; ``approved``: share approved; ``good_approved``: share approved of
        those who did not default; ``predicted`` and ``observed`` default rate.
    """
    known = group != ""
    if not known.any():
        return []
    bad, named = defaulted[known].astype(int), group[known]
    approvals = MetricFrame(
        metrics={"rows": count, "approved": selection_rate, "good_approved": true_positive_rate},
        y_true=1 - bad, y_pred=approved[known].astype(int), sensitive_features=named,
    ).by_group  # fmt: skip
    rates = MetricFrame(
        metrics={"predicted": mean_prediction, "observed": _base_rate},
        y_true=bad, y_pred=probability[known], sensitive_features=named,
    ).by_group  # fmt: skip
    return [
        {"group": str(name), "rows": int(row.pop("rows")), **row, **rates.loc[name].to_dict()}
        for name, row in ((name, approvals.loc[name].to_dict()) for name in approvals.index)
    ]


def summary(group: np.ndarray, approved: np.ndarray, defaulted: np.ndarray) -> dict[str, float]:
    """Return the lowest approval rate over the highest, and the gap between good customers.

    ``approval_ratio`` (demographic parity) below 0.8 breaks the four-fifths rule (29 CFR 1607.4 D).
    ``equal_opportunity_gap`` is the largest difference in the approval of those who did not default
    (M. Hardt et al., "Equality of opportunity in supervised learning", 2016).
    """
    names, counts = np.unique(group[group != ""], return_counts=True)
    counted = np.isin(group, names[counts >= LEAST_ROWS])
    if len(np.unique(group[counted])) < 2:
        return {"approval_ratio": 1.0, "equal_opportunity_gap": 0.0}
    good, taken = ~defaulted[counted], approved[counted]
    of = {"sensitive_features": group[counted]}
    ratio = demographic_parity_ratio(good, taken, **of) if taken.any() else 1.0
    return {
        "approval_ratio": float(ratio),
        "equal_opportunity_gap": float(equal_opportunity_difference(good, taken, **of)),
    }


def audit(
    attributes: Mapping[str, np.ndarray],
    approved: np.ndarray,
    defaulted: np.ndarray,
    probability: np.ndarray,
) -> dict[str, Any]:
    """Return `by_group` and `summary` of every protected attribute."""
    return {
        name: {
            **summary(group, approved, defaulted),
            "groups": by_group(group, approved, defaulted, probability),
        }
        for name, group in attributes.items()
    }


def _base_rate(defaulted: np.ndarray, _probability: np.ndarray) -> float:
    return float(np.mean(defaulted))
