from __future__ import annotations

from datetime import date

from passbook.recommend.interactions import interactions_as_of
from passbook.recommend.scenarios import (
    NEW_CUSTOMER,
    Population,
    Scenario,
    offered_scenarios,
    population,
)

from .small_banks import products, purchases

CATALOGUE = products(deposit="d1 d2", insurance="i1", fund="f1")
ROWS = [
    ("deposit_only", "d1", "2022-01-01"),
    ("both", "d1", "2022-01-01"),
    ("both", "i1", "2022-01-01"),
    ("insured", "i1", "2022-01-01"),
    ("left", "d1", "2021-01-01", "2021-06-01"),
    ("left", "i1", "2022-01-01"),
]


def _population(scenario: Scenario) -> tuple[Population, list[str], list[str]]:
    names = sorted({row[0] for row in ROWS} | {"nobody"})
    bought = purchases(ROWS, " ".join(names), "d1 d2 f1 i1")
    part = population(
        scenario,
        interactions_as_of(bought, date(2022, 6, 5)),
        CATALOGUE.families(["deposit", "insurance", "fund"]),
    )
    learners = [n for n, yes in zip(names, part.learners, strict=True) if yes]
    targets = [n for n, yes in zip(names, part.targets, strict=True) if yes]
    return part, learners, targets


def test_up_sell_targets_holders_and_learns_from_all_buyers() -> None:
    part, learners, targets = _population(Scenario("up_sell", "deposit"))
    assert targets == ["both", "deposit_only"]
    assert learners == ["both", "deposit_only", "left"]
    assert part.offered.tolist() == [True, True, False, False]


def test_cross_sell_targets_holders_of_another_family_who_lack_this_one() -> None:
    part, learners, targets = _population(Scenario("cross_sell", "deposit"))
    assert targets == ["insured", "left"]
    assert learners == ["both", "insured", "left"]
    assert part.catalogue.all()
    assert part.offered.tolist() == [True, True, False, False]


def test_scenarios_follow_the_families() -> None:
    assert [s.name for s in offered_scenarios(["insurance"])] == [
        "up_sell.insurance",
        "new_customer",
    ]
    assert [s.name for s in offered_scenarios(["insurance", "deposit"])] == [
        "up_sell.deposit",
        "up_sell.insurance",
        "cross_sell.deposit",
        "cross_sell.insurance",
        "new_customer",
    ]


def test_new_customers_are_learnt_from_everybody_and_hold_nothing() -> None:
    part, learners, targets = _population(NEW_CUSTOMER)
    assert targets == ["nobody"]
    assert learners == ["both", "deposit_only", "insured", "left"]
    assert not part.catalogue.any()
    assert part.offered.all()
