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
                "defaulted_on": pa.array(
                    [observation_date + timedelta(days=91)] * len(ids), mask=~self.defaulted
                ),
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
    ids = [f"C{number:07d}" for number in rng.permutation(customers)]
    aggressive = np.isin(style, [1, 3])
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
    held = ids[::3]
    policies = {"customer_id": held, "policy_count": rng.integers(1, 4, len(held))}
    tables = {
        "customer": _customers(rng, ids, as_of),
        "behaviour": _behaviour(rng, ids, style, income, volatility),
        "deposit_profile": _deposits(rng, ids, balance, arrears),
        "insurance_profile": contracted("insurance_profile", policies),
    }
    defaulted = rng.random(customers) < 1 / (1 + np.exp(-log_odds))
    return PlantedBank(tables, style, log_odds, defaulted)


def _customers(rng: np.random.Generator, ids: list[str], as_of: date) -> pa.Table:
    count = len(ids)
    return contracted(
        "customer",
        {
            "customer_id": ids,
            "sex": rng.choice(["M", "F"], count),
            "birth_date": [date(1980, 1, 1)] * count,
            "age_band": rng.choice(["20-29", "40-49", "60-69"], count),
            "occupation_group": rng.choice(["employed", "not_employed", "unknown"], count),
            "region_code": ["11"] * count,
            "joined_on": [as_of - timedelta(days=int(n)) for n in rng.integers(30, 8000, count)],
            "has_deposit": np.ones(count, bool),
            "has_insurance": rng.random(count) < 0.4,
            "has_card": rng.random(count) < 0.5,
            "has_fund": np.zeros(count, bool),
            "holding_type": ["D"] * count,
        },
    )


def _behaviour(
    rng: np.random.Generator,
    ids: list[str],
    style: np.ndarray,
    income: np.ndarray,
    volatility: np.ndarray,
) -> pa.Table:
    count = len(ids)
    loose, aggressive = np.isin(style, [0, 1]), np.isin(style, [1, 3])
    txn = rng.poisson(np.where(loose, 60, 20)) + 1
    mean = np.exp(rng.normal(11, 1, count))
    variation = np.exp(rng.normal(np.where(aggressive, 0.3, -0.7), 0.45))
    unknown = rng.random(count) < 0.1
    return contracted(
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
            "transfer_share": rng.beta(2, 4, count),
            "night_share": rng.beta(1, 9, count),
            "weekend_share": rng.beta(2, 6, count),
            "login_count": rng.poisson(np.where(loose, 40, 15)),
            "days_since_last_txn": rng.integers(0, 60, count),
            "income": pa.array(np.rint(income).astype(np.int64), mask=unknown),
            "balance_volatility": volatility,
        },
    )


def _deposits(
    rng: np.random.Generator, ids: list[str], balance: np.ndarray, arrears: np.ndarray
) -> pa.Table:
    count = len(ids)
    return contracted(
        "deposit_profile",
        {
            "customer_id": ids,
            "account_count": rng.integers(1, 5, count),
            "balance": balance,
            "avg_balance_3m": balance,
            "avg_balance_1y": balance,
            "arrears_count": arrears,
            "overdraft_count": rng.poisson(0.2, count),
        },
    )
