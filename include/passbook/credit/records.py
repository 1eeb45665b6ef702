"""What is kept of every score: rows of ``credit_score_record`` and ``credit_score_feature``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from passbook.contracts import MART_TABLES
from passbook.credit.scoring import RECORD_COLUMNS, feature


@dataclass(frozen=True)
class Sealing:
    """Which features are sealed, and how.

    Attributes
    ----------
    names : tuple of str
        Features, in the order of the model.
    key_version : int
    seal : callable
        Takes customer numbers and a row of bytes each; returns a sealed value each.
    """

    names: tuple[str, ...]
    key_version: int
    seal: Callable[[pa.Array, np.ndarray], pa.Array]


def record_block(
    scored: pa.RecordBatch, names: Sequence[str], base_date: date, sealing: Sealing | None
) -> pa.RecordBatch:
    """Return the rows of ``mart.credit_score_record`` for a scored block.

    Parameters
    ----------
    scored : pyarrow.RecordBatch
        From `scoring.score_block`.
    names : sequence of str
        The model's features.
    base_date : datetime.date
    sealing : Sealing, optional
        None: every value is kept as it is.
    """
    rows = scored.num_rows
    columns = {name: scored[name] for name in RECORD_COLUMNS}
    columns["base_date"] = pa.repeat(pa.scalar(base_date, pa.date32()), rows)
    columns["key_version"] = pa.nulls(rows, pa.int32())
    columns["sealed"] = pa.nulls(rows, pa.binary())
    if sealing is not None:
        places = [list(names).index(name) for name in sealing.names]
        data = scored["data"].flatten().to_numpy().reshape(rows, len(names)).copy()
        content = np.ascontiguousarray(data[:, places], "<f4").view(np.uint8)
        columns["sealed"] = sealing.seal(scored["customer_id"], content)
        columns["key_version"] = pa.repeat(pa.scalar(sealing.key_version, pa.int32()), rows)
        data[:, places] = np.nan
        columns["data"] = pa.ListArray.from_arrays(scored["data"].offsets, pa.array(data.ravel()))
    schema = MART_TABLES["credit_score_record"].schema
    return pa.record_batch([columns[name] for name in schema.names], schema=schema)


def opened_values(content: np.ndarray) -> np.ndarray:
    """Return the values of sealed features from opened bytes, shape (rows, features)."""
    return np.ascontiguousarray(content).view("<f4")


def feature_rows(
    names: Sequence[str], base_date: date, version: str, sealed: Sequence[str]
) -> pa.RecordBatch:
    """Return the rows of ``mart.credit_score_feature`` for a model's features."""
    start = {
        "feature": "start",
        "description": "where every customer starts",
        "description_ko": "기본 점수",
        "direction": 0,
    }
    described = [start]
    for name in names:
        known = feature(name)
        described.append(
            {
                "feature": name,
                "description": known.english,
                "description_ko": known.korean,
                "direction": known.risk,
            }
        )
    rows = [
        {
            **row,
            "base_date": base_date,
            "place": place,
            "sealed": row["feature"] in sealed,
            "version": version,
        }
        for place, row in enumerate(described)
    ]
    return pa.RecordBatch.from_pylist(rows, schema=MART_TABLES["credit_score_feature"].schema)
