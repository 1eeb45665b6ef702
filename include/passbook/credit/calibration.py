"""Turning a model's log-odds into probabilities that can be believed, and checking that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression

Method = Literal["platt", "isotonic"]


@dataclass(frozen=True)
class Calibration:
    """Platt's: calibrated log-odds are ``intercept + slope * margin``, with a slope above zero.

    A line keeps exact contributions exact, and customers in their order.
    """

    slope: float = 1.0
    intercept: float = 0.0

    def log_odds(self, margin: np.ndarray) -> np.ndarray:
        """Return calibrated log-odds of default, shape (rows,)."""
        return self.intercept + self.slope * np.asarray(margin, np.float64)

    def contributions(self, parts: np.ndarray) -> np.ndarray:
        """Turn contributions to the margin (last: the bias) into such to the log-odds, in place."""
        parts *= self.slope
        parts[:, -1] += self.intercept
        return parts

    def probability(self, margin: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities of default, shape (rows,)."""
        return np.asarray(expit(self.log_odds(margin)))

    def described(self) -> dict[str, Any]:
        """Return what `from_described` reads."""
        return {"kind": "platt", **asdict(self)}


@dataclass(frozen=True)
class IsotonicCalibration:
    """Isotonic: calibrated log-odds rise with the margin, along lines between knots.

    Attributes
    ----------
    margins, values : tuple of float
        The knots: ascending margins, and their log-odds, which never fall.
    """

    margins: tuple[float, ...]
    values: tuple[float, ...]

    def log_odds(self, margin: np.ndarray) -> np.ndarray:
        """Return calibrated log-odds of default, shape (rows,)."""
        return np.asarray(np.interp(margin, self.margins, self.values))

    def contributions(self, parts: np.ndarray) -> np.ndarray:
        """Turn contributions to the margin (last: the bias) into such to the log-odds, in place.

        A row's contributions are stretched by one factor, which is never below zero: they add up to
        the calibrated log-odds, and keep their signs and their order.
        """
        start = parts[:, -1].copy()
        gap = parts[:, :-1].sum(axis=1)
        parts[:, -1] = self.log_odds(start)
        rise = self.log_odds(start + gap) - parts[:, -1]
        small = np.abs(gap) < 1e-9
        factor = np.where(small, 1.0, rise / np.where(small, 1.0, gap))
        parts[:, :-1] *= factor[:, None]
        return parts

    def described(self) -> dict[str, Any]:
        """Return what `from_described` reads."""
        return {"kind": "isotonic", **asdict(self)}


def from_described(described: Mapping[str, Any]) -> Calibration | IsotonicCalibration:
    """Read what ``described`` gave."""
    values = {name: value for name, value in described.items() if name != "kind"}
    if described.get("kind") == "isotonic":
        return IsotonicCalibration(tuple(values["margins"]), tuple(values["values"]))
    return Calibration(**values)


def fit(
    margin: np.ndarray, defaulted: np.ndarray, method: Method
) -> Calibration | IsotonicCalibration:
    """Fit a calibration on margins that the model has not been trained on."""
    return fit_isotonic(margin, defaulted) if method == "isotonic" else fit_platt(margin, defaulted)


def fit_isotonic(margin: np.ndarray, defaulted: np.ndarray) -> IsotonicCalibration:
    """Fit an isotonic calibration (B. Zadrozny and C. Elkan, 2002) on held-out margins.

    Where nobody, or everybody, defaulted the odds are held at one customer more of either kind.
    """
    bad = np.asarray(defaulted, bool)
    least = 1.0 / (len(bad) + 2.0)
    regression = IsotonicRegression(y_min=least, y_max=1 - least, out_of_bounds="clip")
    regression.fit(np.asarray(margin, np.float64), bad.astype(float))
    return IsotonicCalibration(
        tuple(map(float, regression.X_thresholds_)),
        tuple(map(float, logit(regression.y_thresholds_))),
    )


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
