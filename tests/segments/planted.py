"""Data with known groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from passbook.contracts import AGE_BANDS

COUNTS = {
    # feature: Poisson mean in the groups young spender, saver of time deposits, business, retired
    "time_deposit_count": (0.05, 2.5, 0.05, 1.0),
    "installment_count": (0.1, 0.3, 0.05, 1.5),
    "demand_count": (1.0, 1.0, 3.0, 1.0),
    "deposit_count": (4.0, 1.0, 30.0, 3.0),
    "withdrawal_count": (14.0, 1.0, 40.0, 3.0),
    "overdraft_count": (0.4, 0.0, 0.3, 0.0),
    "arrears_count": (0.2, 0.0, 0.1, 0.0),
    "auto_payment_count": (1.0, 0.3, 6.0, 2.0),
    "auto_transfer_count": (0.5, 0.2, 4.0, 1.0),
}
LOG_AMOUNTS = {
    "balance": (11.0, 18.0, 16.0, 14.5),
    "avg_balance_3m": (11.0, 18.0, 16.0, 14.5),
    "avg_balance_1y": (11.0, 18.0, 16.0, 14.5),
    "deposit_amount": (13.0, 13.5, 18.0, 14.0),
    "withdrawal_amount": (13.0, 11.5, 18.0, 13.5),
}
"""Mean of the logarithm, won; lognormal, so that tails are heavy."""


def deposit_customers(n: int, seed: int) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """Return deposit profiles with demographics, and the planted group of each row."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 4, n)
    columns: dict[str, Any] = {
        "customer_id": pa.array([f"C{i:07d}" for i in rng.permutation(n)], pa.string())
    }
    for name, means in COUNTS.items():
        columns[name] = pa.array(rng.poisson(np.array(means)[group]), pa.int32())
    for name, means in LOG_AMOUNTS.items():
        amounts = np.exp(np.array(means)[group] + 0.9 * rng.standard_normal(n))
        columns[name] = pa.array(amounts.astype(np.int64), pa.int64())
    columns["account_count"] = pa.array(
        sum(columns[f"{kind}_count"].to_numpy() for kind in ("time_deposit", "installment",
                                                             "demand")), pa.int32(),
    )  # fmt: skip
    columns["sex"] = pa.array(rng.choice(["M", "F"], n))
    columns["age_band"] = pa.array(rng.choice(AGE_BANDS[2:8], n))
    columns["occupation_group"] = pa.array(rng.choice(["employed", "not_employed"], n))
    return pa.table(columns), group


def mixed_rows(
    n: int, k: int, seed: int, *, apart: float = 2.0
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return 5 numeric and 4 categorical columns and the group that each row was drawn from."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, k, n)
    centres = apart * rng.standard_normal((k, 5))
    modes = rng.integers(0, 5, (k, 4))
    X = centres[group] + rng.standard_normal((n, 5))
    codes = np.where(rng.random((n, 4)) < 0.7, modes[group], rng.integers(0, 5, (n, 4)))
    return X.astype(np.float32), codes.astype(np.int32), group
