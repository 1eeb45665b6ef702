"""Turning a model's log-odds into probabilities that can be believed, and checking that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit


@dataclass(frozen=True)
class Calibration:
    """Calibrated log-odds are ``intercept + slope * margin``, with a slope above zero.

    A line keeps additive contributions additive, and customers in their order.
    """

    slope: float = 1.0
    intercept: float = 0.0

    def log_odds(self, margin: np.ndarray) -> np.ndarray:
        """Return calibrated log-odds of default, shape (rows,)."""
        return self.intercept + self.slope * np.asarray(margin, np.float64)

    def probability(self, margin: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities of default, shape (rows,)."""
        return np.asarray(expit(self.log_odds(margin)))


def fit_platt(margin: np.ndarray, defaulted: np.ndarray) -> Calibration:
    """Fit Platt's calibration on margins that the model has not been trained on.

    Parameters
    ----------
    margin : numpy.ndarray, shape (rows,)
        Held-out log-odds.
    defaulted : numpy.ndarray of bool, shape (rows,)

    Notes
    -----
    J. Platt, "Probabilistic outputs for support vector machines", 1999, with his smoothed targets.
    The slope is kept positive: a model that ranks backwards must not be turned around silently.
    """
    margin = np.asarray(margin, np.float64)
    bad = np.asarray(defaulted, bool)
    high = (bad.sum() + 1.0) / (bad.sum() + 2.0)
    low = 1.0 / ((~bad).sum() + 2.0)
    target = np.where(bad, high, low)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        slope = np.exp(parameters[0])
        log_odds = slope * margin + parameters[1]
        error = expit(log_odds) - target
        value = float(np.mean(np.logaddexp(0.0, log_odds) - target * log_odds))
        return value, np.array([np.mean(error * margin) * slope, np.mean(error)])

    found = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-5, 5), (-30, 30)])
    return Calibration(float(np.exp(found.x[0])), float(found.x[1]))


def reliability(
    probability: np.ndarray, defaulted: np.ndarray, bins: int = 10
) -> list[dict[str, float]]:
    """Return predicted and observed default rates in bins of equal size, riskiest last."""
    order = np.argsort(probability, kind="stable")
    return [
        {
            "rows": float(len(part)),
            "predicted": float(probability[part].mean()),
            "observed": float(defaulted[part].mean()),
        }
        for part in np.array_split(order, bins)
        if len(part)
    ]


def expected_calibration_error(
    probability: np.ndarray, defaulted: np.ndarray, bins: int = 10
) -> float:
    """Return the mean distance of predicted from observed default rates, in bins of equal size."""
    table = reliability(probability, defaulted, bins)
    distance = sum(row["rows"] * abs(row["predicted"] - row["observed"]) for row in table)
    return distance / sum(row["rows"] for row in table)
