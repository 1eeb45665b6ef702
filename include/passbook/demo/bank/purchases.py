"""Purchases of products: the history a bank starts with, then month by month."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from passbook.demo.bank import groups
from passbook.demo.bank.calendar import NEVER, Calendar
from passbook.demo.bank.catalogue import DEPOSIT, FAMILIES, INSURANCE, LINES, Shelf
from passbook.demo.bank.customers import (
    YEAR,
    Population,
    deposit_group_shares,
    insurance_group_shares,
    pick,
)
from passbook.demo.bank.plan import Plan
from passbook.demo.bank.preferences import (
    FIRST_ACCOUNT_BONUS,
    INSURANCE_TASTE,
    NO_LINE,
    Choosers,
    purchase_probabilities,
    utilities,
)

HISTORY_MONTHS = 36
MOST_HISTORIC_PURCHASES = 8
REPEAT_SHARE = 0.12
"""Share of purchases that renew the family's last product instead of choosing a new one."""
CROSS_FAMILY_RATE = 0.45
"""Purchase rate of customers without the family, relative to those who have it."""

_TERMS = {
    "HD": ((365, 730, 1095), (0.40, 0.40, 0.20), 0.08),
    "DD": ((365, 730, 1095), (0.20, 0.40, 0.40), 0.12),
}
_MEAN_YEARS = {"deposit": 25.0, "insurance": 12.0, "fund": 3.0, "card": 8.0}
IS_DEMAND = np.array([line.kind_code == "SD" for line in LINES])


@dataclass(frozen=True)
class Purchases:
    """Purchases of one family, sorted by customer and day; arrays of (purchases,).

    `customer` counts inside the block, `product` inside the family's shelf. `closed` is `NEVER`
    for what is still held on the last simulated day.
    """

    customer: NDArray[np.int32]
    product: NDArray[np.int16]
    opened: NDArray[np.int32]
    closed: NDArray[np.int32]


@dataclass(frozen=True)
class Choices:
    """First purchases of a product in one month, with the odds of every product of the family.

    `probability` (choices, products) is what was drawn from; `foreseeable` is the same as far as
    the bank's data can tell, where a group that has not shown yet is a mixture by age.
    """

    family: str
    customer: NDArray[np.int32]
    product: NDArray[np.int16]
    probability: NDArray[np.float32]
    foreseeable: NDArray[np.float32]


@dataclass
class State:
    """What a block's customers have bought so far, arrays of (n,) or (n, products) a family."""

    ever: dict[str, NDArray[np.bool_]]
    last_product: dict[str, NDArray[np.int16]]
    last_line: NDArray[np.int8]
    last_day: NDArray[np.int32]
    events: dict[str, list[tuple[NDArray[np.int32], ...]]] = field(default_factory=dict)

    @classmethod
    def of_nobody(cls, shelves: Mapping[str, Shelf], customers: int) -> State:
        """Return the state before anything was bought."""
        return cls(
            ever={f: np.zeros((customers, len(s.codes)), bool) for f, s in shelves.items()},
            last_product={f: np.full(customers, -1, np.int16) for f in shelves},
            last_line=np.full(customers, NO_LINE, np.int8),
            last_day=np.full(customers, np.iinfo(np.int32).min, np.int32),
            events={f: [] for f in shelves},
        )

    def record(
        self,
        shelf: Shelf,
        customer: NDArray[np.int32],
        product: NDArray[np.int16],
        day: NDArray[np.int32],
    ) -> None:
        """Add purchases, at most one a customer or those of a customer in order of time."""
        self.ever[shelf.family][customer, product] = True
        self.last_product[shelf.family][customer] = product
        later = day >= self.last_day[customer]
        self.last_line[customer[later]] = shelf.line[product[later]]
        self.last_day[customer[later]] = day[later]
        self.events[shelf.family].append((customer, product.astype(np.int32), day))


def simulate_purchases(
    plan: Plan, population: Population
) -> tuple[dict[str, Purchases], list[Choices]]:
    """Return every family's purchases, and the choices made in the holdout month."""
    shelves, calendar = plan.shelves, plan.calendar
    state = State.of_nobody(shelves, len(population))
    rng = plan.stream(population.block, "families")
    share = groups.FAMILY_SHARE[:, population.deposit_group]
    wants = rng.random(share.shape) < share
    # A customer has at least one product at the bank: most often a deposit or a policy.
    none = np.flatnonzero(~wants.any(axis=0))
    wants[rng.integers(0, 2, len(none)), none] = True
    _historic_purchases(plan, population, wants, state)
    observed: list[Choices] = []
    for month in range(calendar.months):
        observed += _month_of_purchases(plan, population, wants, month, state)
    rng = plan.stream(population.block, "closures")
    return {f: _close(state.events[f], shelves[f], rng, calendar) for f in FAMILIES}, observed


