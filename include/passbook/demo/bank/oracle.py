"""What a model that knew the planted truth would reach: the yardstick of the real models.

Reads the simulation's folder. Nothing of the platform reads this module.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from passbook.demo.bank.simulation import read_manifest
from passbook.errors import InputError


@dataclass(frozen=True)
class PurchaseOdds:
    """First purchases in the holdout month and the true odds of every product of the family.

    `probability` is (purchases, products), columns as in `product_codes`; zero where the product
    was not sold to the customer or was bought before. `foreseeable` is the same as far as the
    bank's data can tell: the group of who has not shown one yet is a mixture by age. `chosen`
    indexes their columns.
    """

    customer_ids: pa.Array
    product_codes: tuple[str, ...]
    chosen: NDArray[np.int64]
    probability: NDArray[np.float32]
    foreseeable: NDArray[np.float32]


def read_groups(folder: Path) -> pa.Table:
    """Return customer_id, deposit_group, insurance_group and style of every customer."""
    return _truth(folder, "customer")


def purchase_odds(folder: Path, family: str) -> PurchaseOdds:
    """Return the true odds behind a family's first purchases in the holdout month."""
    codes = tuple(p["product_code"] for p in read_manifest(folder)["products"][family])
    rows = _truth(folder, "purchase").filter(pc.field("family") == family)
    chosen = pc.index_in(rows["product_code"], pa.array(codes)).to_numpy()
    shape = (len(rows), len(codes))
    probability, foreseeable = (
        rows[name].combine_chunks().flatten().to_numpy().reshape(shape)
        for name in ("probability", "foreseeable")
    )
    return PurchaseOdds(
        rows["customer_id"].combine_chunks(),
        codes,
        chosen.astype(np.int64),
        probability,
        foreseeable,
    )


def purchase_ndcg(
    folder: Path, family: str, k: int = 5, customers: Collection[str] | None = None
) -> float:
    """Return NDCG@k of ranking by the foreseeable odds, the mean over first purchases in the month.

    Parameters
    ----------
    customers : collection of str, optional
        Only these customers count, e.g. those of a scenario.

    Notes
    -----
    A customer buys at most one product of a family in a month, so the ideal gain is one.
    """
    odds = purchase_odds(folder, family)
    rows = np.arange(len(odds.chosen))
    of_chosen = odds.foreseeable[rows, odds.chosen][:, None]
    rank = (odds.foreseeable > of_chosen).sum(axis=1)
    gain = np.where(rank < k, 1 / np.log2(rank + 2), 0.0)
    if customers is not None:
        gain = gain[pc.is_in(odds.customer_ids, pa.array(list(customers), pa.string()))]
    if not len(gain):
        raise InputError(f"Nobody bought a new {family} product in the holdout month.")
    return float(gain.mean())


def default_odds(folder: Path, observation_date: date) -> pa.Table:
    """Return customer_id, probability and defaulted of everybody with credit on that date.

    Raises
    ------
    InputError
        E803 when the simulation has no period that begins on that date.
    """
    rows = _truth(folder, "default").filter(pc.field("observation_date") == observation_date)
    if not len(rows):
        raise InputError(
            f"No period begins on {observation_date}; the simulation's begin every 26 weeks before "
            f"{read_manifest(folder)['end']}."
        )
    return rows.drop_columns(["observation_date"])


def default_gini(folder: Path, observation_date: date) -> float:
    """Return the Gini coefficient of the true default probabilities."""
    rows = default_odds(folder, observation_date)
    probability = rows["probability"].to_numpy()
    defaulted = rows["defaulted"].to_numpy().astype(bool)
    _, rank = np.unique(probability, return_inverse=True)
    count = np.bincount(rank)
    mean_rank = np.cumsum(count) - (count - 1) / 2
    bad = int(defaulted.sum())
    good = len(defaulted) - bad
    if not bad or not good:
        raise InputError(f"Only one outcome occurred in the period from {observation_date}.")
    auc = (mean_rank[rank][defaulted].sum() - bad * (bad + 1) / 2) / (bad * good)
    return float(2 * auc - 1)


def _truth(folder: Path, name: str) -> pa.Table:
    read_manifest(folder)
    return ds.dataset(folder / "truth" / name, format="parquet").to_table()
