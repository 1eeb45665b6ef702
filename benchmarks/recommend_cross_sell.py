"""Cross-selling on demo banks by its targets' true odds: expected NDCG@5 over the oracle's.

A bank's holdout has some sixty buyers of a first deposit, whose luck hides what a model is worth.
Here targets are drawn by their true rate of buying, and each is judged by the true odds of all
products instead of the one that was drawn. Segments are the planted groups with some wrong, known
of who held the family half a year before. Of deposits, also what an observer could reach who knows
all planted parameters, but of groups only what purchases without their amounts, age and occupation
tell. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from demo_purchases import BASE_DATE, MONTHS, holdings_of, product_table

from passbook.base_date import OUTCOME_WEEKS, HoldoutWindow, holdout_window
from passbook.contracts import FAMILIES
from passbook.demo.bank import groups, purchases
from passbook.demo.bank.accounts import fund_account, insurance_contract
from passbook.demo.bank.customers import (
    OCCUPATION_BY_GROUP,
    YEAR,
    Population,
    deposit_group_shares,
    draw_population,
)
from passbook.demo.bank.deposits import simulate_deposits
from passbook.demo.bank.plan import BLOCK_CUSTOMERS, Plan, make_plan
from passbook.demo.bank.preferences import DEPOSIT_TASTE, FIRST_ACCOUNT_BONUS
from passbook.recommend.als_model import AlsParameters
from passbook.recommend.basket_model import NO_SEGMENT
from passbook.recommend.catalogue import Catalogue, catalogue
from passbook.recommend.context import Context
from passbook.recommend.holdout import split
from passbook.recommend.interactions import Flags, Interactions, interactions_as_of
from passbook.recommend.purchases import Ints, Purchases, days_since_epoch, from_holdings
from passbook.recommend.recommenders import RECOMMENDERS
from passbook.recommend.scenarios import Scenario, population
from passbook.recommend.training import Policy, Scope

Doubles = npt.NDArray[np.float64]
MODELS = ("popularity_by_segment", "ease", "ranker")
TARGETS = 4000
WRONG = {"deposit": 0.03, "insurance": 0.25}
"""Share of segments that are drawn at random."""


@dataclass(frozen=True)
class Bank:
    """One block of customers, what they bought, and the month that is judged."""

    plan: Plan
    people: Population
    bought: dict[str, purchases.Purchases]
    window: HoldoutWindow

    @property
    def first(self) -> int:
        """First day of the month."""
        return days_since_epoch(self.window.test_start)

    def group(self, family: str) -> npt.NDArray[np.int8]:
        """Return everybody's planted group of a family."""
        people = self.people
        return people.insurance_group if family == "insurance" else people.deposit_group

    def state(self) -> purchases.State:
        """Return what everybody had bought before the month, as the simulation keeps it."""
        shelves = self.plan.shelves
        state = purchases.State.of_nobody(shelves, len(self.people))
        for family, found in self.bought.items():
            order = np.argsort(found.opened, kind="stable")
            order = order[found.opened[order] < self.first]
            day = found.opened[order]
            state.record(shelves[family], found.customer[order], found.product[order], day)
        return state


