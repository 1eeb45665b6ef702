"""The credit index: points from 300 to 850 out of calibrated log-odds, and bands A to E."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numba
import numpy as np

LOWEST: Final = 300
HIGHEST: Final = 850
BANDS: Final = ("E", "D", "C", "B", "A")
BAND_FLOORS: Final = (520, 580, 640, 700)
"""First index of bands D, C, B and A. At the default scale these are good:bad odds of 4.75, 13.4,
38 and 107 to 1."""


@dataclass(frozen=True)
class IndexScale:
    """How odds become points.

    Attributes
    ----------
    base : float
        Index at the base odds.
    base_odds : float
        Good:bad odds at the base index.
    points_to_double : float
        Points that double the odds.
    """

    base: float = 600.0
    base_odds: float = 19.0
    points_to_double: float = 40.0

    @property
    def factor(self) -> float:
        """Points for one unit of log-odds."""
        return self.points_to_double / math.log(2.0)

    def points(self, log_odds: np.ndarray) -> np.ndarray:
        """Return unclipped, unrounded points for log-odds of default, shape (rows,)."""
        return self.base - self.factor * (np.asarray(log_odds) + math.log(self.base_odds))

    def index(self, log_odds: np.ndarray) -> np.ndarray:
        """Return the index as int32, rounded and clipped to 300–850; it falls as risk rises."""
        rounded = np.floor(self.points(log_odds) + 0.5)
        return np.clip(rounded, LOWEST, HIGHEST).astype(np.int32)


def whole_points(parts: np.ndarray, scale: IndexScale) -> np.ndarray:
    """Turn contributions into whole points that add up to the index before it is clipped.

    Parameters
    ----------
    parts : numpy.ndarray, shape (rows, features + 1)
        Contributions to the log-odds of default; the last is what every customer starts with.
    scale : IndexScale

    Returns
    -------
    numpy.ndarray of int16, shape (rows, features + 1)
    """
    exact = -scale.factor * parts
    exact[:, -1] = scale.points(parts[:, -1])
    total = np.floor(scale.points(parts.sum(axis=1)) + 0.5).astype(np.int64)
    return np.asarray(whole_shares(exact, total))


@numba.njit(cache=True, nogil=True)
def whole_shares(exact: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Round each row's shares to int16 that add up to its total, by the largest remainders."""
    rows, shares = exact.shape
    whole = np.empty((rows, shares), np.int16)
    remainder = np.empty(shares)
    for row in range(rows):
        missing = total[row]
        for share in range(shares):
            low = np.floor(exact[row, share])
            whole[row, share] = np.int16(low)
            remainder[share] = exact[row, share] - low
            missing -= np.int64(low)
        for _ in range(missing):
            largest = remainder.argmax()
            whole[row, largest] += 1
            remainder[largest] -= 1.0
    return whole


def bands(index: np.ndarray) -> np.ndarray:
    """Return the position in `BANDS` of each index, shape (rows,)."""
    return np.searchsorted(np.array(BAND_FLOORS), index, side="right")


def band_table(index: np.ndarray, defaulted: np.ndarray) -> list[dict[str, float | str]]:
    """Return customers and observed default rate of every band, safest first."""
    place = bands(index)
    return [
        {
            "band": name,
            "customers": float((place == number).sum()),
            "default_rate": float(defaulted[place == number].mean())
            if (place == number).any()
            else 0.0,
        }
        for number, name in reversed(list(enumerate(BANDS)))
    ]
