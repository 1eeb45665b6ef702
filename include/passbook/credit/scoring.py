"""Scoring a block of customers: an Arrow record batch of features in, one of scores out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from scipy.special import expit

from passbook.contracts import MART_TABLES, STYLES
from passbook.credit import index, reasons, risk_models, style_classifiers
from passbook.credit.features import FEATURES, Feature, as_matrix
from passbook.credit.index import whole_points
from passbook.credit.risk_models import RiskModel
from passbook.credit.style_classifiers import StyleModel

STYLE_FEATURES: Final = (
    Feature("loose_probability", "how often money moves", "거래 빈도 성향"),
    Feature("aggressive_probability", "risk taken with money", "위험 선호 성향"),
)
"""What the style model tells the default-risk model."""

_LOOSE: Final = [place for place, name in enumerate(STYLES) if name.startswith("loose")]
_AGGRESSIVE: Final = [place for place, name in enumerate(STYLES) if name.endswith("aggressive")]
_FEATURE: Final = {
    feature.name: feature for group in (*FEATURES.values(), STYLE_FEATURES) for feature in group
}
SCORE_COLUMNS: Final = tuple(
    name for name in MART_TABLES["credit_score"].schema.names if name != "base_date"
)
RECORD_COLUMNS: Final = ("customer_id", "start", "points", "data")
_FIELDS: Final = {
    field.name: field
    for table in ("credit_score_record", "credit_score")
    for field in MART_TABLES[table].schema
}
SCHEMA: Final = pa.schema([_FIELDS[name] for name in (*SCORE_COLUMNS, *RECORD_COLUMNS[1:])])


def feature(name: str) -> Feature:
    """Return the credit feature of this name."""
    return _FEATURE[name]


def with_style(matrix: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Append `STYLE_FEATURES` to a feature matrix, from the styles' probabilities."""
    loose = probabilities[:, _LOOSE].sum(axis=1, keepdims=True)
    aggressive = probabilities[:, _AGGRESSIVE].sum(axis=1, keepdims=True)
    return np.hstack([matrix, loose, aggressive]).astype(np.float32)


@dataclass(frozen=True)
class CreditModels:
    """What a customer is scored with.

    Attributes
    ----------
    style : StyleModel
        Gives the style that is published.
    risk_style : StyleModel
        Gives `STYLE_FEATURES` to `risk`, which was trained with them; a newer `style` must not
        slip under an older `risk`.
    risk : RiskModel
    """

    style: StyleModel
    risk_style: StyleModel
    risk: RiskModel

    @classmethod
    def from_files(
        cls, style_files: Mapping[str, bytes], risk_files: Mapping[str, bytes]
    ) -> CreditModels:
        """Read the files of ``credit.style`` and ``credit.default``."""
        style = style_classifiers.from_files(style_files)
        same = all(style_files[name] == risk_files.get(name) for name in style.to_files())
        risk_style = style if same else style_classifiers.from_files(risk_files)
        return cls(style, risk_style, risk_models.from_files(risk_files))


def score_block(
    features: pa.RecordBatch, models: CreditModels, *, count: int = 4
) -> pa.RecordBatch:
    """Score a block of customers.

    Parameters
    ----------
    features : pyarrow.RecordBatch
        ``customer_id`` and the models' features (`features.build`).
    models : CreditModels
    count : int
        Most reasons a customer.

    Returns
    -------
    pyarrow.RecordBatch
        `SCHEMA`: the columns of ``mart.credit_score`` after ``base_date``, and what
        ``mart.credit_score_record`` keeps of it.
    """
    risk, style = models.risk, models.risk_style
    matrix = as_matrix(features, style.names)
    probabilities = style.probabilities(matrix)
    data = with_style(matrix, probabilities)
    parts = risk.contributions(data)
    if models.style is not style:
        probabilities = models.style.probabilities(as_matrix(features, models.style.names))
    log_odds = parts.sum(axis=1)
    points = risk.scale.index(log_odds)
    best = probabilities.argmax(axis=1)
    whole = whole_points(parts, risk.scale)
    return pa.record_batch(
        [
            features["customer_id"],
            pa.array(STYLES).take(pa.array(best)),
            pa.array(probabilities[np.arange(len(best)), best].clip(0, 1)),
            pa.array(expit(log_odds)),
            pa.array(points),
            pa.array(index.BANDS).take(pa.array(index.bands(points))),
            _reasons(parts[:, :-1], points < risk.scale.base, risk.names, count),
            pa.array(whole[:, -1].astype(np.int32)),
            as_lists(whole[:, :-1]),
            as_lists(data),
        ],
        schema=SCHEMA,
    )


def as_lists(matrix: np.ndarray) -> pa.ListArray:
    """Return a list a row of a matrix."""
    rows, width = matrix.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * width
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.ravel(matrix)))


def _reasons(
    parts: np.ndarray, adverse: np.ndarray, names: tuple[str, ...], count: int
) -> pa.ListArray:
    place, filled = reasons.choose(parts, adverse, count)
    phrases = reasons.bilingual([feature(name) for name in names])
    return reasons.in_words(place, filled, adverse, phrases)
