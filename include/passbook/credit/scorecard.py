"""A scorecard: whole points for each range of each feature, added up.

The transparent alternative to boosted trees: it fits on a page, and in SQL.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.tree import DecisionTreeClassifier

from passbook.credit.evaluation import check_outcomes
from passbook.credit.index import IndexScale


@dataclass(frozen=True)
class ScorecardSettings:
    """Settings of the scorecard."""

    most_ranges: int = 8
    fewest_defaults: int = 8
    """Customers of a range: as many as have this many defaults on average."""
    folds: int = 5
    """Parts of the customers, each judged by ranges that the others cut."""
    least_slope: float = 0.1
    """Weight of a feature's evidence below which it is left out; 1 takes it at its word."""
    regularisation: float = 1.0
    """scikit-learn's C of the logistic regression on weights of evidence."""


@dataclass(frozen=True)
class Characteristic:
    """A feature's ranges and their points.

    Attributes
    ----------
    name : str
    edges : tuple of float
        Ascending; range ``i`` reaches up to and with ``edges[i]``, the last one beyond them.
    points : tuple of int, length of edges + 1
    missing_points : int
    average : float
        Mean points of the training customers, against which a customer's points are a reason.
    information : float
        Information value, how much the feature tells good from bad on its own.
    """

    name: str
    edges: tuple[float, ...]
    points: tuple[int, ...]
    missing_points: int
    average: float
    information: float

    def of(self, column: np.ndarray) -> np.ndarray:
        """Return the points of each value of a float32 column, shape (rows,)."""
        points: np.ndarray = np.array([*self.points, self.missing_points])
        return np.asarray(points[_places(column, self.edges)])