def _historic_purchases(
    plan: Plan, population: Population, wants: NDArray[np.bool_], state: State
) -> None:
    """Draw what was bought before the first simulated month, in order of time per customer."""
    calendar = plan.calendar
    rng = plan.stream(population.block, "history")
    known = population.joined < calendar.start
    since = np.maximum(population.joined, calendar.start - HISTORY_MONTHS * 30)
    months = np.maximum(calendar.start - since, 0) / 30.44
    customer, day, family = [], [], []
    for f in range(len(FAMILIES)):
        buyers = np.flatnonzero(wants[f] & known).astype(np.int32)
        rate = groups.PURCHASE_RATE[f, population.deposit_group[buyers]]
        more = rng.poisson(rate * months[buyers]).clip(0, MOST_HISTORIC_PURCHASES - 1)
        again = np.repeat(buyers, more)
        joined = population.joined[buyers]
        # The first deposit comes with the customer, the first of another family some time later.
        delay = 0.0 if FAMILIES[f] == DEPOSIT else rng.random(len(buyers))
        first = joined + (delay * (calendar.start - joined)).astype(np.int32)
        left = (calendar.start - since[again]) * rng.random(len(again))
        customer += [buyers, again]
        day += [first, since[again] + left.astype(np.int32)]
        family.append(np.full(len(buyers) + len(again), f, np.int8))
    who, when, what = np.concatenate(customer), np.concatenate(day), np.concatenate(family)
    order = np.lexsort((what, when, who))
    who, when, what = who[order], when[order], what[order]
    turn = np.arange(len(who)) - np.searchsorted(who, who)
    for r in range(int(turn.max(initial=-1)) + 1):
        for f, name in enumerate(FAMILIES):
            at = np.flatnonzero((turn == r) & (what == f))
            on = when[at].astype(np.int32)
            view = View(on, on, 6, 0.0)
            drawn = _draw(Buyers(population, who[at]), plan.shelves[name], rng, state, view)
            state.record(plan.shelves[name], drawn.customer, drawn.product, on[drawn.kept])


def _month_of_purchases(
    plan: Plan, population: Population, wants: NDArray[np.bool_], month: int, state: State
) -> list[Choices]:
    """Draw a month's purchases; all choices of the month see what was known at its beginning.

    Returns the choices of the holdout month, of any other none.
    """
    calendar = plan.calendar
    rng = plan.stream(population.block, "purchases", calendar.names[month])
    first, last = int(calendar.first[month]), int(calendar.last[month])
    view = View(first, last, int(calendar.number[month]), float(plan.drift[month]))
    known = population.joined < first
    joins = (population.joined >= first) & (population.joined <= last)
    part = (last - first + 1) / 30.44
    drawn: list[tuple[_Drawn, NDArray[np.int32]]] = []
    choices = []
    for f, name in enumerate(FAMILIES):
        rate = groups.PURCHASE_RATE[f, population.deposit_group] * part
        rate = rate * np.where(state.last_product[name] >= 0, 1.0, CROSS_FAMILY_RATE)
        buys = (known & (rng.random(len(population)) < rate)) | (joins & wants[f])
        customer = np.flatnonzero(buys).astype(np.int32)
        day = rng.integers(first, last + 1, len(customer))
        day = np.where(joins[customer], population.joined[customer], day)
        shelf, buyers = plan.shelves[name], Buyers(population, customer)
        found = _draw(buyers, shelf, rng, state, view)
        drawn.append((found, day[found.kept].astype(np.int32)))
        if month == plan.holdout_month:
            choices.append(_choices(population, shelf, state, view, found))
    for name, (found, bought_on) in zip(FAMILIES, drawn, strict=True):
        state.record(plan.shelves[name], found.customer, found.product, bought_on)
    return choices


class View(NamedTuple):
    """What choices look at: days of sale and age, season, drift. Days may be (n,) or one."""

    first: NDArray[np.int32] | int
    last: NDArray[np.int32] | int
    month: int
    drift: float


class Buyers(NamedTuple):
    """Customers of a population who buy now."""

    population: Population
    customer: NDArray[np.int32]


class _Drawn(NamedTuple):
    """Products drawn for those customers, among the asked, to whom one is sold (`kept`)."""

    customer: NDArray[np.int32]
    product: NDArray[np.int16]
    probability: NDArray[np.float64]
    is_new: NDArray[np.bool_]
    kept: NDArray[np.bool_]


def _draw(
    buyers: Buyers, shelf: Shelf, rng: np.random.Generator, state: State, view: View
) -> _Drawn:
    """Draw a product for each buyer."""
    population, customer = buyers
    of_family = shelf.family == INSURANCE
    group = (population.insurance_group if of_family else population.deposit_group)[customer]
    sold = _sold(buyers, shelf, view)
    ever = state.ever[shelf.family][customer]
    probability = product_odds(buyers, group, shelf, state, view)
    product = pick(rng, probability).astype(np.int16)
    is_new = probability.sum(axis=1) > 0
    previous = state.last_product[shelf.family][customer]
    again = (previous >= 0) & (rng.random(len(customer)) < REPEAT_SHARE)
    again &= np.broadcast_to(sold, ever.shape)[np.arange(len(customer)), previous]
    product = np.where(again, previous, product)
    is_new &= ~again
    kept = again | is_new
    return _Drawn(customer[kept], product[kept], probability[kept], is_new[kept], kept)


