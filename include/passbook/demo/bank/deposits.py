"""Deposit accounts, their month-end balances, and standing orders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from passbook.demo.bank import groups
from passbook.demo.bank.calendar import NEVER
from passbook.demo.bank.catalogue import DEPOSIT, LINES
from passbook.demo.bank.customers import Population
from passbook.demo.bank.plan import Plan
from passbook.demo.bank.purchases import Purchases

DRIFT_BALANCE = -0.7
"""Change of the logarithm of balances when a drift has fully set in."""


def account_numbers(letter: str, block: int, count: int) -> pa.Array:
    """Return numbers that are unique over blocks, e.g. ``D000012000003``."""
    numbers = pa.array(block * 10**7 + np.arange(count, dtype=np.int64)).cast(pa.string())
    return pc.binary_join_element_wise(letter, pc.utf8_lpad(numbers, 12, "0"), "")


def dates(days: NDArray[np.int32]) -> pa.Array:
    """Return days as Arrow dates, null for `NEVER`."""
    return pa.array(days.astype(np.int32), mask=days == NEVER).cast(pa.date32())


def named(names: pa.Array, index: NDArray[np.int32]) -> pa.Array:
    """Return `names` at `index`."""
    return names.take(pa.array(index))


@dataclass(frozen=True)
class Deposits:
    """Accounts of a block, (accounts,), and their month-end figures, (months, accounts)."""

    purchases: Purchases
    kind: NDArray[np.str_]
    numbers: pa.Array
    amount: NDArray[np.int64]
    overdraft_limit: NDArray[np.int64]
    balance: NDArray[np.int64]
    overdrafts: NDArray[np.int32]
    open_at_month_end: NDArray[np.bool_]


def simulate_deposits(plan: Plan, population: Population, purchases: Purchases) -> Deposits:
    """Draw contract amounts, overdraft lines, balances and overdrafts of a block's accounts."""
    rng, calendar = plan.stream(population.block, "balances"), plan.calendar
    customer = purchases.customer
    count = len(customer)
    kind = np.array([LINES[line].kind_code for line in plan.shelves[DEPOSIT].line])[
        purchases.product
    ]
    group, level = population.deposit_group[customer], population.level[customer]
    shift = np.select([kind == "SD", kind == "HD"], [-1.0, 0.9], -2.0)
    amount = np.exp(level + shift + 0.5 * rng.standard_normal(count))
    amount = np.where(kind == "DD", amount.clip(1e4, 2e6), amount)
    amount = (amount / 1000).astype(np.int64).clip(0, 10**12) * 1000
    age = (purchases.opened - population.birth[customer]) / 365.25
    has_line = (kind == "SD") & (age > 20)
    has_line &= rng.random(count) < groups.OVERDRAFT_LINE[group]
    limit = np.where(has_line, rng.choice([1, 2, 3, 5, 10, 20], count) * 10**6, 0)
    is_open = (purchases.opened <= calendar.last[:, None]) & calendar.complete[:, None]
    is_open &= purchases.closed > calendar.last[:, None]
    balance = _balances(plan, population, purchases, kind, amount)
    balance[~is_open] = 0
    # A careless owner overdraws; the count is what the bank records a month.
    with_line = np.flatnonzero(has_line)
    rate = 0.25 * np.exp(0.7 * population.risk[customer[with_line]])
    overdrafts = np.zeros(is_open.shape, np.int32)
    overdrafts[:, with_line] = rng.poisson(rate * is_open[:, with_line])
    return Deposits(
        purchases=purchases,
        kind=kind,
        numbers=account_numbers("D", population.block, count),
        amount=amount,
        overdraft_limit=limit,
        balance=balance,
        overdrafts=overdrafts,
        open_at_month_end=is_open,
    )


