"""The tables that a week's offers are published as."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from passbook.contracts import MART_TABLES
from passbook.recommend.catalogue import AGE_UNKNOWN, Catalogue, age_classes
from passbook.recommend.eligibility import ExclusionTally
from passbook.recommend.interactions import Flags, Interactions
from passbook.recommend.model import RecommendModel
from passbook.recommend.offers import Audience, Explanations, offer_blocks
from passbook.recommend.purchases import Ints
from passbook.recommend.scenarios import Scenario

if TYPE_CHECKING:
    from passbook.settings import Settings

CUSTOMER_COLUMNS: Final = (
    "customer_id", "birth_date", "sex", "occupation_group", "customer_type", "marketing_opt_out"
)  # fmt: skip


@dataclass(frozen=True)
class People:
    """The week's customers as the work tables know them.

    Attributes
    ----------
    table : pyarrow.Table
        `CUSTOMER_COLUMNS`, ascending by customer.
    interactions : Interactions
        What they bought, as of the base date.
    strangers : int
        Purchases of nobody among them.
    """

    table: pa.Table
    interactions: Interactions
    strangers: int

    def column(self, name: str) -> pa.Array:
        """Return a column."""
        return self.table.column(name).combine_chunks()

    @property
    def age(self) -> Ints:
        """Full years on the base date, `AGE_UNKNOWN` where it cannot be told."""
        return age_classes(self.table.column("birth_date"), self.interactions.as_of)

    @property
    def opted_out(self) -> Flags:
        """Who wants no offers; where the bank knows it of some, also of whom it is not known."""
        column = self.column("marketing_opt_out")
        unknown = column.null_count < len(column)
        return np.asarray(pc.fill_null(column, unknown).to_numpy(zero_copy_only=False), dtype=bool)


@dataclass
class OfferTables:
    """Offers in one pass: lists as they stream by, control offers and exclusions gathered.

    `lists` must be consumed before the others and the explanations.
    """

    audience: Audience
    products: Catalogue
    settings: Settings
    explanations: Explanations
    tally: ExclusionTally = field(default_factory=ExclusionTally)
    held_back: list[pa.RecordBatch] = field(default_factory=list)

    def lists(
        self, models: Mapping[Scenario, RecommendModel], families: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of ``mart.recommendation_list``."""
        settings = self.settings
        for block in offer_blocks(
            models, self.audience, self.products, families, self.explanations,
            k=settings.offers_per_scenario, block_rows=settings.block_rows,
        ):  # fmt: skip
            for scenario, exclusions in block.exclusions.items():
                self.tally.add(scenario, exclusions)
            self.held_back.append(block.control)
            yield block.lists

    def control(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of ``mart.control_offer``."""
        yield from self.held_back

    def exclusions(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of ``mart.offer_exclusion``."""
        yield from self.tally.batches(self.audience.interactions.as_of)


def offer_customer_batches(
    people: People, audience: Audience, block_rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of ``mart.offer_customer``, which the proof of offers goes by."""
    schema = MART_TABLES["offer_customer"].schema
    owned, age = people.interactions, people.age
    for start in range(0, owned.shape[0], block_rows):
        block = slice(start, min(start + block_rows, owned.shape[0]))
        first, last = owned.indptr[start], owned.indptr[block.stop]
        offsets = (owned.indptr[start : block.stop + 1] - first).astype(np.int32)
        bought = owned.products.take(pa.array(owned.items[first:last]))
        length = block.stop - start
        columns = [
            pa.repeat(pa.scalar(owned.as_of, pa.date32()), length),
            owned.customers.slice(start, length),
            pa.array(age[block], mask=age[block] == AGE_UNKNOWN),
            people.column("customer_type").slice(start, length),
            pa.array(audience.opted_out[block]),
            pa.array(audience.control[block]),
            pa.ListArray.from_arrays(pa.array(offsets), bought),
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def product_batch(table: pa.Table, products: Catalogue, base_date: date) -> pa.RecordBatch:
    """Return the rows of ``mart.product``."""
    schema = MART_TABLES["product"].schema
    table = table.sort_by("product_code").combine_chunks()
    columns = {name: table[name].combine_chunks() for name in table.column_names}
    columns["base_date"] = pa.repeat(pa.scalar(base_date, pa.date32()), len(table))
    columns["on_sale"] = pa.array(products.on_sale(base_date))
    return pa.RecordBatch.from_arrays([columns[n] for n in schema.names], schema=schema)
