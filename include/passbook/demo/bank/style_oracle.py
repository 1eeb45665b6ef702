"""The Bayes classifier of behaviour styles: what the planted habits let anyone know at best."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray
from scipy.special import gammaln

from passbook.demo.bank import groups
from passbook.demo.bank.oracle import read_groups
from passbook.demo.bank.transactions import (
    INVESTMENT_SIZE,
    NIGHT_HOURS,
    RATE_SHAPE,
    WITHOUT_DEPOSIT,
)

WINDOW_DAYS: Final = 182


def style_posterior(folder: Path, base_date: date) -> tuple[pa.Array, NDArray[np.float64]]:
    """Return customer numbers and the posterior of each of `STYLES`, (customers, 4).

    It sees the transactions of the 26 weeks to `base_date` and knows the customer's group, so
    that no classifier on the behaviour table can be better, but for chance.
    """
    people = read_groups(folder)
    ids = people["customer_id"].combine_chunks()
    group = pc.index_in(people["deposit_group"], pa.array(groups.DEPOSIT_GROUPS)).to_numpy()
    habits = _habits(folder, base_date, ids, group)
    count, weekend, night, invest, transfer, spread = habits
    holds = _has_deposit(folder, ids)
    rate = groups.TRANSACTION_RATE[group] * np.where(holds, 1.0, WITHOUT_DEPOSIT)
    posterior = np.tile(np.log(groups.STYLE_SHARES), (len(ids), 1))
    for s in range(len(groups.STYLES)):
        mean = rate * groups.STYLE_RATE[s] * WINDOW_DAYS / 30.44
        posterior[:, s] += _negative_binomial(count, mean, RATE_SHAPE)
        for hits, chance in ((weekend, groups.STYLE_WEEKEND[s]), (night, groups.STYLE_NIGHT[s])):
            posterior[:, s] += hits * np.log(chance) + (count - hits) * np.log1p(-chance)
        iv, tr = groups.STYLE_INVESTMENT[s], groups.STYLE_TRANSFER[s]
        posterior[:, s] += invest * np.log(iv) + transfer * np.log(tr)
        posterior[:, s] += (count - invest - transfer) * np.log(1 - iv - tr)
        sigma = groups.STYLE_AMOUNT_SPREAD[s]
        posterior[:, s] += -count * np.log(sigma) - spread / (2 * sigma**2)
    posterior = np.exp(posterior - posterior.max(axis=1, keepdims=True))
    return ids, posterior / posterior.sum(axis=1, keepdims=True)


def _negative_binomial(
    count: NDArray[np.float64], mean: NDArray[np.float64], shape: float
) -> NDArray[np.float64]:
    """Return the log-likelihood of counts that are Poisson with a gamma-distributed rate."""
    return np.asarray(
        gammaln(count + shape)
        - gammaln(shape)
        + shape * np.log(shape / (shape + mean))
        + count * np.log(mean / (shape + mean))
    )


def _habits(
    folder: Path, base_date: date, ids: pa.Array, group: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return, (6, customers): transactions; on weekends, at night, investments, transfers; and the
    sum of squared deviations of the logarithmic amounts from their group's and kind's mean."""
    first = base_date - timedelta(days=WINDOW_DAYS - 1)
    rows = ds.dataset(
        folder / "tables" / "transaction_history", format="parquet", partitioning="hive"
    ).to_table(
        columns=["cust_no", "txn_dt", "txn_hh", "txn_kind_cd", "txn_amt"],
        filter=(pc.field("txn_dt") >= first) & (pc.field("txn_dt") <= base_date),
    )
    who = pc.index_in(rows["cust_no"], ids).to_numpy()
    kind = rows["txn_kind_cd"]
    invest = pc.equal(kind, "IV").to_numpy()
    weekday = (rows["txn_dt"].cast(pa.int32()).to_numpy() + 3) % 7
    mean = groups.AMOUNT_MEAN[group][who] + INVESTMENT_SIZE * invest
    deviation = np.log(rows["txn_amt"].to_numpy()) - mean
    figures = (
        np.ones(len(who)),
        weekday >= 5,
        np.isin(rows["txn_hh"].to_numpy(), NIGHT_HOURS),
        invest,
        pc.equal(kind, "TR").to_numpy(),
        deviation**2,
    )
    return np.stack([np.bincount(who, weights, len(ids)) for weights in figures])


def _has_deposit(folder: Path, ids: pa.Array) -> NDArray[np.bool_]:
    rows = ds.dataset(folder / "tables" / "deposit_account", format="parquet").to_table(
        columns=["cust_no"]
    )
    return np.asarray(pc.is_in(ids, pc.unique(rows["cust_no"])).to_numpy(zero_copy_only=False))
