"""CreditModel and the scorecard on a public credit-card table, five-fold cross-validated.

Sex, age and marital status are left out. Reads ``credit_taiwan/UCI_Credit_Card.csv`` below
``PASSBOOK_REAL_DATA`` or ``../shared/data`` beside the checkout. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold

from passbook.credit import CreditModel, scorecard
from passbook.credit.calibration import expected_calibration_error
from passbook.credit.evaluation import discrimination
from passbook.credit.index import IndexScale
from passbook.credit.scorecard import ScorecardSettings

PROTECTED = ("SEX", "AGE", "MARRIAGE")
OUTCOME = "default.payment.next.month"
CHECKOUT = Path(__file__).resolve().parent.parent


def read() -> tuple[pd.DataFrame, np.ndarray]:
    """Return the table without its key, and who defaulted."""
    folder = Path(os.environ.get("PASSBOOK_REAL_DATA", CHECKOUT.parent / "shared" / "data"))
    file = folder / "credit_taiwan" / "UCI_Credit_Card.csv"
    if not file.exists():
        raise SystemExit(f"Skipped: {file} does not exist; PASSBOOK_REAL_DATA names the folder.")
    table = pd.read_csv(file)
    return table.drop(columns=["ID", OUTCOME]), table[OUTCOME].to_numpy() == 1


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    X, bad = read()
    started = time.perf_counter()
    model_auc, model_error, card_auc = [], [], []
    splitter = StratifiedKFold(options.folds, shuffle=True, random_state=options.seed)
    for train, test in splitter.split(X, bad):
        model = CreditModel(protected=PROTECTED, threads=options.threads)
        probability = model.fit(X.iloc[train], bad[train]).predict_default(X.iloc[test])
        model_auc.append(discrimination(probability, bad[test])["roc_auc"])
        model_error.append(expected_calibration_error(probability, bad[test]))
        features = X.drop(columns=list(PROTECTED))
        card = scorecard.fit(
            features.iloc[train].to_numpy(np.float32), bad[train], names=list(features.columns),
            risk=[0] * features.shape[1], settings=ScorecardSettings(), scale=IndexScale(),
        )  # fmt: skip
        risk = card.log_odds(features.iloc[test].to_numpy(np.float32))
        card_auc.append(discrimination(risk, bad[test])["roc_auc"])
    mean_auc, mean_card = float(np.mean(model_auc)), float(np.mean(card_auc))
    print(
        json.dumps(
            {
                "credit_model_roc_auc": round(mean_auc, 4),
                "by_fold": [round(area, 4) for area in model_auc],
                "expected_calibration_error": round(float(np.mean(model_error)), 4),
                "scorecard_roc_auc": round(mean_card, 4),
                "ratio": round(mean_auc / mean_card, 4),
                "seconds": round(time.perf_counter() - started, 1),
                "peak_memory_gb": round(
                    resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2
                ),
            }
        )
    )


if __name__ == "__main__":
    main()
