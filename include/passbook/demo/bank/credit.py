"""Arrears and defaults, and the contacts in which the bank judged a customer's style."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from passbook.demo.bank import groups
from passbook.demo.bank.calendar import NEVER, Calendar
from passbook.demo.bank.customers import Population
from passbook.demo.bank.deposits import Deposits, account_numbers, dates, named
from passbook.demo.bank.plan import Plan
from passbook.demo.bank.purchases import Purchases

PERIOD_DAYS: Final = 182
"""Length of an outcome window: periods end on the last simulated day and every 26 weeks before."""
YEAR_DAYS: Final = 364
DEFAULT_DAYS: Final = 90
ASSESSED_SHARE: Final = 0.3
ASSESSMENT_NOISE: Final = 0.08

# Log-odds of default in the next period. The mean odds give a base rate of about four percent.
INTERCEPT: Final = -4.5
ARREARS_WEIGHT: Final = 1.1
OVERDRAFT_WEIGHT: Final = 0.2
BALANCE_WEIGHT: Final = -0.55
VOLATILITY_WEIGHT: Final = 0.9
AGGRESSIVE_WEIGHT: Final = 0.35
DRIFT_WEIGHT: Final = 0.9


@dataclass(frozen=True)
class Outcomes:
    """What the simulator knows of one period: the true probability and what came of it."""

    observation_day: int
    customer: NDArray[np.int32]
    probability: NDArray[np.float64]
    defaulted: NDArray[np.bool_]


_Ints = NDArray[np.int32] | NDArray[np.int64]


@dataclass
class _Episodes:
    customer: list[NDArray[np.int32]]
    start: list[NDArray[np.int32]]
    end: list[NDArray[np.int32]]
    written_off: list[NDArray[np.int32]]

    def add(self, customer: _Ints, start: _Ints, end: _Ints, written_off: _Ints) -> None:
        self.customer.append(customer.astype(np.int32))
        self.start.append(start.astype(np.int32))
        self.end.append(end.astype(np.int32))
        self.written_off.append(written_off.astype(np.int32))

    def counts(self, size: int, after: int, until: int) -> NDArray[np.int64]:
        """Return episodes begun in (after, until] a customer, (size,)."""
        who, begun = np.concatenate(self.customer), np.concatenate(self.start)
        return np.bincount(who[(begun > after) & (begun <= until)], minlength=size)

    def in_default(self, size: int, day: int) -> NDArray[np.bool_]:
        """Return who is 90 days past due or written off on a day, (size,)."""
        who, begun = np.concatenate(self.customer), np.concatenate(self.start)
        end, lost = np.concatenate(self.end), np.concatenate(self.written_off)
        bad = (begun + DEFAULT_DAYS <= day) & (end > day) | (lost <= day)
        return np.bincount(who[bad], minlength=size) > 0


class Behaviour(NamedTuple):
    """Figures of the work tables as of an observation date, and the style; arrays of (n,)."""

    arrears: NDArray[np.int64]
    overdrafts: NDArray[np.int64]
    average_balance: NDArray[np.float64]
    volatility: NDArray[np.float64]
    style: NDArray[np.int8]


def default_log_odds(behaviour: Behaviour, drift: float = 0.0) -> NDArray[np.float64]:
    """Return the true log-odds of default, (n,), from behaviour as of the observation date.

    All but the style are figures of the work tables, so that a good model can come close to them.
    """
    return np.asarray(
        INTERCEPT
        + ARREARS_WEIGHT * np.minimum(behaviour.arrears, 4)
        + OVERDRAFT_WEIGHT * np.minimum(behaviour.overdrafts, 10)
        + BALANCE_WEIGHT * (np.log10(1 + behaviour.average_balance) - 6)
        + VOLATILITY_WEIGHT * (np.minimum(behaviour.volatility, 1.5) - 0.4)
        + AGGRESSIVE_WEIGHT * (behaviour.style % 2)
        + DRIFT_WEIGHT * drift
    )


def simulate_credit(
    plan: Plan,
    population: Population,
    deposits: Deposits,
    cards: Purchases,
    card_limits: NDArray[np.int64],
) -> tuple[pa.Table, list[Outcomes]]:
    """Return the source table of arrears and, a period each, the true default probabilities."""
    rng, calendar = plan.stream(population.block, "arrears"), plan.calendar
    ever_credit = _has_credit(population, deposits, cards, card_limits, None)
    episodes = _minor_arrears(rng, population, ever_credit, calendar)
    outcomes = []
    periods = (calendar.end - calendar.start - PERIOD_DAYS) // PERIOD_DAYS
    for period in range(periods, 0, -1):
        day = calendar.end - period * PERIOD_DAYS
        eligible = _has_credit(population, deposits, cards, card_limits, day)
        eligible &= (population.joined <= day) & ~episodes.in_default(len(population), day)
        customer = np.flatnonzero(eligible).astype(np.int32)
        month = int(np.searchsorted(calendar.last, day))
        behaviour = _behaviour_at(population, deposits, episodes, calendar, day)
        log_odds = default_log_odds(behaviour, float(plan.drift[month]))
        probability = 1 / (1 + np.exp(-log_odds[customer]))
        defaulted = rng.random(len(customer)) < probability
        _add_defaults(rng, episodes, customer[defaulted], day, calendar.end)
        outcomes.append(Outcomes(day, customer, probability, defaulted))
    return _arrears_table(population, episodes, calendar, rng), outcomes


def _has_credit(
    population: Population,
    deposits: Deposits,
    cards: Purchases,
    card_limits: NDArray[np.int64],
    day: int | None,
) -> NDArray[np.bool_]:
    """Return who holds a card or an overdraft line with a limit on `day` (None: ever), (n,)."""
    found = np.zeros(len(population), bool)
    for bought, limit in ((deposits.purchases, deposits.overdraft_limit), (cards, card_limits)):
        held = limit > 0
        if day is not None:
            held &= (bought.opened <= day) & (bought.closed > day)
        found[bought.customer[held]] = True
    return found


def _minor_arrears(
    rng: np.random.Generator,
    population: Population,
    ever_credit: NDArray[np.bool_],
    calendar: Calendar,
) -> _Episodes:
    """Draw arrears of some days to weeks, over the simulated months and the year before."""
    begin = np.maximum(population.joined, calendar.start - YEAR_DAYS)
    years = np.maximum(calendar.end - begin, 0) / 365.25
    rate = np.where(ever_credit, 0.2 * np.exp(0.9 * population.risk), 0.0)
    count = rng.poisson(np.minimum(rate, 3.0) * years)
    customer = np.repeat(np.arange(len(population), dtype=np.int32), count)
    span = calendar.end - begin[customer]
    start = begin[customer] + 1 + (span * rng.random(len(customer))).astype(np.int32)
    start = np.minimum(start, calendar.end)
    lasts = np.minimum(1 + rng.standard_exponential(len(customer)) * 12, 80)
    episodes = _Episodes([], [], [], [])
    end = (start + lasts).astype(np.int32)
    episodes.add(customer, start, end, np.full(len(customer), NEVER, np.int32))
    return episodes


def _behaviour_at(
    population: Population, deposits: Deposits, episodes: _Episodes, calendar: Calendar, day: int
) -> Behaviour:
    """Return every customer's behaviour as of `day`, as the work tables would tell it."""
    size, owner = len(population), deposits.purchases.customer
    ended = int(((calendar.last <= day) & calendar.complete).sum())
    recent = range(max(ended - 6, 0), ended)
    balance = np.stack([np.bincount(owner, deposits.balance[m], size) for m in recent])
    has_account = np.stack(
        [np.bincount(owner, deposits.open_at_month_end[m], size) > 0 for m in recent]
    )
    overdrafts = sum(
        np.bincount(owner, deposits.overdrafts[m], size) for m in range(max(ended - 12, 0), ended)
    )
    months = np.maximum(has_account.sum(axis=0), 1)
    mean = balance.sum(axis=0) / months
    spread = np.sqrt((np.where(has_account, balance - mean, 0.0) ** 2).sum(axis=0) / months)
    return Behaviour(
        episodes.counts(size, day - YEAR_DAYS, day),
        np.asarray(overdrafts, np.int64),
        balance[-3:].sum(axis=0) / 3,
        np.divide(spread, mean, out=np.zeros(size), where=mean > 0),
        population.style,
    )


