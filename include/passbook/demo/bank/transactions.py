"""Transactions, card use and app logins, a month at a time."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from passbook.demo.bank import groups
from passbook.demo.bank.customers import Population
from passbook.demo.bank.deposits import dates, named
from passbook.demo.bank.plan import Plan
from passbook.demo.bank.purchases import Purchases

KINDS: Final = ("IV", "TR", "DP", "WD", "CD")
"""Investment, transfer, payment in, withdrawal, card or direct debit payment."""
NIGHT_HOURS: Final = np.array([22, 23, 0, 1, 2, 3, 4, 5], np.int8)
RATE_SHAPE: Final = 10.0
"""Shape of the gamma distribution of customers' own rates around their group's and style's."""
WITHOUT_DEPOSIT: Final = 0.35
"""Rate of a customer without a deposit, relative to one with."""
INVESTMENT_SIZE: Final = 0.9
"""Logarithm of how much larger an investment is than an ordinary transaction."""
SEASON: Final = np.array([1.0, 1.02, 0.95, 1.0, 0.98, 1.05, 1.0, 1.02, 0.98, 1.06, 1.0, 1.0, 1.14])
"""Activity by month of the year, from index 1 on."""
DRIFT_RATE, DRIFT_AMOUNT, DRIFT_NIGHT = 0.5, 0.8, 0.15


def transaction_rates(
    plan: Plan, population: Population, has_deposit: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return each customer's own transactions a month, (n,)."""
    rng = plan.stream(population.block, "transaction rates")
    own = rng.standard_gamma(RATE_SHAPE, len(population)) / RATE_SHAPE
    rate = groups.TRANSACTION_RATE[population.deposit_group] * groups.STYLE_RATE[population.style]
    return np.asarray(rate * own * np.where(has_deposit, 1.0, WITHOUT_DEPOSIT))


def transaction_history(
    plan: Plan, population: Population, rates: NDArray[np.float64], month: int
) -> pa.Table:
    """Return a month of transactions, sorted by customer."""
    calendar, drift = plan.calendar, float(plan.drift[month])
    rng = plan.stream(population.block, "transactions", calendar.names[month])
    first, last = int(calendar.first[month]), int(calendar.last[month])
    part = np.clip(last - np.maximum(population.joined, first) + 1, 0, None) / 30.44
    rate = rates * part * SEASON[calendar.number[month]] * (1 + DRIFT_RATE * drift)
    customer = np.repeat(np.arange(len(population), dtype=np.int32), rng.poisson(rate))
    style, group = population.style[customer], population.deposit_group[customer]
    begin = np.maximum(population.joined[customer], first).astype(np.int32)
    day = _draw_days(rng, begin, last, groups.STYLE_WEEKEND[style])
    kind = _draw_kinds(rng, style, group)
    spread = groups.STYLE_AMOUNT_SPREAD[style].astype(np.float32)
    mean = groups.AMOUNT_MEAN[group] + INVESTMENT_SIZE * (kind == 0) + DRIFT_AMOUNT * drift
    amount = np.exp(mean + spread * rng.standard_normal(len(customer), np.float32))
    incoming = (kind == 2) | ((kind == 1) & (rng.random(len(customer), np.float32) < 0.4))
    return pa.table(
        {
            "cust_no": named(population.ids, customer),
            "txn_dt": dates(day),
            "txn_hh": _draw_hours(rng, groups.STYLE_NIGHT[style] + DRIFT_NIGHT * drift),
            "txn_kind_cd": named(pa.array(KINDS), kind.astype(np.int32)),
            "dpst_give_cd": named(pa.array(["2", "1"]), incoming.astype(np.int32, copy=False)),
            "txn_amt": (amount / 10).astype(np.int64).clip(1) * 10,
        }
    )


def _draw_days(
    rng: np.random.Generator,
    begin: NDArray[np.int32],
    last: int,
    weekend: NDArray[np.float64],
) -> NDArray[np.int32]:
    """Draw days from `begin` to `last`, on a Saturday or Sunday with the given chance."""
    day = begin + (rng.random(len(begin), np.float32) * (last - begin + 1)).astype(np.int32)
    on_weekend = rng.random(len(begin), np.float32) < weekend
    # Move inside the week: 1970-01-01 was a Thursday, so day + 3 counts from a Monday.
    weekday = (day + 3) % 7
    steps = rng.integers(0, 10, len(begin), np.int8)
    target = np.where(on_weekend, 5 + steps % 2, steps % 5)
    moved = day + target - weekday
    moved = np.where(moved > last, moved - 7, moved)
    moved = np.where(moved < begin, moved + 7, moved)
    # Someone who joined in the month's last days has no such day left and keeps the plain one.
    return np.where(moved > last, day, moved).astype(np.int32)


def _draw_kinds(
    rng: np.random.Generator, style: NDArray[np.int8], group: NDArray[np.int8]
) -> NDArray[np.int8]:
    u = rng.random(len(style), np.float32)
    invest, transfer = groups.STYLE_INVESTMENT[style], groups.STYLE_TRANSFER[style]
    ordinary = np.where(
        rng.random(len(style), np.float32) < groups.SHARE_IN[group],
        2,
        3 + (rng.random(len(style), np.float32) < 0.6),
    )
    return np.select([u < invest, u < invest + transfer], [0, 1], ordinary).astype(np.int8)


def _draw_hours(rng: np.random.Generator, night: NDArray[np.float64]) -> NDArray[np.int32]:
    at_night = rng.random(len(night), np.float32) < night
    hour = rng.integers(0, 16, len(night), np.int8)
    return np.where(at_night, NIGHT_HOURS[hour % 8], 6 + hour).astype(np.int32)


def app_login(plan: Plan, population: Population, month: int) -> pa.Table:
    """Return a month's logins to the app, a row a customer who logged in."""
    calendar = plan.calendar
    rng = plan.stream(population.block, "logins", calendar.names[month])
    aged = population.age_at(calendar.end) > 70
    rate = groups.LOGIN_RATE[population.deposit_group] * np.where(aged, 0.2, 1.0)
    count = rng.poisson(np.where(population.joined < calendar.first[month], rate, 0.0))
    customer = np.flatnonzero(count).astype(np.int32)
    return pa.table(
        {
            "cust_no": named(population.ids, customer),
            "bas_dt": dates(np.full(len(customer), calendar.last[month])),
            "lgn_nocs": count[customer].astype(np.int32),
        }
    )


def card_use(
    plan: Plan, population: Population, cards: Purchases, numbers: pa.Array, month: int
) -> pa.Table:
    """Return a month of card use, a row a card that was used."""
    calendar = plan.calendar
    rng = plan.stream(population.block, "card use", calendar.names[month])
    held = (cards.opened <= calendar.last[month]) & (cards.closed > calendar.last[month])
    style = population.style[cards.customer]
    uses = rng.poisson(np.where(held, 9.0 * groups.STYLE_RATE[style], 0.0))
    size = np.exp(10.4 + 0.4 * rng.standard_normal(len(uses)))
    at = np.flatnonzero(uses).astype(np.int32)
    return pa.table(
        {
            "cust_no": named(population.ids, cards.customer[at]),
            "card_no": named(numbers, at),
            "bas_dt": dates(np.full(len(at), calendar.last[month])),
            "use_nocs": uses[at].astype(np.int32),
            "use_amt": (uses[at] * size[at] / 10).astype(np.int64) * 10,
        }
    )