def _balances(
    plan: Plan,
    population: Population,
    purchases: Purchases,
    kind: NDArray[np.str_],
    amount: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return month-end balances: demand around the owner's level, time fixed, installments grow."""
    rng, calendar = plan.stream(population.block, "balance noise"), plan.calendar
    customer = purchases.customer
    noise = rng.standard_normal((calendar.months, len(customer)), np.float32)
    for month in range(1, calendar.months):
        noise[month] = 0.6 * noise[month - 1] + 0.8 * noise[month]
    rank = np.arange(len(customer)) - np.searchsorted(customer, customer)
    # The first account is the one that is used; each later one holds less.
    usual = population.level[customer] - 0.8 * np.minimum(rank, 4)
    spread = groups.BALANCE_NOISE[population.deposit_group[customer]].astype(np.float32)
    balance = np.empty(noise.shape, np.int64)
    demand, time, installment = (np.flatnonzero(kind == code) for code in ("SD", "HD", "DD"))
    drift = (DRIFT_BALANCE * plan.drift).astype(np.float32)[:, None]
    logarithm = usual[demand].astype(np.float32) + spread[demand] * noise[:, demand] + drift
    balance[:, demand] = np.exp(logarithm).clip(0, 1e13)
    held = (calendar.last[:, None] - purchases.opened) // 30 + 1
    balance[:, time] = amount[time] * (1 + 0.0025 * np.maximum(held[:, time], 0))
    balance[:, installment] = amount[installment] * np.clip(held[:, installment], 1, 36)
    return balance


def deposit_account(plan: Plan, population: Population, deposits: Deposits) -> pa.Table:
    """Return the source table of accounts."""
    bought = deposits.purchases
    return pa.table(
        {
            "acct_no": deposits.numbers,
            "cust_no": named(population.ids, bought.customer),
            "prod_cd": named(
                pa.array(plan.shelves[DEPOSIT].codes), bought.product.astype(np.int32)
            ),
            "dpst_kind_cd": pa.array(deposits.kind, pa.string()),
            "open_dt": dates(bought.opened),
            "clos_dt": dates(bought.closed),
            "cntr_amt": deposits.amount,
            "ovrd_lmt_amt": deposits.overdraft_limit,
        }
    )


def deposit_balance(plan: Plan, population: Population, deposits: Deposits, month: int) -> pa.Table:
    """Return the source table of month-end balances, one month of it."""
    at = np.flatnonzero(deposits.open_at_month_end[month]).astype(np.int32)
    return pa.table(
        {
            "cust_no": named(population.ids, deposits.purchases.customer[at]),
            "acct_no": named(deposits.numbers, at),
            "bas_dt": dates(np.full(len(at), plan.calendar.last[month])),
            "psrv_ramt": deposits.balance[month, at],
            "ovrd_cnt": deposits.overdrafts[month, at],
        }
    )


def auto_order(plan: Plan, population: Population, holds: NDArray[np.bool_]) -> pa.Table:
    """Return the source table of direct debits (ATPM) and standing orders (AUTR).

    Parameters
    ----------
    holds : ndarray of bool, (customers,)
        Customers with a deposit account; the others cannot set one up.
    """
    rng, calendar = plan.stream(population.block, "auto orders"), plan.calendar
    parts = []
    for code, mean in (("ATPM", groups.AUTO_PAYMENTS), ("AUTR", groups.AUTO_TRANSFERS)):
        count = rng.poisson(np.where(holds, mean[population.deposit_group], 0.0))
        customer = np.repeat(np.arange(len(population), dtype=np.int32), count)
        begin = np.maximum(population.joined[customer], calendar.start - 1500)
        span = np.maximum(calendar.end - begin, 1)
        # Most are set up soon after joining, long before the simulated months.
        set_up = begin + (span * rng.random(len(customer)) ** 3).astype(np.int32)
        released = set_up + (rng.standard_exponential(len(customer)) * 9000).astype(np.int32) + 1
        released = np.where(released > calendar.end, NEVER, released)
        order = np.lexsort((set_up, customer))
        parts.append(
            pa.table(
                {
                    "cust_no": named(population.ids, customer[order]),
                    "auto_kind_cd": pa.array([code] * len(customer), pa.string()),
                    "stng_dt": dates(set_up[order]),
                    "rel_dt": dates(released[order]),
                }
            )
        )
    return pa.concat_tables(parts)
