"""Two recipes for the same real card customers: min–max scaling with k-means, and Passbook's.

Prints one JSON line: for both, the separation (η²) of the money columns on their logarithm, the
share of the smallest cluster, and whether another seed finds the same clusters.
Needs the data set card_customers: PASSBOOK_REAL_DATA, or shared/data beside the checkout.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from passbook.segments import KPrototypes
from passbook.segments.audit import audit_clusters
from passbook.segments.feature_sets import FeatureSet, Number
from passbook.segments.features import Scaling, fit_scaling
from passbook.segments.number_of_clusters import (
    STARTS,
    choose_cluster_count,
    try_cluster_counts,
)

MONEY = ("BALANCE", "CREDIT_LIMIT", "PAYMENTS", "MINIMUM_PAYMENTS")
USE = ("PURCHASES", "ONEOFF_PURCHASES", "INSTALLMENTS_PURCHASES", "CASH_ADVANCE",
       "CASH_ADVANCE_TRX", "PURCHASES_TRX")  # fmt: skip
FEATURES = FeatureSet(
    "card_customers",
    (*(Number(name, "money") for name in MONEY), *(Number(name, "use") for name in USE)),
    (),
    {"money": 0.5, "use": 0.5},
)
Labels = npt.NDArray[Any]


def naive(table: pa.Table, clusters: int, seed: int) -> Labels:
    """Return labels of k-means on min–max scaled columns."""
    filled = [pc.fill_null(table[name], 0).to_numpy() for name in (*MONEY, *USE)]
    X = np.column_stack([(column - column.min()) / np.ptp(column) for column in filled])
    return np.asarray(KMeans(clusters, n_init=STARTS, random_state=seed).fit(X).labels_)


def ours(table: pa.Table, scaling: Scaling, clusters: int, seed: int) -> Labels:
    """Return labels of k-prototypes on tamed columns."""
    X, codes = scaling.transform(table)
    model = KPrototypes(
        clusters, gamma=scaling.gamma, init="k-means++", n_init=STARTS, random_state=seed
    )
    return np.asarray(model.fit(X, codes).labels_)


def describe(table: pa.Table, scaling: Scaling, labels: Labels, again: Labels) -> dict[str, Any]:
    """Return the figures of one clustering."""
    separations = audit_clusters(table, scaling, labels).separations
    return {
        "eta_squared": {s.feature: round(s.value, 3) for s in separations},
        "mean_eta_squared": round(float(np.mean([s.value for s in separations])), 3),
        "smallest_share": round(float(np.bincount(labels).min() / len(labels)), 4),
        "same_clusters_from_another_seed": round(float(adjusted_rand_score(labels, again)), 3),
    }


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    data = Path(os.environ.get("PASSBOOK_REAL_DATA", beside))
    parser.add_argument("--data", type=Path, default=data, help="folder of the real data sets")
    options = parser.parse_args()
    file = options.data / "card_customers" / "CC_GENERAL_with_Recnum.csv"
    if not file.is_file():
        sys.exit(f"{file} is not there; PASSBOOK_REAL_DATA names the folder of the data sets.")
    table = pv.read_csv(file)
    begun = time.perf_counter()
    scaling = fit_scaling(table, FEATURES)
    X, codes = scaling.transform(table)
    trials = try_cluster_counts(X, codes, scaling.gamma, range(3, 9), seed=0)
    choice = choose_cluster_count(trials, smallest_share=0.02)
    seconds = time.perf_counter() - begun
    result: dict[str, Any] = {
        "benchmark": "segment_recipes",
        "rows": len(table),
        "clusters": choice.clusters,
        "reason": choice.reason,
        "search_s": seconds,
    }
    for name, pair in {
        "naive": [naive(table, choice.clusters, seed) for seed in (0, 1)],
        "passbook": [ours(table, scaling, choice.clusters, seed) for seed in (0, 1)],
    }.items():
        result[name] = describe(table, scaling, *pair)
    result["ratio_mean_eta_squared"] = (
        result["passbook"]["mean_eta_squared"] / result["naive"]["mean_eta_squared"]
    )
    result["peak_memory_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(result))


if __name__ == "__main__":
    main()
