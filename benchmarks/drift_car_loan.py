"""When a retrain is requested on the published car-loan data with an injected drift.

The reference is the first file, the weeks are chunks of the second one, the thresholds those of
the settings. Prints one JSON line with both the chunks that request a retrain and what a test of
significance (two-sample Kolmogorov–Smirnov, 5 %) would call, and how right the published
predictions were once outcomes arrived.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from scipy.stats import ks_2samp
from sklearn.metrics import roc_auc_score

from passbook import drift, settings

NOT_FEATURES = ["id", "timestamp", "repaid", "y_pred", "y_pred_proba"]
MODEL = "car_loan"


def read(folder: Path, part: str) -> pd.DataFrame:
    """Return one of the three files."""
    return pd.read_csv(folder / f"synthetic_car_loan_{part}.csv.gz")


def features(frame: pd.DataFrame) -> pa.Table:
    """Return what a model is given, without its outcome."""
    return pa.Table.from_pandas(frame.drop(columns=NOT_FEATURES, errors="ignore"))


def significant(reference: pa.Table, chunk: pa.Table) -> bool:
    """Return whether any number differs at 5 %, as is usual without an effect size."""
    numbers = [f.name for f in reference.schema if pa.types.is_floating(f.type)]
    return any(ks_2samp(reference[n], chunk[n]).pvalue < 0.05 for n in numbers)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    given = Path(os.environ.get("PASSBOOK_REAL_DATA", beside))
    parser.add_argument("--data", type=Path, default=given / "drift_car_loan")
    parser.add_argument("--chunk-rows", type=int, default=5_000)
    options = parser.parse_args()
    reference, analysis = (read(options.data, part) for part in ("reference", "analysis"))
    outcome = read(options.data, "analysis_target").set_index("id")["repaid"]
    thresholds = drift.thresholds_of(settings.load().drift_thresholds, MODEL)
    old = features(reference)
    histograms = drift.reference_histograms(old)
    auc = roc_auc_score(reference["repaid"], reference["y_pred_proba"])
    chunks: list[dict[str, Any]] = []
    for start in range(0, len(analysis), options.chunk_rows):
        frame = analysis.iloc[start : start + options.chunk_rows]
        table = features(frame)
        found = drift.compare(histograms, drift.count(histograms, table.to_batches()), thresholds)
        worst = max(found, key=lambda feature: feature.psi or 0.0)
        realised = roc_auc_score(outcome.loc[frame["id"]], frame["y_pred_proba"])
        chunks.append(
            {
                "chunk": len(chunks),
                "max_psi": round(worst.psi or 0.0, 4),
                "feature": worst.feature,
                "jensen_shannon": round(max(f.jensen_shannon or 0.0 for f in found), 4),
                "retrain": any(feature.drifted for feature in found),
                "significant": significant(old, table),
                "roc_auc": round(float(realised), 4),
            }
        )
    print(
        json.dumps(
            {
                "benchmark": "drift_car_loan",
                "reference_roc_auc": round(float(auc), 4),
                "retrain_requested": [c["chunk"] for c in chunks if c["retrain"]],
                "significance_would": [c["chunk"] for c in chunks if c["significant"]],
                "chunks": chunks,
                "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
