"""Scoring with reasons: tabled contributions against XGBoost's own exact ones.

Prints one JSON line. The models are trained on drawn customers; blocks of others are made
beforehand and scored in turn, so that the figure is of scoring: style, default probability, index,
band and reasons. XGBoost's contributions are timed on a sample, and compared value by value.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import xgboost as xgb

from passbook.contracts import STYLES
from passbook.credit import default_risk, features, scoring, styles
from passbook.credit.boosting import TreeSettings
from passbook.credit.default_risk import DefaultRisk
from passbook.credit.index import IndexScale
from passbook.credit.scoring import CreditModels, with_style
from passbook.credit.tree_contributions import compile_trees
from passbook.steps.score_credit import score

NAMES = features.names(set(features.FEATURES))
DISTINCT_BLOCKS = 4


def draw(rows: int, seed: int) -> tuple[pa.RecordBatch, np.ndarray, np.ndarray]:
    """Return customers' features with gaps, who defaulted, and their styles."""
    rng = np.random.default_rng(seed)
    matrix = np.exp(rng.normal(0, 1, (rows, len(NAMES)))).astype(np.float32)
    signal = np.log(matrix[:, :8]) @ np.linspace(-0.6, 0.6, 8)
    bad = rng.random(rows) < 1 / (1 + np.exp(3 - signal))
    loose = matrix[:, NAMES.index("txn_count")] > 1
    aggressive = matrix[:, NAMES.index("amount_cv")] > 1
    style = np.where(loose, 0, 2) + aggressive
    style = np.where(rng.random(rows) < 0.1, rng.integers(0, len(STYLES), rows), style)
    matrix[rng.random(matrix.shape) < 0.05] = np.nan
    ids = pa.array([f"C{number:09d}" for number in range(rows)])
    columns = [pa.array(column, from_pandas=True) for column in matrix.T]
    return pa.record_batch([ids, *columns], names=["customer_id", *NAMES]), bad, style


def train(rows: int, threads: int) -> tuple[CreditModels, DefaultRisk]:
    """Return models of the weekly stage's settings."""
    batch, bad, label = draw(rows, seed=1)
    matrix = features.as_matrix(batch, NAMES)
    style, _ = styles.fit(matrix, label, names=NAMES, seed=0)
    columns = (*NAMES, *(feature.name for feature in scoring.STYLE_FEATURES))
    risk = default_risk.fit(
        with_style(matrix, style.probabilities(matrix)), bad, names=columns,
        risk=[0] * len(columns), settings=TreeSettings(), scale=IndexScale(), seed=0,
        threads=threads,
    )  # fmt: skip
    return CreditModels(style, style, risk), risk


def compare(risk: DefaultRisk, matrix: np.ndarray, rows: int) -> dict[str, float]:
    """Time XGBoost's exact contributions and ours on the same rows, on one thread each."""
    part = matrix[:rows]
    for booster in risk.boosters:
        booster.set_param({"nthread": 1})
    started = time.perf_counter()
    theirs = sum(
        booster.predict(xgb.DMatrix(part, nthread=1), pred_contribs=True)
        for booster in risk.boosters
    ) / len(risk.boosters)
    xgboost_seconds = time.perf_counter() - started
    tables = compile_trees(risk.boosters)
    tables.contributions(part)
    started = time.perf_counter()
    ours = tables.contributions(part)
    seconds = time.perf_counter() - started
    return {
        "sample_rows": rows,
        "xgboost_seconds": round(xgboost_seconds, 3),
        "tabled_seconds": round(seconds, 4),
        "ratio": round(xgboost_seconds / seconds, 1),
        "largest_difference": float(np.abs(ours - theirs).max()),
    }


def score_all(
    models: CreditModels, blocks: Sequence[pa.RecordBatch], rows: int, threads: int
) -> float:
    """Return the seconds that scoring `rows` customers takes."""
    block_rows = blocks[0].num_rows
    table = pa.Table.from_batches([blocks[i % len(blocks)] for i in range(rows // block_rows)])
    day = date(2022, 12, 4)
    for _ in score(table.slice(0, block_rows), models, day, block_rows=1000, threads=1):
        break  # compiled now, not inside the measurement
    started = time.perf_counter()
    scored = sum(
        batch.num_rows
        for batch, _ in score(table, models, day, block_rows=block_rows, threads=threads)
    )
    assert scored == table.num_rows  # noqa: S101
    return time.perf_counter() - started


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--block-rows", type=int, default=250_000)
    parser.add_argument("--train-rows", type=int, default=40_000)
    parser.add_argument("--sample-rows", type=int, default=500)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    models, risk = train(options.train_rows, options.threads)
    models = replace(models, risk=risk)
    blocks = [draw(options.block_rows, seed)[0] for seed in range(DISTINCT_BLOCKS)]
    matrix = features.as_matrix(blocks[0].slice(0, options.sample_rows), NAMES)
    compared = compare(risk, with_style(matrix, models.style.probabilities(matrix)), len(matrix))
    rows = options.rows // options.block_rows * options.block_rows
    seconds = score_all(models, blocks, rows, options.threads)
    print(
        json.dumps(
            {
                "rows": rows,
                "threads": options.threads,
                "trees": sum(booster.num_boosted_rounds() for booster in risk.boosters),
                "scoring_seconds": round(seconds, 1),
                "rows_per_second": round(rows / seconds),
                **compared,
                "peak_memory_gb": round(
                    resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2
                ),
            }
        )
    )


if __name__ == "__main__":
    main()
