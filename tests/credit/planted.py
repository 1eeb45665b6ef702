"""A small bank whose default odds and behaviour styles are known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from passbook.contracts import STYLES, WORK_TABLES


@dataclass(frozen=True)
class PlantedBank:
    """Work tables of one date with the truth behind them.

    Attributes
    ----------
    tables : dict[str, pyarrow.Table]
        ``customer``, ``behaviour``, ``deposit_profile``, ``insurance_profile``.
    style : numpy.ndarray of int
        Position in `contracts.STYLES`, in the order of the customers.
    log_odds : numpy.ndarray
        The true log-odds of default.
    defaulted : numpy.ndarray of bool
    """

    tables: dict[str, pa.Table]
    style: np.ndarray
    log_odds: np.ndarray
    defaulted: np.ndarray

    def outcomes(self, observation_date: date, labelled: float = 0.3) -> pa.Table:
        """Return ``credit_outcome``, with style labels for a share of the customers."""
        ids = self.tables["customer"]["customer_id"]
        known = np.random.default_rng(5).random(len(ids)) < labelled
        return contracted(
            "credit_outcome",
            {
                "customer_id": ids,
                "observation_date": [observation_date] * len(ids),
                "defaulted": self.defaulted,
                "style_label": pa.array(STYLES).take(pa.array(self.style, mask=~known)),
            },
        )


def contracted(name: str, columns: dict[str, object]) -> pa.Table:
    """Return a work table of the contract's types; columns that are not given are zero."""
    rows = len(next(iter(columns.values())))  # type: ignore[arg-type]
    arrays = []
    for field in WORK_TABLES[name].schema:
        values = columns.get(field.name, np.zeros(rows))
        if isinstance(values, np.ndarray) and pa.types.is_integer(field.type):
            values = np.rint(values).astype(np.int64)
        array = values if isinstance(values, pa.ChunkedArray) else pa.array(values)
        arrays.append(array.cast(field.type))
    return pa.table(arrays, schema=WORK_TABLES[name].schema)


def planted_bank(customers: int, seed: int, as_of: date = date(2022, 6, 5)) -> PlantedBank:
    """Draw a bank: styles drive habits; arrears, volatility and income drive default."""
    rng = np.random.default_rng(seed)
    style = rng.integers(0, len(STYLES), customers)
    loose = np.isin(style, [0, 1])
    aggressive = np.isin(style, [1, 3])
    txn = rng.poisson(np.where(loose, 60, 20)) + 1
    mean = np.exp(rng.normal(11, 1, customers))
    variation = np.exp(rng.normal(np.where(aggressive, 0.3, -0.7), 0.45))
    volatility = np.exp(rng.normal(np.where(aggressive, -0.6, -1.0), 0.5))
    income = np.exp(rng.normal(17.2, 0.6, customers))
    arrears = rng.poisson(np.where(aggressive, 0.8, 0.3))
    balance = np.exp(rng.normal(14, 1.8, customers))
    log_odds = (
        -3.6
        + 0.8 * np.minimum(arrears, 4)
        + 0.9 * (np.log(volatility) + 0.8)
        - 0.5 * (np.log(income) - 17.2)
        - 0.15 * (np.log(balance) - 14)
    )
    ids = [f"C{number:07d}" for number in rng.permutation(customers)]
    joined = [as_of - timedelta(days=int(days)) for days in rng.integers(30, 8000, customers)]
    tables = {
        "customer": contracted(
            "customer",
            {
                "customer_id": ids,
                "sex": rng.choice(["M", "F"], customers),
                "birth_date": [date(1980, 1, 1)] * customers,
                "age_band": rng.choice(["20-29", "40-49", "60-69"], customers),
                "occupation_group": rng.choice(["employed", "not_employed", "unknown"], customers),
                "region_code": ["11"] * customers,
                "joined_on": joined,
                "has_deposit": np.ones(customers, bool),
                "has_insurance": rng.random(customers) < 0.4,
                "has_card": rng.random(customers) < 0.5,
                "has_fund": np.zeros(customers, bool),
                "holding_type": ["D"] * customers,
            },
        ),
        "behaviour": contracted(
            "behaviour",
            {
                "customer_id": ids,
                "txn_count": txn,
                "active_days": np.minimum(txn * 0.7, 182),
                "amount_mean": mean,
                "amount_max": mean * (1 + 3 * variation),
                "amount_min": mean * 0.1,
                "amount_std": mean * variation,
                "amount_cv": variation,
                "investment_share": rng.beta(np.where(aggressive, 4, 2), 6),
                "transfer_share": rng.beta(2, 4, customers),
                "night_share": rng.beta(1, 9, customers),
                "weekend_share": rng.beta(2, 6, customers),
                "login_count": rng.poisson(np.where(loose, 40, 15)),
                "days_since_last_txn": rng.integers(0, 60, customers),
                "income": pa.array(np.rint(income).astype(np.int64),
                                   mask=rng.random(customers) < 0.1),
                "balance_volatility": volatility,
            },
        ),
        "deposit_profile": contracted(
            "deposit_profile",
            {
                "customer_id": ids,
                "account_count": rng.integers(1, 5, customers),
                "balance": balance,
                "avg_balance_3m": balance,
                "avg_balance_1y": balance,
                "arrears_count": arrears,
                "overdraft_count": rng.poisson(0.2, customers),
            },
        ),
        "insurance_profile": contracted(
            "insurance_profile",
            {"customer_id": ids[::3], "policy_count": rng.integers(1, 4, len(ids[::3]))},
        ),
    }  # fmt: skip
    defaulted = rng.random(customers) < 1 / (1 + np.exp(-log_odds))
    return PlantedBank(tables, style, log_odds, defaulted)
