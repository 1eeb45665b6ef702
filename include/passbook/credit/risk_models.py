"""The two kinds of default-risk model, and which of them is published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, Protocol

import numpy as np

from passbook.credit.default_risk import DefaultRisk
from passbook.credit.index import IndexScale
from passbook.credit.scorecard import Scorecard

BOOSTED_TREES: Final = "boosted_trees"
SCORECARD: Final = "scorecard"
_FILE: Final = "risk_model.json"


class RiskModel(Protocol):
    """A fitted model of default risk over a matrix of features."""

    @property
    def names(self) -> tuple[str, ...]:
        """The matrix's columns."""

    @property
    def scale(self) -> IndexScale:
        """How its odds become points."""

    def log_odds(self, matrix: np.ndarray) -> np.ndarray:
        """Return log-odds of default, shape (rows,)."""

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """Return what adds up to the log-odds, shape (rows, features + 1)."""


def choose(gini: Mapping[str, float], distance: float) -> str:
    """Choose the scorecard when its Gini is within `distance` of the trees', else the trees.

    A model that people can read is worth a little discrimination; how little is the bank's to say.
    """
    return SCORECARD if gini[SCORECARD] >= gini[BOOSTED_TREES] - distance else BOOSTED_TREES


def to_files(trees: DefaultRisk, scorecard: Scorecard, chosen: str) -> dict[str, bytes]:
    """Return both models as files, with a note of the one that is published.

    The scorecard always travels along, so that its SQL can be had whichever is published.
    """
    note = json.dumps({"kind": chosen}).encode()
    return {**trees.to_files(), **scorecard.to_files(), _FILE: note}


def from_files(files: Mapping[str, bytes]) -> RiskModel:
    """Read the published model out of what `to_files` gave."""
    if json.loads(files[_FILE])["kind"] == SCORECARD:
        return Scorecard.from_files(files)
    return DefaultRisk.from_files(files)