def expected_ndcg(scores: Doubles, odds: Doubles) -> float:
    """Return the mean NDCG@5 that rankings of one product to be bought will have."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    gain = np.take_along_axis(odds, best, axis=1) / np.log2(np.arange(2, 7))
    return float((gain.sum(axis=1) / np.maximum(odds.sum(axis=1), 1e-12)).mean())


def judge(bank: Bank, family: str, seed: int) -> dict[str, float]:
    """Return each model's expected NDCG@5 over the oracle's."""
    rng = np.random.default_rng(seed)
    shelf, group = bank.plan.shelves[family], bank.group(family)
    products = catalogue(product_table(bank.plan))
    history = from_holdings(holdings(bank), bank.people.ids, products.codes)
    learning = Learning(bank, family, products, history)
    state = bank.state()
    rate = np.where(learning.targets, buying_rate(bank, family, state), 0.0)
    chosen = rng.choice(len(rate), TARGETS, p=rate / rate.sum())
    buyers = purchases.Buyers(bank.people, np.sort(chosen).astype(np.int32))
    last = days_since_epoch(bank.window.test_end)
    view = purchases.View(bank.first, last, bank.window.test_start.month, 0.0)
    by_group = np.stack(
        [
            purchases.product_odds(buyers, np.full(TARGETS, g, np.int8), shelf, state, view)
            for g in range(group.max() + 1)
        ]
    )
    odds = by_group[group[buyers.customer], np.arange(TARGETS)]
    shares = {"oracle": purchases.group_shares(buyers, shelf, state, view)}
    if family == "deposit":
        shares["observer"] = observed_shares(bank, buyers.customer, state)
    found = {
        name: expected_ndcg(np.einsum("ug,gup->up", share, by_group), odds)
        for name, share in shares.items()
    }
    wrong = rng.random(len(rate)) < WRONG[family]
    told = np.where(wrong, rng.integers(0, len(by_group), len(rate)), group)
    place = np.searchsorted(np.array(products.codes.to_pylist()), np.array(shelf.codes))
    for name, scores in learning.scores(told, buyers.customer.astype(np.int64)):
        found[name] = expected_ndcg(scores[:, place], odds)
    best = found.pop("oracle")
    return {name: value / best for name, value in found.items()}


def holdings(bank: Bank) -> list[pa.Table]:
    """Return the holdings with their amounts, a table a family."""
    plan, people, bought = bank.plan, bank.people, bank.bought
    amounts = (
        pa.array(simulate_deposits(plan, people, bought["deposit"]).amount),
        insurance_contract(plan, people, bought["insurance"])["prem_amt"],
        fund_account(plan, people, bought["fund"])["eval_amt"],
    )
    return [
        held.append_column("amount", amount)
        for held, amount in zip(holdings_of(plan, people, bought), amounts, strict=True)
    ]


def buying_rate(bank: Bank, family: str, state: purchases.State) -> Doubles:
    """Return everybody's true rate of buying of a family."""
    number = list(bank.plan.shelves).index(family)
    again = np.where(
        state.last_product[family] >= 0,
        1.0 - purchases.REPEAT_SHARE,
        purchases.CROSS_FAMILY_RATE,
    )
    return np.asarray(groups.PURCHASE_RATE[number, bank.people.deposit_group] * again)


@dataclass(frozen=True)
class Learning:
    """What models may know of a bank before the month: purchases, and segments of long ago."""

    bank: Bank
    family: str
    products: Catalogue
    history: Purchases

    @cached_property
    def train(self) -> Interactions:
        """What had been bought before the month."""
        return split(self.history, self.bank.window).train

    @cached_property
    def families(self) -> dict[str, Flags]:
        """Products of each family."""
        return self.products.families(FAMILIES)

    @property
    def scenario(self) -> Scenario:
        """Cross-selling of the family."""
        return Scenario("cross_sell", self.family)

    @property
    def targets(self) -> Flags:
        """Who is offered the family, of those who are customers by then."""
        part = population(self.scenario, self.train, self.families)
        return np.asarray(part.targets & (self.bank.people.joined < self.bank.first))

    def scores(self, group: Ints, rows: npt.NDArray[np.int64]) -> Iterator[tuple[str, Doubles]]:
        """Yield each model's scores of every product for some customers.

        `group` are everybody's segments, known of who held the family half a year before.
        """
        then = interactions_as_of(self.history, BASE_DATE - timedelta(weeks=OUTCOME_WEEKS))
        known = then.customers_who_hold(self.families[self.family])
        segment = np.where(known, group, NO_SEGMENT).astype(np.int32)
        profile, window = profile_of(self.bank), self.bank.window
        scope = Scope(self.scenario, self.products, self.families, profile, Policy())
        training = scope.training(self.train, segment, AlsParameters())
        context = Context(self.train.take(rows), segment[rows], profile[rows])
        shut = ~self.products.on_sale(window.test_start, window.test_end)
        for name in MODELS:
            scores = RECOMMENDERS[name](training).score(context).astype(float)
            scores[:, shut] = -np.inf
            scores[context.baskets.rows, context.baskets.items] = -np.inf
            yield name, scores


