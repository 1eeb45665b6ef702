"""The scenarios: which customers learn, which are offered something, and which products."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from passbook.contracts import FAMILIES
from passbook.recommend.interactions import Flags, Interactions

T = TypeVar("T")


@dataclass(frozen=True)
class Scenario:
    """More of a family to its holders (``up_sell``), its first to others (``cross_sell``), or
    anything to who holds nothing (``new_customer``, of no family)."""

    kind: str
    family: str = ""

    @property
    def name(self) -> str:
        """Such as ``up_sell.deposit``."""
        return f"{self.kind}.{self.family}" if self.family else self.kind

    def products(self, family_products: Mapping[str, Flags]) -> Flags:
        """Return the products that it offers."""
        if self.family:
            return family_products[self.family]
        return np.asarray(np.logical_or.reduce(list(family_products.values())))

    def segments(self, by_family: Mapping[str, T]) -> T:
        """Return the segments that it goes by: its family's, or those named after itself."""
        return by_family[self.family or self.name]


NEW_CUSTOMER: Final = Scenario("new_customer")


@dataclass(frozen=True)
class Population:
    """Who takes part in a scenario as of a day.

    Attributes
    ----------
    learners : bool array of shape (customers,)
        Whose purchases are learnt from.
    targets : bool array of shape (customers,)
        Who is offered the family's products.
    catalogue : bool array of shape (products,)
        Products whose ownership is learnt from.
    offered : bool array of shape (products,)
        Products of the scenario's family.
    """

    learners: Flags
    targets: Flags
    catalogue: Flags
    offered: Flags


def offered_scenarios(families: Collection[str]) -> list[Scenario]:
    """Return the scenarios that a bank with these families has."""
    present = [family for family in FAMILIES if family in families]
    up_sell = [Scenario("up_sell", family) for family in present]
    cross_sell = [Scenario("cross_sell", f) for f in present if len(present) > 1]
    return up_sell + cross_sell + [NEW_CUSTOMER]


def population(
    scenario: Scenario, interactions: Interactions, family_products: Mapping[str, Flags]
) -> Population:
    """Pick the customers and products of a scenario.

    ``up_sell`` learns from everyone who ever bought of the family and targets its holders.
    ``cross_sell`` learns, over the joint catalogue, from those who hold in two families or more
    and from its targets: who hold another family, but nothing of this one. ``new_customer`` learns
    from everybody's first purchases, and targets who holds nothing; no basket is looked at.

    Parameters
    ----------
    family_products : Mapping[str, bool array of shape (products,)]
        The products of each family that the bank offers.
    """
    offered = scenario.products(family_products)
    holds = {f: interactions.customers_who_hold(mask) for f, mask in family_products.items()}
    joint = np.logical_or.reduce(list(family_products.values()))
    if scenario.kind == "up_sell":
        learners = interactions.customers_who_bought(offered)
        return Population(learners, holds[scenario.family], joint, offered)
    families_held = np.sum(list(holds.values()), axis=0)
    if scenario.kind == "new_customer":
        learners = interactions.customers_who_bought(joint)
        return Population(learners, families_held == 0, np.zeros_like(joint), offered)
    targets = (families_held > 0) & ~holds[scenario.family]
    return Population((families_held > 1) | targets, targets, joint, offered)
