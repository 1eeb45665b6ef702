"""A week's offers: holdings in, published rows out, all scenarios, proof included.

Customers, products and purchases are random, of the shape of the demo bank's: 182 products in four
families, two to three purchases a customer. Models are trained on a sample of customers.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from passbook import ledger, mart
from passbook.embedded import postgres
from passbook.mart import proof
from passbook.recommend.als_model import AlsParameters
from passbook.recommend.catalogue import Catalogue, age_classes, catalogue
from passbook.recommend.control_group import in_control_group
from passbook.recommend.eligibility import no_recent_offers, rule_classes
from passbook.recommend.interactions import interactions_as_of
from passbook.recommend.model import RecommendModel
from passbook.recommend.offers import Audience, explanations_of
from passbook.recommend.purchases import days_since_epoch, from_holdings
from passbook.recommend.recommenders import POPULARITIES, RECOMMENDERS, Training
from passbook.recommend.scenarios import NEW_CUSTOMER, Scenario, offered_scenarios, population
from passbook.settings import Settings
from passbook.steps.offer_tables import (
    OfferTables,
    People,
    offer_customer_batches,
    product_batch,
)

BASE_DATE = date(2022, 12, 4)
FAMILIES = {"deposit": 60, "insurance": 60, "fund": 40, "card": 22}
OFFERED = ("deposit", "insurance", "fund")
SEGMENTS = 6
SAMPLE = 50_000


def product_table() -> pa.Table:
    """Return the products, one in ten discontinued, one in five with an age limit."""
    rows = [
        {"product_code": f"{family[0].upper()}{n:03d}", "product_name": f"{family} 상품 {n}",
         "family": family, "sale_start": date(2005, 1, 1),
         "sale_end": date(2022, 6, 30) if n % 10 == 9 else None,
         "min_age": 19 if n % 5 == 0 else None, "max_age": None,
         "customer_type": "business" if n % 20 == 3 else None}
        for family, count in FAMILIES.items() for n in range(count)
    ]  # fmt: skip
    days, counts = ("sale_start", "sale_end"), ("min_age", "max_age")
    kinds = {**dict.fromkeys(days, pa.date32()), **dict.fromkeys(counts, pa.int32())}
    return pa.Table.from_pylist(
        rows, pa.schema([(name, kinds.get(name, pa.string())) for name in rows[0]])
    )


def customer_table(customers: int, rng: np.random.Generator) -> pa.Table:
    """Return customers with birth dates, kinds and consents."""
    ids = pc.utf8_lpad(pa.array(np.arange(customers)).cast(pa.string()), 10, "0")
    born = rng.integers(-14_000, 15_000, customers).astype(np.int32)
    kinds, business = pa.array(["personal", "business"]), rng.integers(0, 14, customers) // 13
    return pa.table(
        {
            "customer_id": ids,
            "birth_date": pa.array(born, mask=rng.random(customers) < 0.004).cast(pa.date32()),
            "customer_type": kinds.take(pa.array(business)),
            "marketing_opt_out": pa.array(rng.random(customers) < 0.03),
        }
    )


def holding_table(ids: pa.Array, codes: pa.Array, rng: np.random.Generator) -> pa.Table:
    """Return two to three purchases a customer, popular products more often."""
    count = rng.choice(6, len(ids), p=[0.05, 0.2, 0.3, 0.25, 0.15, 0.05])
    customer = np.repeat(np.arange(len(ids), dtype=np.int32), count)
    usable = np.flatnonzero(pc.invert(pc.starts_with(codes, "C")).to_numpy(zero_copy_only=False))
    weight = 1.0 / (1.0 + rng.permutation(len(usable)))
    item = rng.choice(usable, len(customer), p=weight / weight.sum())
    opened = (days_since_epoch(BASE_DATE) - rng.integers(0, 2000, len(customer))).astype(np.int32)
    closed = rng.random(len(customer)) < 0.15
    return pa.table(
        {
            "customer_id": ids.take(pa.array(customer)),
            "product_code": codes.take(pa.array(item)),
            "opened_on": pa.array(opened).cast(pa.date32()),
            "closed_on": pa.array(opened + 1, mask=~closed).cast(pa.date32()),
            "amount": rng.integers(0, 10_000_000, len(customer)),
        }
    )


def train(products: Catalogue, audience: Audience, champion: str) -> dict[Scenario, RecommendModel]:
    """Train each scenario on the first customers."""
    rows = np.arange(min(SAMPLE, audience.interactions.shape[0]))
    families = products.families(OFFERED)
    some = audience.take(rows)
    models = {}
    for scenario in offered_scenarios(OFFERED):
        part = population(scenario, some.interactions, families)
        who = np.flatnonzero(part.learners)
        new = scenario == NEW_CUSTOMER
        learnt = some.interactions.take(who)
        training = Training(
            learnt.first_purchases() if new else learnt, scenario.segments(some.segments)[who],
            some.profile[who], part.offered, products.sale_start, products.sale_end,
            200, AlsParameters(), 0, 12.0, new,
        )  # fmt: skip
        name = champion if champion == "ranker" or not new else "popularity_by_segment"
        models[scenario] = RecommendModel(
            scenario.name, tuple(products.codes.to_pylist()), RECOMMENDERS[name](training),
            POPULARITIES["popularity_by_segment"](training),
        )  # fmt: skip
    return models


class Watch:
    """Seconds of each part, in their order."""

    def __init__(self) -> None:
        self._marks = [("begun", time.perf_counter())]

    def mark(self, part: str) -> None:
        """Note that a part has ended."""
        self._marks.append((part, time.perf_counter()))

    def seconds(self) -> dict[str, float]:
        """Return what each part took."""
        return {name: at - before for (_, before), (name, at) in pairwise(self._marks)}


def prepare(
    customers: pa.Table, holdings: pa.Table, products: Catalogue, rng: np.random.Generator
) -> tuple[People, Audience]:
    """Return what is known of the customers, with random segments."""
    ids = customers["customer_id"].combine_chunks()
    purchases = from_holdings([holdings], ids, products.codes)
    people = People(customers, interactions_as_of(purchases, BASE_DATE), purchases.strangers)
    segment = rng.integers(0, SEGMENTS, len(ids)).astype(np.int32)
    audience = Audience(
        people.interactions,
        rule_classes(products, people.age, people.column("customer_type")),
        people.opted_out,
        in_control_group(ids, 0.05, "1"),
        no_recent_offers(len(ids)),
        {**dict.fromkeys(OFFERED, segment), NEW_CUSTOMER.name: segment},
        np.column_stack([age_classes(customers["birth_date"], BASE_DATE) // 5 + 1,
                         rng.integers(0, 3, len(ids))]).astype(np.int32),
    )  # fmt: skip
    return people, audience


@contextmanager
def timed_proof() -> Iterator[list[float]]:
    """Time the proof, whose share is seen nowhere else."""
    took: list[float] = []
    prove = proof.prove_offers

    def timed(*arguments: Any) -> None:
        started = time.perf_counter()
        prove(*arguments)
        took.append(time.perf_counter() - started)

    proof.prove_offers = timed  # type: ignore[assignment]
    try:
        yield took
    finally:
        proof.prove_offers = prove


def publish(
    url: str, product: pa.RecordBatch, people: People, tables: OfferTables,
    lists: Iterator[pa.RecordBatch],
) -> dict[str, int]:  # fmt: skip
    """Publish the week and return the rows of each table."""
    with closing(mart.connect(url)) as connection:
        fence = ledger.begin_stage(connection, "recommend_products", BASE_DATE, "benchmark")
        published = mart.publish(
            connection, fence,
            {
                "product": [product],
                "offer_customer": offer_customer_batches(
                    people, tables.audience, Settings().block_rows
                ),
                "recommendation_list": lists,
                "control_offer": tables.control(),
                "explanation": tables.explanations.batches(BASE_DATE),
                "offer_exclusion": tables.exclusions(),
            },
            inputs={},
        )  # fmt: skip
    return {publication.table: publication.rows for publication in published}


def measure(url: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures on a migrated mart."""
    rng = np.random.default_rng(options.seed)
    product = product_table()
    products = catalogue(product)
    customers = customer_table(options.customers, rng)
    holdings = holding_table(customers["customer_id"].combine_chunks(), products.codes, rng)
    watch = Watch()
    people, audience = prepare(customers, holdings, products, rng)
    watch.mark("prepare_s")
    models = train(products, audience, options.champion)
    del holdings
    watch.mark("train_s")
    tables = OfferTables(audience, products, Settings(), explanations_of(models, products))

    def lists() -> Iterator[pa.RecordBatch]:
        yield from tables.lists(models, OFFERED)
        watch.mark("lists_streamed")

    with timed_proof() as proved:
        rows = publish(url, product_batch(product, products, BASE_DATE), people, tables, lists())
    watch.mark("publish_s")
    took = watch.seconds()
    return {
        "champion": options.champion,
        "customers": options.customers,
        "lists": rows["recommendation_list"],
        "control_lists": rows["control_offer"],
        **{part: round(seconds, 1) for part, seconds in took.items()},
        "proof_s": round(proved[0], 1),
        "holdings_to_published_s": round(sum(took.values()) - took["train_s"], 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--champion", choices=("als", "ranker", "ease"), default="als")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="passbook-offers-") as folder:
        server = postgres.start(Path(folder))
        try:
            mart.migrate(server.url)
            print(json.dumps(measure(server.url, options)))
        finally:
            postgres.stop(Path(folder))


if __name__ == "__main__":
    main()