def _add_defaults(
    rng: np.random.Generator, episodes: _Episodes, customer: NDArray[np.int32], day: int, last: int
) -> None:
    """Add episodes that begin after `day` and are 90 days old before the period's end."""
    count = len(customer)
    start = day + 1 + rng.integers(0, PERIOD_DAYS - DEFAULT_DAYS, count)
    end = start + DEFAULT_DAYS + 20 + rng.integers(0, 120, count)
    written_off = start + DEFAULT_DAYS + 5 + rng.integers(0, 60, count)
    is_lost = (rng.random(count) < 0.3) & (written_off <= last)
    end = np.where(is_lost, NEVER, end)
    episodes.add(customer, start, end, np.where(is_lost, written_off, NEVER))


def _arrears_table(
    population: Population, episodes: _Episodes, calendar: Calendar, rng: np.random.Generator
) -> pa.Table:
    customer, start = np.concatenate(episodes.customer), np.concatenate(episodes.start)
    end, lost = np.concatenate(episodes.end), np.concatenate(episodes.written_off)
    end = np.where(end > calendar.end, NEVER, end)
    order = np.lexsort((start, customer))
    amount = np.exp(12.0 + 0.8 * rng.standard_normal(len(order)))
    return pa.table(
        {
            "arrr_no": account_numbers("A", population.block, len(order)),
            "cust_no": named(population.ids, customer[order]),
            "arrr_strt_dt": dates(start[order]),
            "arrr_end_dt": dates(end[order]),
            "arrr_amt": (amount / 1000).astype(np.int64).clip(1) * 1000,
            "wrof_dt": dates(lost[order]),
        }
    )


