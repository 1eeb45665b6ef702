"""The scenarios: which customers learn, which are offered something, and which products."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from passbook.contracts import FAMILIES
from passbook.recommend.interactions import Flags, Interactions


@dataclass(frozen=True)
class Scenario:
    """More of a family to its holders (``up_sell``), or its first to others (``cross_sell``)."""

    kind: str
    family: str

    @property
    def name(self) -> str:
        """Such as ``up_sell.deposit``."""
        return f"{self.kind}.{self.family}"


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
    return up_sell + [Scenario("cross_sell", f) for f in present if len(present) > 1]


def population(
    scenario: Scenario, interactions: Interactions, family_products: Mapping[str, Flags]
) -> Population:
    """Pick the customers and products of a scenario.

    ``up_sell`` learns from everyone who ever bought of the family and targets its holders.
    ``cross_sell`` learns, over the joint catalogue, from those who hold in two families or more
    and from its targets: who hold another family, but nothing of this one.

    Parameters
    ----------
    family_products : Mapping[str, bool array of shape (products,)]
        The products of each family that the bank offers.
    """
    offered = family_products[scenario.family]
    holds = {f: interactions.customers_who_hold(mask) for f, mask in family_products.items()}
    joint = np.logical_or.reduce(list(family_products.values()))
    if scenario.kind == "up_sell":
        learners = interactions.customers_who_bought(offered)
        return Population(learners, holds[scenario.family], joint, offered)
    families_held = np.sum(list(holds.values()), axis=0)
    targets = (families_held > 0) & ~holds[scenario.family]
    return Population((families_held > 1) | targets, targets, joint, offered)
