"""The default-risk model: boosted trees, calibrated, on the scale of the credit index."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import xgboost as xgb

from passbook.credit import boosting, calibration
from passbook.credit.boosting import TreeSettings
from passbook.credit.calibration import Calibration, IsotonicCalibration, Method
from passbook.credit.evaluation import check_outcomes
from passbook.credit.index import IndexScale
from passbook.credit.tree_contributions import ContributionTables, compile_trees


@dataclass(frozen=True)
class DefaultRisk:
    """A fitted model of default risk over a matrix of features.

    Attributes
    ----------
    names : tuple of str
        The matrix's columns.
    low, high : numpy.ndarray of float32, shape (features,)
        Bounds that values are drawn in to (winsorised).
    boosters : tuple of xgboost.Booster
    calibration : Calibration or IsotonicCalibration
    scale : IndexScale
    """

    names: tuple[str, ...]
    low: np.ndarray
    high: np.ndarray
    boosters: tuple[xgb.Booster, ...]
    calibration: Calibration | IsotonicCalibration
    scale: IndexScale

    def log_odds(self, matrix: np.ndarray) -> np.ndarray:
        """Return calibrated log-odds of default, shape (rows,)."""
        return self.calibration.log_odds(self._trees.margins(self._bounded(matrix)))

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """Return exact additive contributions to the calibrated log-odds.

        Returns
        -------
        numpy.ndarray, shape (rows, features + 1)
            The last column is what every customer starts with. A row sums to its log-odds.
        """
        return self.calibration.contributions(self._trees.contributions(self._bounded(matrix)))

    def to_files(self) -> dict[str, bytes]:
        """Return the model as files: JSON and one ``.ubj`` a booster."""
        description = {
            "names": self.names,
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "boosters": len(self.boosters),
            "calibration": self.calibration.described(),
            "scale": asdict(self.scale),
        }
        files = {"default_risk.json": json.dumps(description, indent=1).encode()}
        for number, booster in enumerate(self.boosters):
            files[f"trees_{number}.ubj"] = boosting.to_bytes(booster)
        return files

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> DefaultRisk:
        """Read what `to_files` gave."""
        described = json.loads(files["default_risk.json"])
        return cls(
            tuple(described["names"]),
            np.array(described["low"], np.float32),
            np.array(described["high"], np.float32),
            tuple(
                boosting.from_bytes(files[f"trees_{number}.ubj"])
                for number in range(described["boosters"])
            ),
            calibration.from_described(described["calibration"]),
            IndexScale(**described["scale"]),
        )

    @cached_property
    def _trees(self) -> ContributionTables:
        return compile_trees(self.boosters)

    def _bounded(self, matrix: np.ndarray) -> np.ndarray:
        return np.asarray(np.clip(matrix, self.low, self.high))


def robust_bounds(matrix: np.ndarray, tail: float = 0.001) -> tuple[np.ndarray, np.ndarray]:
    """Return each feature's lower and upper bound: the quantiles that cut off `tail`.

    A feature that is missing throughout gets no bounds.
    """
    low = np.full(matrix.shape[1], -np.inf, np.float32)
    high = np.full(matrix.shape[1], np.inf, np.float32)
    for place, column in enumerate(matrix.T):
        known = column[np.isfinite(column)]
        if len(known):
            low[place], high[place] = np.quantile(known, (tail, 1 - tail), method="nearest")
    return low, high


def fit(
    matrix: np.ndarray,
    defaulted: np.ndarray,
    *,
    names: Sequence[str],
    risk: Sequence[int],
    settings: TreeSettings,
    scale: IndexScale,
    seed: int,
    threads: int,
    calibrated: Method = "platt",
) -> DefaultRisk:
    """Fit boosted trees and calibrate them on margins of rows they have not seen.

    Parameters
    ----------
    matrix : numpy.ndarray of float32, shape (rows, features)
        Missing is NaN.
    defaulted : numpy.ndarray of bool, shape (rows,)
    names : sequence of str, length features
    risk : sequence of int, length features
        1: more never lowers the risk, -1: more never raises it, 0: either.
    settings : TreeSettings
    scale : IndexScale
    seed, threads : int
    calibrated : {"platt", "isotonic"}

    Raises
    ------
    OutcomeError
        E501 when one of the outcomes is too rare.
    """
    bad = check_outcomes(defaulted)
    low, high = robust_bounds(matrix)
    boosters, margins = boosting.fit_folds(
        np.clip(matrix, low, high), bad, settings, monotone=risk, seed=seed, threads=threads
    )
    found = calibration.fit(margins, bad, calibrated)
    return DefaultRisk(tuple(names), low, high, boosters, found, scale)
