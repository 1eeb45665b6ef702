"""Purchases of a demo bank of any size, without its accounts and transactions.

No command: what `recommend_als.py`, `recommend_grid.py` and `recommend_cross_sell.py` learn from.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial

import numpy as np
import pyarrow as pa

from passbook.demo.bank.calendar import NEVER
from passbook.demo.bank.catalogue import GROUP_CODES, product_master
from passbook.demo.bank.customers import Population, draw_population
from passbook.demo.bank.plan import Plan, make_plan
from passbook.demo.bank.purchases import Purchases as Bought
from passbook.demo.bank.purchases import simulate_purchases
from passbook.recommend.catalogue import Catalogue, catalogue
from passbook.recommend.purchases import Ints, Purchases, from_holdings

BASE_DATE = date(2022, 12, 4)
MONTHS = 30
SEED = 7


@dataclass(frozen=True)
class DemoPurchases:
    """A demo bank as the recommenders see it.

    Attributes
    ----------
    purchases : Purchases
        Of deposits, insurance and funds.
    products : Catalogue
    segments : dict of str to int32 array of shape (customers,)
        The planted groups, by family.
    """

    purchases: Purchases
    products: Catalogue
    segments: dict[str, Ints]


def simulated(customers: int, base_date: date = BASE_DATE, seed: int = SEED) -> DemoPurchases:
    """Simulate a bank's purchases up to a base date; two processes share the work."""
    plan = make_plan(customers, seed, base_date, MONTHS, None)
    with ProcessPoolExecutor(2) as pool:
        blocks = list(pool.map(partial(_block, plan), range(plan.blocks)))
    ids = pa.concat_arrays([found[0] for found in blocks])
    products = catalogue(product_table(plan))
    holdings = [table for found in blocks for table in found[1]]
    deposit, insurance = (np.concatenate([found[n] for found in blocks]) for n in (2, 3))
    return DemoPurchases(
        from_holdings(holdings, ids, products.codes),
        products,
        {"deposit": deposit, "insurance": insurance, "fund": deposit},
    )


def _block(plan: Plan, block: int) -> tuple[pa.Array, list[pa.Table], Ints, Ints]:
    """Return a block's customers, holdings a family, and planted groups."""
    people = draw_population(plan, block)
    bought, _ = simulate_purchases(plan, people)
    groups = (people.deposit_group, people.insurance_group)
    return (
        people.ids,
        holdings_of(plan, people, bought),
        *(group.astype(np.int32) for group in groups),
    )


def holdings_of(plan: Plan, people: Population, bought: Mapping[str, Bought]) -> list[pa.Table]:
    """Return a block's holdings, a table a family."""
    holdings = []
    for family in ("deposit", "insurance", "fund"):
        found, codes = bought[family], pa.array(plan.shelves[family].codes)
        holdings.append(
            pa.table(
                {
                    "customer_id": people.ids.take(pa.array(found.customer)),
                    "product_code": codes.take(pa.array(found.product)),
                    "opened_on": pa.array(found.opened).cast(pa.date32()),
                    "closed_on": pa.array(found.closed, mask=found.closed == NEVER).cast(
                        pa.date32()
                    ),
                }
            )
        )
    return holdings


def product_table(plan: Plan) -> pa.Table:
    """Return the product work table."""
    master = product_master(plan.shelves)
    family_of = {code: family for family, code in GROUP_CODES.items()}
    families = [family_of[code] for code in master["prod_grp_cd"].to_pylist()]
    names = {
        "prod_cd": "product_code", "prod_nm": "product_name", "sale_strt_dt": "sale_start",
        "sale_end_dt": "sale_end", "min_age": "min_age", "max_age": "max_age",
    }  # fmt: skip
    table = master.select(list(names)).rename_columns(list(names.values()))
    return table.append_column("family", pa.array(families)).combine_chunks()
