"""Insurance contracts, fund accounts and cards as source tables."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from passbook.demo.bank.catalogue import CARD, FUND, INSURANCE, LINES
from passbook.demo.bank.customers import Population
from passbook.demo.bank.deposits import account_numbers, dates, named
from passbook.demo.bank.plan import Plan
from passbook.demo.bank.purchases import Purchases


def insurance_contract(plan: Plan, population: Population, policies: Purchases) -> pa.Table:
    """Return the source table of insurance contracts; amounts are monthly premiums."""
    shelf = plan.shelves[INSURANCE]
    rng = plan.stream(population.block, "premiums")
    count = len(policies.customer)
    kind = np.array([LINES[line].kind_code for line in shelf.line])[policies.product]
    premium = np.exp(10.6 + 0.5 * rng.standard_normal(count)) * np.where(kind == "10", 0.2, 1.0)
    return pa.table(
        {
            "cntr_no": account_numbers("I", population.block, count),
            "cust_no": named(population.ids, policies.customer),
            "prod_cd": named(pa.array(shelf.codes), policies.product.astype(np.int32)),
            "ins_kind_cd": pa.array(kind, pa.string()),
            "cntr_dt": dates(policies.opened),
            "end_dt": dates(policies.closed),
            "prem_amt": (premium / 100).astype(np.int64).clip(10) * 100,
        }
    )


def fund_account(plan: Plan, population: Population, funds: Purchases) -> pa.Table:
    """Return the source table of fund accounts; amounts are what was paid in."""
    shelf = plan.shelves[FUND]
    rng = plan.stream(population.block, "funds")
    count = len(funds.customer)
    level = population.level[funds.customer] - 0.5
    amount = np.exp(level + 0.8 * rng.standard_normal(count)).clip(1e4, 1e12)
    return pa.table(
        {
            "acct_no": account_numbers("F", population.block, count),
            "cust_no": named(population.ids, funds.customer),
            "prod_cd": named(pa.array(shelf.codes), funds.product.astype(np.int32)),
            "open_dt": dates(funds.opened),
            "clos_dt": dates(funds.closed),
            "eval_amt": (amount / 1000).astype(np.int64) * 1000,
        }
    )


def card_account(plan: Plan, population: Population, cards: Purchases) -> tuple[pa.Table, pa.Array]:
    """Return the source table of cards and the card numbers; a check card's limit is zero."""
    shelf = plan.shelves[CARD]
    rng = plan.stream(population.block, "cards")
    count = len(cards.customer)
    kind = np.array([LINES[line].kind_code for line in shelf.line])[cards.product]
    income = population.income[cards.customer]
    limit = income * rng.choice([0.1, 0.2, 0.3, 0.5], count) * np.where(kind == "PR", 2.0, 1.0)
    numbers = account_numbers("C", population.block, count)
    table = pa.table(
        {
            "card_no": numbers,
            "cust_no": named(population.ids, cards.customer),
            "prod_cd": named(pa.array(shelf.codes), cards.product.astype(np.int32)),
            "issu_dt": dates(cards.opened),
            "cncl_dt": dates(cards.closed),
            "lmt_amt": np.where(kind == "CH", 0, (limit / 1e5).astype(np.int64).clip(3) * 10**5),
        }
    )
    return table, numbers
