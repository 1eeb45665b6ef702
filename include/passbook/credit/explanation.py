"""The explanation record of one score: what was decided, by what, from which data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np

from passbook.credit.index import HIGHEST, LOWEST

SEALED: Final = "sealed (비공개)"
UNKNOWN: Final = "unknown (없음)"


@dataclass(frozen=True)
class Line:
    """A feature's share of the index, in whole points, and the value that gave it."""

    english: str
    korean: str
    points: int
    value: str


@dataclass(frozen=True)
class Explanation:
    """Why a customer has this index.

    Attributes
    ----------
    base_date : datetime.date
        The day that the data and the score speak for.
    versions : tuple of str
        The model versions used.
    score : Mapping
        The customer's row of ``mart.credit_score``.
    start : int
        Points that every customer starts with.
    lines : tuple of Line
        All features, the weightiest first. With `start` their points add up to `points`.
    points : int
        The index before it is held between 300 and 850.
    """

    base_date: date
    versions: tuple[str, ...]
    score: Mapping[str, Any]
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
            "Main reasons (주요 사유)",
            *(f"  {reason}" for reason in score["reasons"]),
            "",
            "Points, and the data they come from (점수와 근거 자료)",
            f"{self.start:+5d}  where every customer starts (기본 점수)",
        ]
        body = [
            f"{line.points:+5d}  {line.english} ({line.korean}): {line.value}"
            for line in self.lines
            if line.points
        ]
        tail = [f"{self.points:5d}  sum (합계)"]
        if not LOWEST <= self.points <= HIGHEST:
            tail.append(f"{score['credit_index']:5d}  held between {LOWEST} and {HIGHEST}")
        idle = [line for line in self.lines if not line.points]
        if idle:
            tail += ["", "Considered, without points (점수에 영향 없음)"]
            tail += [f"       {line.english} ({line.korean}): {line.value}" for line in idle]
        return "\n".join([*head, *body, *tail])


def explain(
    score: Mapping[str, Any],
    record: Mapping[str, Any],
    features: Sequence[Mapping[str, Any]],
    *,
    base_date: date,
    versions: Sequence[str],
    opened: np.ndarray | None,
) -> Explanation:
    """Read a customer's explanation from what the mart keeps.

    Parameters
    ----------
    score, record : Mapping
        The customer's rows of ``mart.credit_score`` and ``mart.credit_score_record``.
    features : sequence of Mapping
        The week's rows of ``mart.credit_score_feature``, by place.
    base_date : datetime.date
    versions : sequence of str
    opened : numpy.ndarray, optional
        Values of the sealed features in order of their places; None leaves them sealed.
    """
    values = iter([] if opened is None else opened.tolist())
    lines = []
    for row in features[1:]:
        if not row["sealed"]:
            value = _in_words(record["data"][row["place"] - 1])
        else:
            value = SEALED if opened is None else _in_words(next(values))
        points = int(record["points"][row["place"] - 1])
        lines.append(Line(row["description"], row["description_ko"], points, value))
    total = record["start"] + sum(line.points for line in lines)
    lines.sort(key=lambda line: -abs(line.points))
    return Explanation(base_date, tuple(versions), score, record["start"], tuple(lines), total)


def _in_words(value: float) -> str:
    return UNKNOWN if np.isnan(value) else f"{value:,.6g}" if abs(value) < 1e4 else f"{value:,.0f}"
