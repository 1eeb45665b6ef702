"""Which columns segment a family, how each is scaled, and how much each group of them weighs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Scale = Literal["log", "rank", "linear"]


@dataclass(frozen=True)
class Number:
    """A numeric column: how its tail is tamed, and the group whose weight it shares."""

    name: str
    group: str
    scale: Scale = "log"


@dataclass(frozen=True)
class Category:
    """A categorical column and the group whose weight it shares."""

    name: str
    group: str


@dataclass(frozen=True)
class FeatureSet:
    """The features of a family.

    Attributes
    ----------
    profile : str
        Work table of the numbers; the categories come from `customer`.
    weights : Mapping[str, float]
        Share of each group in the distance, whatever the number of its columns.
    must_lead : tuple[str, ...]
        Features of which one has to be among those that separate the clusters best.
    """

    profile: str
    numbers: tuple[Number, ...]
    categories: tuple[Category, ...]
    weights: Mapping[str, float]
    must_lead: tuple[str, ...] = ()

    @property
    def groups(self) -> dict[str, str]:
        """Group of each feature by its name, numbers first."""
        numbers = {number.name: number.group for number in self.numbers}
        return numbers | {category.name: category.group for category in self.categories}


_DEMOGRAPHICS: Final = (
    Category("sex", "demographics"),
    Category("age_band", "demographics"),
    Category("occupation_group", "demographics"),
)

DEPOSIT: Final = FeatureSet(
    profile="deposit_profile",
    numbers=(
        Number("balance", "balance"),
        Number("avg_balance_3m", "balance"),
        Number("avg_balance_1y", "balance"),
        Number("deposit_count", "activity"),
        Number("deposit_amount", "activity"),
        Number("withdrawal_count", "activity"),
        Number("withdrawal_amount", "activity"),
        Number("auto_payment_count", "activity"),
        Number("auto_transfer_count", "activity"),
        Number("time_deposit_count", "products"),
        Number("installment_count", "products"),
        Number("demand_count", "products"),
        Number("overdraft_count", "standing"),
        Number("arrears_count", "standing"),
    ),
    categories=_DEMOGRAPHICS,
    weights={
        "balance": 0.35,
        "activity": 0.25,
        "products": 0.25,
        "standing": 0.05,
        "demographics": 0.10,
    },
    must_lead=("avg_balance_3m",),
)

INSURANCE: Final = FeatureSet(
    profile="insurance_profile",
    numbers=tuple(
        Number(kind, "policies")
        for kind in (
            "death",
            "injury",
            "disease",
            "child",
            "group",
            "education",
            "non_qualified",
            "qualified",
            "savings",
            "rider",
            "policy_count",
        )
    ),
    categories=_DEMOGRAPHICS,
    weights={"policies": 0.85, "demographics": 0.15},
)

FEATURE_SETS: Final[Mapping[str, FeatureSet]] = {"deposit": DEPOSIT, "insurance": INSURANCE}
"""By family, in the order in which they are trained and published."""