@dataclass(frozen=True)
class Scorecard:
    """A fitted scorecard.

    Attributes
    ----------
    names : tuple of str
        Columns of the feature matrix.
    start : int
        Points that every customer starts with.
    characteristics : tuple of Characteristic
    scale : IndexScale
    """

    names: tuple[str, ...]
    start: int
    characteristics: tuple[Characteristic, ...]
    scale: IndexScale

    def points(self, matrix: np.ndarray) -> np.ndarray:
        """Return unclipped whole points, shape (rows,)."""
        total = np.full(len(matrix), self.start)
        for characteristic in self.characteristics:
            total += characteristic.of(matrix[:, self.names.index(characteristic.name)])
        return total

    def log_odds(self, matrix: np.ndarray) -> np.ndarray:
        """Return log-odds of default, shape (rows,)."""
        return self._as_log_odds(self.points(matrix))

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """Return additive contributions to the log-odds, each against the average customer's.

        Returns
        -------
        numpy.ndarray, shape (rows, features + 1)
            The last column is what every customer starts with. A row sums to its log-odds.
        """
        found = np.zeros((len(matrix), len(self.names) + 1))
        for characteristic in self.characteristics:
            place = self.names.index(characteristic.name)
            against = characteristic.of(matrix[:, place]) - characteristic.average
            found[:, place] = -against / self.scale.factor
        average = self.start + sum(c.average for c in self.characteristics)
        found[:, -1] = self._as_log_odds(np.array(average))
        return found

    def to_files(self) -> dict[str, bytes]:
        """Return the scorecard as a JSON file."""
        return {"scorecard.json": json.dumps(asdict(self), indent=1).encode()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Scorecard:
        """Read what `to_files` gave."""
        described = json.loads(files["scorecard.json"])
        characteristics = tuple(
            Characteristic(
                **{**item, "edges": tuple(item["edges"]), "points": tuple(item["points"])}
            )
            for item in described["characteristics"]
        )
        scale = IndexScale(**described["scale"])
        return cls(tuple(described["names"]), described["start"], characteristics, scale)

    def _as_log_odds(self, points: np.ndarray) -> np.ndarray:
        return (self.scale.base - points) / self.scale.factor - math.log(self.scale.base_odds)


@dataclass(frozen=True)
class _Binned:
    """A feature in ranges: each row's range, and each range's weight of evidence."""

    name: str
    edges: tuple[float, ...]
    place: np.ndarray
    weights: np.ndarray
    information: float

    @property
    def has_missing(self) -> bool:
        """Whether some rows, but not all, are in the range of missing values."""
        missing = self.place == len(self.edges) + 1
        return bool(missing.any() and not missing.all())


def fit(
    matrix: np.ndarray,
    defaulted: np.ndarray,
    *,
    names: Sequence[str],
    risk: Sequence[int],
    settings: ScorecardSettings,
    scale: IndexScale,
) -> Scorecard:
    """Fit a scorecard: ranges by a small monotone tree a feature, then a logistic regression.

    Parameters
    ----------
    matrix : numpy.ndarray of float32, shape (rows, features)
        Missing is NaN; it gets points of its own.
    defaulted : numpy.ndarray of bool, shape (rows,)
    names : sequence of str, length features
    risk : sequence of int, length features
        1: more never gives more points, -1: more never gives fewer, 0: either.
    settings : ScorecardSettings
    scale : IndexScale

    Raises
    ------
    OutcomeError
        E501 when one of the outcomes is too rare.

    Notes
    -----
    N. Siddiqi, "Credit Risk Scorecards", 2006: weight of evidence, information value, points.
    """
    bad = check_outcomes(defaulted)
    columns = list(zip(matrix.T, names, risk, strict=True))
    binned = [_binned(column, bad, name, sign, settings) for column, name, sign in columns]
    evidence = _unseen_evidence(columns, bad, settings)
    informed = [place for place, b in enumerate(binned) if len(b.edges) or b.has_missing]
    kept, slopes, intercept = _regressed(evidence, informed, bad, settings)
    binned = [binned[place] for place in kept]
    characteristics = tuple(
        _characteristic(b, slope * scale.factor) for b, slope in zip(binned, slopes, strict=True)
    )
    start = scale.base - scale.factor * (intercept + math.log(scale.base_odds))
    return Scorecard(tuple(names), round(start), characteristics, scale)


def _binned(
    column: np.ndarray, bad: np.ndarray, name: str, sign: int, settings: ScorecardSettings
) -> _Binned:
    known = ~np.isnan(column)
    edges: tuple[float, ...] = ()
    smallest = max(1, round(settings.fewest_defaults / max(bad.mean(), 1e-6)))
    if known.sum() >= 2 * smallest:
        tree = DecisionTreeClassifier(
            max_leaf_nodes=settings.most_ranges,
            min_samples_leaf=smallest,
            monotonic_cst=[sign],
            random_state=0,
        ).fit(column[known, None], bad[known])
        cuts = tree.tree_.threshold[tree.tree_.feature >= 0]
        # Data are float32, so cuts are too: Python and SQL then compare the same numbers.
        edges = tuple(sorted({float(np.float32(cut)) for cut in cuts}))
    place = _places(column, edges)
    weights, information = _weights(place, bad, len(edges) + 2)
    return _Binned(name, edges, place, weights, information)


def _places(column: np.ndarray, edges: tuple[float, ...]) -> np.ndarray:
    """Return each value's range, the last one being for missing values."""
    place = np.searchsorted(np.array(edges, np.float32), column, side="left")
    return np.where(np.isnan(column), len(edges) + 1, place)


def _weights(place: np.ndarray, bad: np.ndarray, ranges: int) -> tuple[np.ndarray, float]:
    """Return each range's weight of evidence (log-odds above average) and their information.

    Half a customer of either kind, in proportion, keeps a range without defaults finite.
    """
    rate = bad.mean()
    bads = np.bincount(place[bad], minlength=ranges) + rate
    goods = np.bincount(place[~bad], minlength=ranges) + 1 - rate
    bad_share, good_share = bads / bads.sum(), goods / goods.sum()
    weights = np.log(bad_share / good_share)
    return weights, float(((bad_share - good_share) * weights).sum())


def _unseen_evidence(
    columns: Sequence[tuple[np.ndarray, str, int]], bad: np.ndarray, settings: ScorecardSettings
) -> np.ndarray:
    """Return each row's weights of evidence by ranges that were cut without it.

    Ranges flatter the rows they were cut by, and those of noise the most. Regressed on evidence
    from other rows, noise gets no weight.
    """
    found = np.empty((len(bad), len(columns)))
    folds = StratifiedKFold(settings.folds, shuffle=True, random_state=0)
    for train, test in folds.split(bad, bad):
        for place, (column, name, sign) in enumerate(columns):
            cut = _binned(column[train], bad[train], name, sign, settings)
            found[test, place] = cut.weights[_places(column[test], cut.edges)]
    return found


def _regressed(
    evidence: np.ndarray, kept: list[int], bad: np.ndarray, settings: ScorecardSettings
) -> tuple[list[int], np.ndarray, float]:
    """Weigh the features, dropping one after the other whose weight says next to nothing.

    A weight below zero would turn a feature's own evidence around.
    """
    while kept:
        model = LogisticRegression(C=settings.regularisation, max_iter=1000)
        model.fit(evidence[:, kept], bad)
        slopes = model.coef_[0]
        worst = int(slopes.argmin())
        if slopes[worst] >= settings.least_slope:
            return kept, slopes, float(model.intercept_[0])
        kept = [place for number, place in enumerate(kept) if number != worst]
    return [], np.empty(0), float(np.log(bad.mean() / (1 - bad.mean())))


def _characteristic(binned: _Binned, points_per_weight: float) -> Characteristic:
    points = [round(-points_per_weight * weight) for weight in binned.weights]
    return Characteristic(
        binned.name,
        binned.edges,
        tuple(points[:-1]),
        points[-1],
        float(np.array(points)[binned.place].mean()),
        binned.information,
    )
