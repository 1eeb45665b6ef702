"""The search for the number of segments: seconds from a table of customers to a trained model.

Prints one JSON line: for k = 3 to 12 on planted deposit customers, the seconds of the search (four
starts, two halves and a silhouette for every k) and of the whole training, which adds scaling, the
fit to all customers, profiles and the audit; what was chosen, and how well it recovers the planted
groups.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.metrics import adjusted_rand_score

from passbook.contracts import AGE_BANDS
from passbook.segments import train_segments

COUNTS = range(3, 13)
HABITS = {
    # column: mean in each planted group; counts are Poisson, amounts lognormal around exp(mean)
    "time_deposit_count": (0.1, 2.5, 0.1, 1.0, 0.1),
    "installment_count": (0.1, 0.3, 0.1, 1.5, 0.5),
    "demand_count": (1.0, 1.0, 3.0, 1.0, 1.0),
    "deposit_count": (4.0, 1.0, 30.0, 3.0, 0.2),
    "withdrawal_count": (14.0, 1.0, 40.0, 3.0, 0.2),
    "overdraft_count": (0.4, 0.0, 0.3, 0.0, 0.0),
    "arrears_count": (0.2, 0.0, 0.1, 0.0, 0.0),
    "auto_payment_count": (1.0, 0.3, 6.0, 2.0, 0.0),
    "auto_transfer_count": (0.5, 0.2, 4.0, 1.0, 0.0),
    "balance": (11.0, 18.0, 16.0, 14.5, 8.0),
    "avg_balance_3m": (11.0, 18.0, 16.0, 14.5, 8.0),
    "avg_balance_1y": (11.0, 18.0, 16.0, 14.5, 8.0),
    "deposit_amount": (13.0, 13.5, 18.0, 14.0, 9.0),
    "withdrawal_amount": (13.0, 11.5, 18.0, 13.5, 9.0),
}


def planted_customers(rows: int, seed: int) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """Return deposit profiles with demographics, and the planted group of each row."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 5, rows)
    columns: dict[str, Any] = {}
    for name, means in HABITS.items():
        mean = np.array(means)[group]
        if name.endswith("count"):
            columns[name] = pa.array(rng.poisson(mean), pa.int32())
        else:
            amounts = np.exp(mean + 1.1 * rng.standard_normal(rows))
            columns[name] = pa.array(amounts.astype(np.int64), pa.int64())
    for name, values in {
        "sex": ["M", "F"],
        "age_band": AGE_BANDS,
        "occupation_group": ["employed", "not_employed", "unknown"],
    }.items():
        codes = rng.integers(0, len(values), rows)
        columns[name] = pa.array(np.array(values)[codes], pa.string())
    return pa.table(columns), group


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    few, _ = planted_customers(2_000, options.seed)
    train_segments("deposit", few, (3, 4), seed=0, minimum_customers=200)  # compile
    table, group = planted_customers(options.rows, options.seed)
    begun = time.perf_counter()
    training = train_segments("deposit", table, COUNTS, seed=options.seed, minimum_customers=200)
    trained = time.perf_counter()
    segments = training.model.assign(table)["segment"].to_numpy()
    assigned = time.perf_counter()
    result = {
        "benchmark": "segment_search",
        "rows": options.rows,
        "counts": [COUNTS[0], COUNTS[-1]],
        "search_s": round(sum(trial.seconds for trial in training.trials), 2),
        "training_s": round(trained - begun, 2),
        "assign_s": round(assigned - trained, 2),
        "clusters": training.choice.clusters,
        "reason": training.choice.reason,
        "adjusted_rand": round(float(adjusted_rand_score(group, segments)), 4),
        "faults": training.audit.faults,
        "peak_memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
