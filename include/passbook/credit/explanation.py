"""The explanation record of one score: what was decided, by what, from which data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from passbook.credit.features import as_matrix
from passbook.credit.index import HIGHEST, LOWEST
from passbook.credit.scoring import SCHEMA, CreditModels, feature, score_block, with_style


@dataclass(frozen=True)
class Line:
    """A feature's share of the index, in whole points."""

    english: str
    korean: str
    points: int


@dataclass(frozen=True)
class Explanation:
    """Why a customer has this index.

    Attributes
    ----------
    base_date : datetime.date
        The day that the data and the score speak for.
    versions : tuple of str
        The model versions used.
    score : dict
        The customer's row of ``mart.credit_score``, without the base date.
    start : int
        Points that every customer starts with.
    lines : tuple of Line
        Features by the size of their share; with `start` they add up to `points`.
    points : int
        The index before it is held between 300 and 850.
    """

    base_date: date
    versions: tuple[str, ...]
    score: dict[str, object]
    start: int
    lines: tuple[Line, ...]
    points: int

    def to_text(self) -> str:
        """Return the record as text, in English and Korean."""
        score = self.score
        head = [
            f"Credit index {score['credit_index']} (300 to 850), band {score['band']}",
            f"Probability of default in six months: {score['default_probability']:.2%}",
            f"Behaviour style: {score['style']} ({score['style_probability']:.0%})",
            f"Data of {self.base_date}; models {', '.join(self.versions)}",
            "",
            f"{self.start:+5d}  where every customer starts (기본 점수)",
        ]
        body = [f"{line.points:+5d}  {line.english} ({line.korean})" for line in self.lines]
        tail = [f"{self.points:5d}  sum (합계)"]
        if not LOWEST <= self.points <= HIGHEST:
            tail.append(f"{score['credit_index']:5d}  held between {LOWEST} and {HIGHEST}")
        return "\n".join([*head, *body, *tail])


def explain(
    features: pa.RecordBatch, models: CreditModels, base_date: date, versions: Sequence[str]
) -> Explanation:
    """Explain the index of the one customer in `features`.

    Parameters
    ----------
    features : pyarrow.RecordBatch
        One row of `features.build`.
    models : CreditModels
    base_date : datetime.date
    versions : sequence of str
    """
    score = score_block(features, models).to_pylist()[0]
    matrix = as_matrix(features, models.risk_style.names)
    styled = with_style(matrix, models.risk_style.probabilities(matrix))
    parts = models.risk.contributions(styled)[0]
    scale = models.risk.scale
    exact = np.append(-scale.factor * parts[:-1], scale.points(parts[-1:]))
    points = int(np.floor(scale.points(parts.sum()) + 0.5))
    whole = whole_shares(exact, points)
    lines = [
        Line(feature(name).english, feature(name).korean, int(share))
        for name, share in zip(models.risk.names, whole[:-1], strict=True)
        if share
    ]
    lines.sort(key=lambda line: -abs(line.points))
    named = {name: score[name] for name in SCHEMA.names}
    return Explanation(base_date, tuple(versions), named, int(whole[-1]), tuple(lines), points)


def whole_shares(exact: np.ndarray, total: int) -> np.ndarray:
    """Round shares to whole numbers that add up to `total`, by the largest remainders.

    >>> whole_shares(np.array([1.4, 1.4, 1.2]), 4).tolist()
    [2, 1, 1]
    """
    whole: np.ndarray = np.floor(exact).astype(int)
    order = np.argsort(whole - exact, kind="stable")
    missing = total - int(whole.sum())
    whole[order[:missing]] += 1
    return whole
