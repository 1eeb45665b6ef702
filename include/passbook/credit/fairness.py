"""Fairness of a credit index between groups: approvals, good customers turned away, calibration.

The groups are protected attributes, which are looked at here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

LEAST_ROWS: Final = 100
"""Groups smaller than this are listed but do not move a ratio: chance would decide it."""


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
    rows = []
    for name in np.unique(group[group != ""]):
        inside = group == name
        good = inside & ~defaulted
        rows.append(
            {
                "group": str(name),
                "rows": int(inside.sum()),
                "approved": float(approved[inside].mean()),
                "good_approved": float(approved[good].mean()) if good.any() else 0.0,
                "predicted": float(probability[inside].mean()),
                "observed": float(defaulted[inside].mean()),
            }
        )
    return rows


def summary(groups: list[dict[str, Any]]) -> dict[str, float]:
    """Return the lowest approval rate over the highest, and the gap between good customers.

    ``approval_ratio`` below 0.8 breaks the four-fifths rule (29 CFR 1607.4 D).
    ``equal_opportunity_gap`` is the largest difference in the approval of those who did not default
    (M. Hardt et al., "Equality of opportunity in supervised learning", 2016).
    """
    counted = [row for row in groups if row["rows"] >= LEAST_ROWS]
    if len(counted) < 2:
        return {"approval_ratio": 1.0, "equal_opportunity_gap": 0.0}
    approved = [row["approved"] for row in counted]
    good = [row["good_approved"] for row in counted]
    return {
        "approval_ratio": min(approved) / max(approved) if max(approved) else 1.0,
        "equal_opportunity_gap": max(good) - min(good),
    }


def audit(
    attributes: Mapping[str, np.ndarray],
    approved: np.ndarray,
    defaulted: np.ndarray,
    probability: np.ndarray,
) -> dict[str, Any]:
    """Return `by_group` and `summary` of every protected attribute."""
    found = {}
    for name, group in attributes.items():
        rows = by_group(group, approved, defaulted, probability)
        found[name] = {**summary(rows), "groups": rows}
    return found
