"""The offers a customer gets in each scenario, in blocks of customers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from passbook.contracts import MART_TABLES
from passbook.errors import InputError, NoEligibleProductError
from passbook.recommend import basket_kernels, top_kernels
from passbook.recommend.catalogue import Catalogue
from passbook.recommend.context import Context, Recommender
from passbook.recommend.eligibility import (
    OPEN,
    RecentOffers,
    closed_products,
    count_exclusions,
)
from passbook.recommend.interactions import Flags, Floats, Interactions
from passbook.recommend.model import RecommendModel
from passbook.recommend.purchases import Ints
from passbook.recommend.reasons import reason_numbers, reason_texts
from passbook.recommend.recommenders import PER_SEGMENT
from passbook.recommend.scenarios import Scenario, population

LISTS = MART_TABLES["recommendation_list"].schema
CONTROL = MART_TABLES["control_offer"].schema
EXPLANATION = MART_TABLES["explanation"].schema
GLOBAL = ".global"
"""Ends the label of a model by segment where the segment is too small for one of its own."""


@dataclass
class Explanations:
    """What explains offers: numbers of a model and two reasons, for which the lists are narrow.

    Attributes
    ----------
    models : list of str
        Labels, ascending.
    reasons, reasons_ko : string arrays
        As `reason_texts` returns them.
    used : int32 array
        Numbers that an offer had, ascending.
    """

    models: list[str]
    reasons: pa.Array
    reasons_ko: pa.Array
    used: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int32))

    def number(self, model: Ints, reasons: Ints) -> pa.Array:
        """Return the numbers of these models and pairs of reasons, and keep them as used."""
        count = len(self.reasons)
        numbers = pa.array(((model * count + reasons[:, 0]) * count + reasons[:, 1]), pa.int32())
        self.used = np.union1d(self.used, pc.unique(numbers).to_numpy())
        return numbers

    def batches(self, base_date: date) -> Iterator[pa.RecordBatch]:
        """Yield the rows of ``mart.explanation``; to be asked for when all offers are made."""
        both, second = np.divmod(self.used, len(self.reasons))
        model, first = np.divmod(both, len(self.reasons))
        texts = [
            texts.take(pa.array(number))
            for number in (first, second)
            for texts in (self.reasons, self.reasons_ko)
        ]
        columns = [
            pa.repeat(pa.scalar(base_date, pa.date32()), len(self.used)),
            pa.array(self.used),
            pa.array(self.models, pa.string()).take(pa.array(model)),
            *texts,
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=EXPLANATION)


def explanations_of(
    models: Mapping[Scenario, RecommendModel], catalogue: Catalogue
) -> Explanations:
    """Return what may explain the offers of these models.

    Raises
    ------
    InputError
        E803 when the products are more than can be numbered.
    """
    recommenders = [m for model in models.values() for m in (model.champion, model.fallback)]
    labels = sorted({m.name + end for m in recommenders for end in ("", GLOBAL)})
    reasons, reasons_ko = reason_texts(catalogue.names)
    if len(labels) * len(reasons) ** 2 > np.iinfo(np.int32).max:
        raise InputError(f"{len(catalogue.codes):,} products are too many to explain offers of.")
    return Explanations(labels, reasons, reasons_ko)


@dataclass(frozen=True)
class Audience:
    """All that is known of the customers when offers are made.

    Attributes
    ----------
    interactions : Interactions
        As of the base date, customers ascending, products as in the catalogue.
    rule_class : int32 array of shape (customers,)
        Of `rule_classes`.
    opted_out, control : bool arrays of shape (customers,)
        Who wants no offers; who is kept out of them to measure lift.
    recent : RecentOffers
        What must not be offered again so soon.
    segments : Mapping[str, int32 array of shape (customers,)]
        Segment by family, `NO_SEGMENT` where there is none.
    profile : int32 array of shape (customers, traits)
    """

    interactions: Interactions
    rule_class: Ints
    opted_out: Flags
    control: Flags
    recent: RecentOffers
    segments: Mapping[str, Ints]
    profile: Ints

    def take(self, rows: npt.NDArray[np.int64]) -> Audience:
        """Return some customers, in the order of `rows`."""
        return Audience(
            self.interactions.take(rows),
            self.rule_class[rows],
            self.opted_out[rows],
            self.control[rows],
            self.recent.take(rows),
            {family: segment[rows] for family, segment in self.segments.items()},
            self.profile[rows],
        )


@dataclass(frozen=True)
class ScenarioOffers:
    """Offers of one scenario to some customers.

    Attributes
    ----------
    rows : int64 array of shape (n,)
        Customers, by their row in the block.
    items : int32 array of shape (n, k)
        Columns of the catalogue, best first; -1 where nothing is left.
    scores : float32 array of shape (n, k)
    filled : bool array of shape (n, k)
        Placed by the popularity fallback.
    reasons : int32 array of shape (n, k, 2)
    segment : int32 array of shape (n,)
    exclusions : Mapping[str, pair of int]
        By rule: customers from whom something was kept, and pairs of customer and product.
    """

    rows: npt.NDArray[np.int64]
    items: Ints
    scores: Floats
    filled: Flags
    reasons: Ints
    segment: Ints
    exclusions: Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class OfferBlock:
    """A block of customers' offers.

    Attributes
    ----------
    lists : pyarrow.RecordBatch
        Rows of ``mart.recommendation_list``.
    control : pyarrow.RecordBatch
        Rows of ``mart.control_offer``.
    exclusions : Mapping[str, Mapping[str, pair of int]]
        By scenario and rule.
    """

    lists: pa.RecordBatch
    control: pa.RecordBatch
    exclusions: Mapping[str, Mapping[str, tuple[int, int]]]


def check_eligible(
    scenarios: Sequence[Scenario],
    catalogue: Catalogue,
    families: Sequence[str],
    base_date: date,
) -> None:
    """Refuse a week in which no scenario has a product on sale.

    Raises
    ------
    NoEligibleProductError
        E402.
    """
    on_sale, products = catalogue.on_sale(base_date), catalogue.families(families)
    if not any((s.products(products) & on_sale).any() for s in scenarios):
        names = ", ".join(scenario.name for scenario in scenarios)
        raise NoEligibleProductError(f"{names} on {base_date}.")


def offer(
    scenario: Scenario,
    model: RecommendModel,
    audience: Audience,
    family_products: Mapping[str, Flags],
    closed: npt.NDArray[np.uint8],
    *,
    k: int,
) -> ScenarioOffers:
    """Rank, for each of the scenario's targets, the products that no rule keeps from them.

    Parameters
    ----------
    closed : uint8 array of shape (classes, products)
        Of `closed_products`.
    """
    part = population(scenario, audience.interactions, family_products)
    unasked = part.targets & audience.opted_out
    rows = np.flatnonzero(part.targets & ~audience.opted_out)
    targets = _Targets.of(scenario, audience.take(rows), part.catalogue, closed, part.offered)
    counted = targets.take(np.flatnonzero(~audience.control[rows]))
    products = int(part.offered.sum())
    exclusions = {
        "opted_out": _all_kept(int(unasked.sum()), products),
        "control_group": _all_kept(len(rows) - len(counted.rule_class), products),
        **count_exclusions(counted.owned, counted.recent, counted.rule_class, closed, part.offered),
    }
    items, scores, reasons = _ranked(model.champion, targets, k)
    filled = _fill(model.fallback, targets, items, scores, reasons)
    return ScenarioOffers(rows, items, scores, filled, reasons, targets.segment, exclusions)


def _all_kept(customers: int, products: int) -> tuple[int, int]:
    """Return the count of a rule that keeps everything: of no products nothing is kept."""
    return (customers if products else 0), customers * products


@dataclass(frozen=True)
class _Targets:
    """The targets of a scenario: what they own, of which `catalogue` counts, and may be offered."""

    owned: Interactions
    recent: RecentOffers
    catalogue: Flags
    segment: Ints
    profile: Ints
    rule_class: Ints
    allowed: Flags

    @classmethod
    def of(
        cls,
        scenario: Scenario,
        audience: Audience,
        catalogue: Flags,
        closed: npt.NDArray[np.uint8],
        offered: Flags,
    ) -> _Targets:
        return cls(
            audience.interactions,
            audience.recent,
            catalogue,
            scenario.segments(audience.segments),
            audience.profile,
            audience.rule_class,
            (closed == OPEN) & offered,
        )

    @property
    def context(self) -> Context:
        return Context(self.owned.only(self.catalogue), self.segment, self.profile)

    def take(self, rows: npt.NDArray[np.int64]) -> _Targets:
        return _Targets(
            self.owned.take(rows),
            self.recent.take(rows),
            self.catalogue,
            self.segment[rows],
            self.profile[rows],
            self.rule_class[rows],
            self.allowed,
        )


def _ranked(
    model: Recommender, targets: _Targets, k: int, taken: Ints | None = None
) -> tuple[Ints, Floats, Ints]:
    """Return the best `k` products, their scores and reasons; those in `taken` are passed over."""
    context = targets.context
    block = model.score(context)
    basket_kernels.mask_owned(targets.owned.indptr, targets.owned.items, block)
    targets.recent.mask(block)
    if taken is not None:
        row, place = np.nonzero(taken >= 0)
        block[row, taken[row, place]] = -np.inf
    items = np.full((len(targets.rule_class), k), -1, dtype=np.int32)
    scores = np.full(items.shape, -np.inf, dtype=np.float32)
    top_kernels.best_allowed(block, targets.rule_class, targets.allowed, items, scores)
    return items, scores, reason_numbers(model, context, items)


def _fill(
    fallback: Recommender, targets: _Targets, items: Ints, scores: Floats, reasons: Ints
) -> Flags:
    """Fill empty places with the most popular products; return which places were filled."""
    filled = np.zeros(items.shape, dtype=bool)
    short = np.flatnonzero((items < 0).any(axis=1))
    if len(short) == 0:
        return filled
    k = items.shape[1]
    more, more_scores, why = _ranked(fallback, targets.take(short), k, taken=items[short])
    have = (items[short] >= 0).sum(axis=1)
    source = np.arange(k) - have[:, None]
    available = np.take_along_axis(more, source.clip(0), axis=1) >= 0
    r, place = np.nonzero((source >= 0) & available)
    s = source[r, place]
    items[short[r], place], scores[short[r], place] = more[r, s], more_scores[r, s]
    reasons[short[r], place], filled[short[r], place] = why[r, s], True
    return filled


def offer_blocks(
    models: Mapping[Scenario, RecommendModel],
    audience: Audience,
    catalogue: Catalogue,
    families: Sequence[str],
    explanations: Explanations,
    *,
    k: int,
    block_rows: int,
) -> Iterator[OfferBlock]:
    """Yield the offers of a block of customers each, sorted by key.

    Parameters
    ----------
    explanations : Explanations
        Of `explanations_of`; knows after the last block which of them were given.

    Raises
    ------
    NoEligibleProductError
        E402 when no scenario has a product on sale.
    """
    base_date = audience.interactions.as_of
    scenarios = sorted(models, key=lambda scenario: scenario.name)
    check_eligible(scenarios, catalogue, families, base_date)
    aligned = {s: models[s].on_products(catalogue.codes.to_pylist()) for s in scenarios}
    products, closed = catalogue.families(families), closed_products(catalogue, base_date)
    customers = audience.interactions.shape[0]
    for start in range(0, customers, block_rows):
        block = audience.take(np.arange(start, min(start + block_rows, customers)))
        offers = {s: offer(s, aligned[s], block, products, closed, k=k) for s in scenarios}
        yield _block(offers, aligned, block, catalogue, explanations)


def _block(
    offers: Mapping[Scenario, ScenarioOffers],
    models: Mapping[Scenario, RecommendModel],
    audience: Audience,
    catalogue: Catalogue,
    explanations: Explanations,
) -> OfferBlock:
    """Interleave the scenarios' offers by customer; who has nothing to be offered is left out."""
    parts = list(offers.values())
    rows = np.concatenate([part.rows for part in parts])
    number = np.repeat(np.arange(len(parts)), [len(part.rows) for part in parts])
    items = np.concatenate([part.items for part in parts])
    order = np.lexsort((number, rows))
    order = order[(items[order] >= 0).any(axis=1)]
    cells = items[order] >= 0
    offsets = pa.array(np.concatenate([[0], np.cumsum(cells.sum(axis=1))]).astype(np.int32))

    def joined(name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])[order]

    def lists(values: pa.Array) -> pa.Array:
        return pa.ListArray.from_arrays(offsets, values)

    placed_by = _placed_by(offers, models, explanations.models)[order][cells]
    segment, interactions = joined("segment"), audience.interactions
    columns = [
        pa.repeat(pa.scalar(interactions.as_of, pa.date32()), len(order)),
        interactions.customers.take(pa.array(rows[order])),
        pa.array([s.name for s in models]).take(pa.array(number[order])),
        lists(catalogue.codes.take(pa.array(items[order][cells]))),
        lists(pa.array(joined("scores")[cells])),
        lists(explanations.number(placed_by, joined("reasons")[cells])),
        pa.array(segment, mask=segment < 0),
    ]
    every = pa.RecordBatch.from_arrays(columns, schema=LISTS)
    control = audience.control[rows[order]]
    exclusions = {s.name: part.exclusions for s, part in offers.items()}
    return OfferBlock(
        every.filter(pa.array(~control)),
        every.select(CONTROL.names).filter(pa.array(control)),
        exclusions,
    )


def _placed_by(
    offers: Mapping[Scenario, ScenarioOffers],
    models: Mapping[Scenario, RecommendModel],
    labels: list[str],
) -> Ints:
    """Return who placed each product: a place among the labels."""
    placed_by = []
    for scenario, part in offers.items():
        model = models[scenario]
        champion, fallback = (
            _label(m, part.segment, labels)[:, None] for m in (model.champion, model.fallback)
        )
        placed_by.append(np.where(part.filled, fallback, champion))
    return np.concatenate(placed_by)


def _label(model: Recommender, segment: Ints, names: list[str]) -> Ints:
    """Return the label for each customer's segment: a small one borrows the model of all."""
    borrows = model.name in PER_SEGMENT and ~model.own_group(segment)
    own, of_all = names.index(model.name), names.index(model.name + GLOBAL)
    return np.where(borrows, of_all, np.full(len(segment), own)).astype(np.int32)