def profile_of(bank: Bank) -> npt.NDArray[np.int32]:
    """Return codes of age in five years, sex and occupation."""
    age = np.clip(bank.people.age_at(days_since_epoch(BASE_DATE)), 0, 130) // 5 + 1
    return np.column_stack([age, bank.people.sex + 1, occupation(bank) + 1]).astype(np.int32)


def occupation(bank: Bank) -> npt.NDArray[np.int64]:
    """Return 0 for employed, 1 for not employed, 2 for unknown, as work tables tell it."""
    return np.digitize(bank.people.occupation, [4, 8])


def observed_shares(bank: Bank, customer: npt.NDArray[np.int32], state: purchases.State) -> Doubles:
    """Return how likely each deposit group is to who knows the planted parameters, and buyers'
    age, occupation, deposits and their number; not what only accounts and payments tell."""
    shelf, ever = bank.plan.shelves["deposit"], state.ever["deposit"][customer]
    log = np.log(deposit_group_shares((bank.first - bank.people.birth[customer]) / YEAR) + 1e-12)
    split_at = np.add.reduceat(OCCUPATION_BY_GROUP, [0, 4, 8], axis=1)
    log += np.log(split_at[:, occupation(bank)[customer]].T)
    taste = DEPOSIT_TASTE[:, shelf.line] + shelf.popularity
    opening = taste + FIRST_ACCOUNT_BONUS * purchases.IS_DEMAND[shelf.line]
    taste, opening = (u - np.log(np.exp(u).sum(axis=1, keepdims=True)) for u in (taste, opening))
    found = bank.bought["deposit"]
    first = np.full(len(bank.people), -1)
    order = np.argsort(-found.opened, kind="stable")
    first[found.customer[order]] = found.product[order]
    bought = ever @ taste.T + (opening - taste).T[first[customer]]
    rate, share = groups.PURCHASE_RATE[0], groups.FAMILY_SHARE[0]
    months = purchases.HISTORY_MONTHS + MONTHS - 2
    expected = rate * months * (1.0 - purchases.REPEAT_SHARE)
    bought += (ever.sum(axis=1, keepdims=True) - 1) * np.log(expected) - expected + np.log(share)
    none = np.log(1.0 - share) - purchases.CROSS_FAMILY_RATE * rate * MONTHS
    log += np.where(ever.any(axis=1, keepdims=True), bought, none) + np.log(rate)
    odds = np.exp(log - log.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    most = f"Customers of each bank, at most {BLOCK_CUSTOMERS:,}."
    parser.add_argument("--customers", type=int, default=BLOCK_CUSTOMERS, help=most)
    parser.add_argument("--banks", type=int, default=4, help="Banks, each of its own seed.")
    parser.add_argument("--first-seed", type=int, default=100)
    options = parser.parse_args()
    started = time.perf_counter()
    ratios: dict[str, dict[str, list[float]]] = {"deposit": {}, "insurance": {}}
    for seed in range(options.first_seed, options.first_seed + options.banks):
        plan = make_plan(min(options.customers, BLOCK_CUSTOMERS), seed, BASE_DATE, MONTHS, None)
        people = draw_population(plan, 0)
        bought, _ = purchases.simulate_purchases(plan, people)
        bank = Bank(plan, people, bought, holdout_window(BASE_DATE))
        for family, found in ratios.items():
            for name, ratio in judge(bank, family, seed).items():
                found.setdefault(name, []).append(ratio)
    figures = {
        f"cross_sell.{family}": {name: round(float(np.mean(v)), 4) for name, v in found.items()}
        for family, found in ratios.items()
    }
    spread = {
        f"cross_sell.{family}": round(float(np.std(found["ranker"], ddof=1)), 4)
        for family, found in ratios.items()
        if options.banks > 1
    }
    seconds = round(time.perf_counter() - started, 1)
    print(json.dumps({"of_oracle": figures, "banks_spread": spread, "seconds": seconds}))


if __name__ == "__main__":
    main()