def product_odds(
    buyers: Buyers, group: NDArray[np.int8], shelf: Shelf, state: State, view: View
) -> NDArray[np.float64]:
    """Return the probability of each product as a buyer's first one of its kind, given groups."""
    population, customer = buyers
    age = (view.first - population.birth[customer]) / YEAR
    choosers = Choosers(group, age, state.last_line[customer])
    utility = utilities(shelf, choosers, view.month, view.drift)
    if shelf.family == DEPOSIT:
        newcomer = state.last_product[DEPOSIT][customer] < 0
        utility[np.ix_(newcomer, IS_DEMAND[shelf.line])] += FIRST_ACCOUNT_BONUS
    allowed = _sold(buyers, shelf, view) & ~state.ever[shelf.family][customer]
    return purchase_probabilities(utility, allowed)


def _choices(
    population: Population, shelf: Shelf, state: State, view: View, found: _Drawn
) -> Choices:
    """Keep the first purchases by customers known before the month, and their odds."""
    met = found.is_new & (population.joined[found.customer] < view.first)
    choosers = Buyers(population, found.customer[met])
    shares = group_shares(choosers, shelf, state, view)
    foreseeable = np.zeros((len(choosers.customer), len(shelf.codes)))
    for group in range(shares.shape[1]):
        of_group = np.full(len(choosers.customer), group, np.int8)
        foreseeable += shares[:, [group]] * product_odds(choosers, of_group, shelf, state, view)
    return Choices(
        shelf.family,
        choosers.customer,
        found.product[met],
        found.probability[met].astype(np.float32),
        foreseeable.astype(np.float32),
    )


def group_shares(buyers: Buyers, shelf: Shelf, state: State, view: View) -> NDArray[np.float64]:
    """Return how likely each group is from what the bank can see, (n, groups).

    Balances and transactions give away the group of who ever had a deposit; policies give away
    the insurance group as far as their lines are typical; age is all there is for the others.
    """
    population, customer = buyers
    age = (view.first - population.birth[customer]) / YEAR
    if shelf.family != INSURANCE:
        shares = deposit_group_shares(age)
        shown = state.last_product[DEPOSIT][customer] >= 0
        shares[shown] = np.eye(shares.shape[1])[population.deposit_group[customer[shown]]]
        return shares
    typical = INSURANCE_TASTE[:, shelf.line] + shelf.popularity
    typical -= np.log(np.exp(typical).sum(axis=1, keepdims=True))
    evidence = state.ever[INSURANCE][customer] @ typical.T
    shares = insurance_group_shares(age) * np.exp(evidence - evidence.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _sold(buyers: Buyers, shelf: Shelf, view: View) -> NDArray[np.bool_]:
    """Return what is on sale during the whole view to somebody of that age, (n, products)."""
    age = (view.first - buyers.population.birth[buyers.customer]) / YEAR
    first, last = np.atleast_1d(view.first)[:, None], np.atleast_1d(view.last)[:, None]
    on_sale = (shelf.sale_start <= first) & (shelf.sale_end >= last)
    fits = (age[:, None] >= shelf.min_age) & (age[:, None] < shelf.max_age)
    return np.asarray(on_sale & fits)


def _close(
    events: list[tuple[NDArray[np.int32], ...]],
    shelf: Shelf,
    rng: np.random.Generator,
    calendar: Calendar,
) -> Purchases:
    """Sort a family's purchases and draw when each ends: at its term, early, or after years."""
    customer, product, opened = (np.concatenate(parts) for parts in zip(*events, strict=True))
    order = np.lexsort((product, opened, customer))
    customer, product, opened = customer[order], product[order], opened[order]
    years = _MEAN_YEARS[shelf.family]
    lasts = rng.standard_exponential(len(customer)) * years * 365.25 + 30
    kind = np.array([LINES[line].kind_code for line in shelf.line])[product]
    for code, (terms, shares, early_share) in _TERMS.items():
        at = np.flatnonzero(kind == code)
        term = rng.choice(terms, len(at), p=shares).astype(float)
        early = rng.random(len(at)) < early_share
        lasts[at] = np.where(early, 30 + (term - 30) * rng.random(len(at)), term)
    closed = opened + np.minimum(lasts, 20_000).astype(np.int32)
    closed = np.where(closed > calendar.end, NEVER, closed)
    return Purchases(customer, product.astype(np.int16), opened, closed.astype(np.int32))
