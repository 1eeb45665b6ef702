"""The hard rules of offers: what may be offered to whom. What is not known is closed.

Rules of a product and of a kind of customer make one small table; what a customer bought, or was
offered lately, is looked up per customer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from passbook.contracts import EXCLUSIONS, MART_TABLES
from passbook.recommend import eligibility_kernels
from passbook.recommend.catalogue import AGE_UNKNOWN, Catalogue
from passbook.recommend.interactions import Flags, Floats, Interactions
from passbook.recommend.purchases import Ints, days_since_epoch

OPEN: Final = 0
_PRODUCT_RULES: Final = ("discontinued", "not_yet_sold", "customer_type", "age")
AGES: Final = AGE_UNKNOWN + 1

Exclusions = Mapping[str, tuple[int, int]]
"""By rule: customers from whom something was kept, and pairs of customer and product."""


@dataclass(frozen=True)
class RecentOffers:
    """Products that customers were offered of late.

    Attributes
    ----------
    bits : uint8 array of shape (customers, bytes)
        A bit a product, the lowest of a byte first; no byte at all where nothing was offered.
    """

    bits: npt.NDArray[np.uint8]

    def take(self, rows: npt.NDArray[np.int64]) -> RecentOffers:
        """Return those of some customers, in the order of `rows`."""
        return RecentOffers(self.bits[rows])

    def add(self, customer: Ints, item: Ints) -> None:
        """Add offers: row and column of each."""
        eligibility_kernels.set_bits(self.bits, customer, item)

    def mask(self, scores: Floats) -> None:
        """Set the score of every product that was offered of late to minus infinity."""
        eligibility_kernels.mask_bits(self.bits, scores)


def no_recent_offers(customers: int, products: int = 0) -> RecentOffers:
    """Return what is known of customers who were offered nothing of late."""
    return RecentOffers(np.zeros((customers, (products + 7) // 8), dtype=np.uint8))


def closed_products(catalogue: Catalogue, base_date: date) -> npt.NDArray[np.uint8]:
    """Return why each product is closed to each class of customers.

    Returns
    -------
    uint8 array of shape (classes, products)
        `OPEN`, or the place in `EXCLUSIONS` of the first rule that applies, plus one. Classes are
        those of `rule_classes`: ages within types of customer.
    """
    today = days_since_epoch(base_date)
    types = catalogue.customer_types
    wrong_age = ~catalogue.allowed_at_age()
    closed = np.zeros((len(types) + 1, AGES, len(catalogue.codes)), dtype=np.uint8)
    wanted = np.array(
        [-1 if kind is None else types.index(kind) for kind in catalogue.customer_type]
    )
    of_type = np.arange(len(types) + 1)[:, None, None]
    faults = {
        "age": np.broadcast_to(wrong_age[None], closed.shape),
        "customer_type": np.broadcast_to((wanted >= 0) & (wanted != of_type), closed.shape),
        "not_yet_sold": np.broadcast_to(catalogue.sale_start > today, closed.shape),
        "discontinued": np.broadcast_to(catalogue.sale_end < today, closed.shape),
    }
    for rule in reversed(_PRODUCT_RULES):
        closed[faults[rule]] = EXCLUSIONS.index(rule) + 1
    return closed.reshape(-1, len(catalogue.codes))


def rule_classes(catalogue: Catalogue, age: Ints, customer_type: pa.Array) -> Ints:
    """Return each customer's class: type, then age.

    Parameters
    ----------
    age : int32 array of shape (customers,)
        Of `age_classes`.
    customer_type : pyarrow.StringArray
        Who has none, or one that no product asks for, is offered only what is for all.
    """
    types = catalogue.customer_types
    place = pc.index_in(customer_type, value_set=pa.array(types, pa.string()))
    return np.asarray(place.fill_null(len(types)).to_numpy() * AGES + age, dtype=np.int32)


def count_exclusions(
    owned: Interactions,
    recent: RecentOffers,
    rule_class: Ints,
    closed: npt.NDArray[np.uint8],
    offered: Flags,
) -> dict[str, tuple[int, int]]:
    """Count what each rule keeps from customers, among the products of a scenario.

    Parameters
    ----------
    owned : Interactions
        What each customer ever bought.
    closed : uint8 array of shape (classes, products)
    offered : bool array of shape (products,)
        The scenario's products.
    """
    customers = np.bincount(rule_class, minlength=len(closed))
    counts = {}
    for rule in _PRODUCT_RULES:
        of_class = ((closed == EXCLUSIONS.index(rule) + 1) & offered).sum(axis=1)
        counts[rule] = (int(customers[of_class > 0].sum()), int(customers @ of_class))
    open_table = (closed == OPEN) & offered
    held, lately = (np.zeros(len(rule_class), dtype=np.int32) for _ in range(2))
    eligibility_kernels.count_kept(
        owned.indptr, owned.items, recent.bits, rule_class, open_table, held, lately
    )
    for rule, kept in (("held", held), ("recently_offered", lately)):
        counts[rule] = (int(np.count_nonzero(kept)), int(kept.sum()))
    return counts


@dataclass
class ExclusionTally:
    """Exclusions added up over blocks of customers."""

    counts: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)

    def add(self, scenario: str, exclusions: Exclusions) -> None:
        """Add a block's exclusions of a scenario."""
        for rule, (customers, products) in exclusions.items():
            before = self.counts.get((scenario, rule), (0, 0))
            self.counts[scenario, rule] = (before[0] + customers, before[1] + products)

    @property
    def products(self) -> int:
        """Pairs of customer and product kept apart, over all scenarios and rules."""
        return sum(products for _, products in self.counts.values())

    def batches(self, base_date: date) -> Iterable[pa.RecordBatch]:
        """Yield the rows of ``mart.offer_exclusion``; a rule that kept nothing says so by zero."""
        found = sorted(self.counts.items())
        columns = [
            pa.array([base_date] * len(found), pa.date32()),
            pa.array([scenario for (scenario, _), _ in found], pa.string()),
            pa.array([rule for (_, rule), _ in found], pa.string()),
            pa.array([customers for _, (customers, _) in found], pa.int64()),
            pa.array([products for _, (_, products) in found], pa.int64()),
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=MART_TABLES["offer_exclusion"].schema)
