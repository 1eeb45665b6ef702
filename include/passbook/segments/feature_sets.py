"""Which columns segment a family, how each is scaled, and how much each group of them weighs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Scale = Literal["log", "rank", "linear"]


@dataclass(frozen=True)
class Number:
    """A numeric feature: how its tail is tamed, and the group whose weight it shares.

    Attributes
    ----------
    name, group : str
    scale : "log", "rank" or "linear"
    columns : tuple[str, ...]
        Columns that add up to it; empty: the column of its name.
    per : str
        Column it is divided by; where that is zero the feature is missing.
    """

    name: str
    group: str
    scale: Scale = "log"
    columns: tuple[str, ...] = ()
    per: str = ""


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
        # How often and how much at a time: a total would say both at once, and neither well.
        Number("deposit_count", "activity"),
        Number("withdrawal_count", "activity"),
        Number("deposit_size", "activity", columns=("deposit_amount",), per="deposit_count"),
        Number("withdrawal_size", "activity", columns=("withdrawal_amount",),
               per="withdrawal_count"),
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
        "activity": 0.45,
        "products": 0.12,
        "standing": 0.04,
        "demographics": 0.04,
    },
    must_lead=("avg_balance_3m",),
)  # fmt: skip

INSURANCE: Final = FeatureSet(
    profile="insurance_profile",
    # Policies by what they are for: single kinds are too rare to show who buys what together.
    numbers=(
        Number("protection", "policies", columns=("death", "group", "rider")),
        Number("health", "policies", columns=("injury", "disease")),
        Number("children", "policies", columns=("child", "education")),
        Number("saving", "policies", columns=("non_qualified", "qualified", "savings")),
    ),
    categories=_DEMOGRAPHICS,
    weights={"policies": 0.95, "demographics": 0.05},
)

FEATURE_SETS: Final[Mapping[str, FeatureSet]] = {"deposit": DEPOSIT, "insurance": INSURANCE}
"""By family, in the order in which they are trained and published."""