def contact_log(plan: Plan, population: Population) -> pa.Table:
    """Return the source table of contacts; a consultation may carry a judgement of the style.

    A judgement errs in the share `ASSESSMENT_NOISE` of cases.
    """
    rng, calendar = plan.stream(population.block, "contacts"), plan.calendar
    count = len(population)
    contacts = rng.poisson(0.8, count)
    assessed = rng.random(count) < ASSESSED_SHARE
    customer = np.concatenate(
        [np.repeat(np.arange(count), contacts), np.flatnonzero(assessed)]
    ).astype(np.int32)
    is_consultation = np.arange(len(customer)) >= contacts.sum()
    begin = np.maximum(population.joined[customer], calendar.start)
    day = begin + (rng.random(len(customer)) * (calendar.end - begin + 1)).astype(np.int32)
    style = population.style[customer]
    wrong = rng.random(len(customer)) < ASSESSMENT_NOISE
    style = np.where(wrong, (style + rng.integers(1, 4, len(customer))) % 4, style)
    channel = rng.integers(0, 3, len(customer)).astype(np.int32)
    order = np.lexsort((day, customer))
    return pa.table(
        {
            "cust_no": named(population.ids, customer[order]),
            "cnsl_dt": dates(day[order]),
            "cnsl_chnl_cd": named(pa.array(["BR", "TM", "AP"]), channel[order]),
            "cnsl_kind_cd": pa.array(np.where(is_consultation, "CS", "IQ")[order], pa.string()),
            "styl_eval_cd": pa.array(
                np.array(groups.STYLE_CODES)[style][order],
                pa.string(),
                mask=~is_consultation[order],
            ),
        }
    )
