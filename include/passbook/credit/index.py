"""The credit index: points from 300 to 850 out of calibrated log-odds, and bands A to E."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

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
