"""The five offers a customer gets in each scenario, in blocks of customers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from passbook.contracts import MART_TABLES
from passbook.errors import NoEligibleProductError
from passbook.recommend import basket_kernels
from passbook.recommend.catalogue import Catalogue
from passbook.recommend.context import Context, Recommender
from passbook.recommend.interactions import Flags, Floats, Interactions
from passbook.recommend.model import RecommendModel
from passbook.recommend.purchases import Ints
from passbook.recommend.reasons import reason_numbers, reason_texts
from passbook.recommend.scenarios import Scenario, population

SCHEMA = MART_TABLES["recommendation_list"].schema
EXPLANATION_SCHEMA = MART_TABLES["explanation"].schema


@dataclass
class Explanations:
    """What explains offers: numbers of a model and a reason, for which the lists are narrow.

    Attributes
    ----------
    models : sequence of str
    reasons : string array
        As `reason_texts` returns them.
    used : int32 array
        Numbers that an offer had, ascending.
    """

    models: Sequence[str]
    reasons: pa.Array
    used: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int32))

    def number(self, model: Ints, reason: Ints) -> Ints:
        """Return the numbers of these models and reasons, and keep them as used."""
        numbers = (model * len(self.reasons) + reason).astype(np.int32)
        self.used = np.union1d(self.used, numbers)
        return numbers

    def batches(self, base_date: date) -> Iterator[pa.RecordBatch]:
        """Yield the rows of ``mart.explanation``; to be asked for when all offers are made."""
        model, reason = np.divmod(self.used, len(self.reasons))
        columns = [
            pa.repeat(pa.scalar(base_date, pa.date32()), len(self.used)),
            pa.array(self.used),
            pa.array(self.models, pa.string()).take(pa.array(model)),
            self.reasons.take(pa.array(reason)),
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=EXPLANATION_SCHEMA)


@dataclass(frozen=True)
class Audience:
    """All that is known of the customers when offers are made.

    Attributes
    ----------
    interactions : Interactions
        As of the base date, customers ascending, products as in the catalogue.
    age : int32 array of shape (customers,)
        Classes of `age_classes`.
    segments : Mapping[str, int32 array of shape (customers,)]
        Segment by family, `NO_SEGMENT` where there is none.
    profile : int32 array of shape (customers, traits)
    """

    interactions: Interactions
    age: Ints
    segments: Mapping[str, Ints]
    profile: Ints


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
    reasons : int32 array of shape (n, k)
    """

    rows: npt.NDArray[np.int64]
    items: Ints
    scores: Floats
    filled: Flags
    reasons: Ints


def check_eligible(scenario: Scenario, catalogue: Catalogue, base_date: date) -> Flags:
    """Return the products of the scenario that are on sale.

    Raises
    ------
    NoEligibleProductError
        E402 when there are none.
    """
    eligible = catalogue.of_family(scenario.family) & catalogue.on_sale(base_date)
    if not eligible.any():
        raise NoEligibleProductError(f"{scenario.name} on {base_date}.")
    return eligible


def offer(
    scenario: Scenario,
    model: RecommendModel,
    audience: Audience,
    catalogue: Catalogue,
    *,
    families: Sequence[str],
    k: int,
) -> ScenarioOffers:
    """Rank the eligible products that each of the scenario's targets never bought."""
    interactions = audience.interactions
    allowed = catalogue.allowed_at_age() & check_eligible(scenario, catalogue, interactions.as_of)
    part = population(scenario, interactions, catalogue.families(families))
    rows = np.flatnonzero(part.targets)
    targets = _Targets(
        interactions.take(rows),
        part.catalogue,
        audience.segments[scenario.family][rows],
        audience.profile[rows],
        audience.age[rows],
        allowed,
    )
    items, scores, reasons = _ranked(model.champion, targets, k)
    filled = _fill(model.fallback, targets, items, scores, reasons)
    return ScenarioOffers(rows, items, scores, filled, reasons)


@dataclass(frozen=True)
class _Targets:
    """The targets of a scenario: what they own, of which `catalogue` counts, and may be offered."""

    owned: Interactions
    catalogue: Flags
    segment: Ints
    profile: Ints
    age: Ints
    allowed: Flags

    @property
    def context(self) -> Context:
        return Context(self.owned.only(self.catalogue), self.segment, self.profile)

    def take(self, rows: npt.NDArray[np.int64]) -> _Targets:
        return _Targets(
            self.owned.take(rows),
            self.catalogue,
            self.segment[rows],
            self.profile[rows],
            self.age[rows],
            self.allowed,
        )


def _ranked(
    model: Recommender, targets: _Targets, k: int, taken: Ints | None = None
) -> tuple[Ints, Floats, Ints]:
    """Return the best `k` products, their scores and reasons; those in `taken` are passed over."""
    context = targets.context
    block = model.score(context)
    basket_kernels.mask_owned(targets.owned.indptr, targets.owned.items, block)
    if taken is not None:
        row, place = np.nonzero(taken >= 0)
        block[row, taken[row, place]] = -np.inf
    items = np.full((len(targets.age), k), -1, dtype=np.int32)
    scores = np.full(items.shape, -np.inf, dtype=np.float32)
    basket_kernels.best_allowed(block, targets.age, targets.allowed, items, scores)
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


def explanations_of(
    models: Mapping[Scenario, RecommendModel], catalogue: Catalogue
) -> Explanations:
    """Return what may explain the offers of these models."""
    names = {m.champion.name for m in models.values()} | {m.fallback.name for m in models.values()}
    return Explanations(sorted(names), reason_texts(catalogue.names))


def offer_batches(
    models: Mapping[Scenario, RecommendModel],
    audience: Audience,
    catalogue: Catalogue,
    families: Sequence[str],
    explanations: Explanations,
    *,
    k: int,
    block_rows: int,
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of ``mart.recommendation_list``, sorted by key, a block of customers each."""
    scenarios = sorted(models, key=lambda scenario: scenario.name)
    aligned = {s: models[s].on_products(catalogue.codes.to_pylist()) for s in scenarios}
    customers = audience.interactions.shape[0]
    for start in range(0, customers, block_rows):
        rows = np.arange(start, min(start + block_rows, customers))
        block = Audience(
            audience.interactions.take(rows),
            audience.age[rows],
            {family: segment[rows] for family, segment in audience.segments.items()},
            audience.profile[rows],
        )
        offers = {
            s: offer(s, aligned[s], block, catalogue, families=families, k=k) for s in scenarios
        }
        yield _record_batch(offers, aligned, block.interactions, catalogue, explanations)


def _record_batch(
    offers: Mapping[Scenario, ScenarioOffers],
    models: Mapping[Scenario, RecommendModel],
    interactions: Interactions,
    catalogue: Catalogue,
    explanations: Explanations,
) -> pa.RecordBatch:
    """Interleave the scenarios' offers by customer; who has nothing to be offered is left out."""
    names = list(explanations.models)
    parts = list(offers.values())
    rows = np.concatenate([part.rows for part in parts])
    number = np.repeat(np.arange(len(parts)), [len(part.rows) for part in parts])
    items = np.concatenate([part.items for part in parts])
    champion = np.array([names.index(m.champion.name) for m in models.values()], dtype=np.int32)
    fallback = np.array([names.index(m.fallback.name) for m in models.values()], dtype=np.int32)
    filled = np.concatenate([part.filled for part in parts])
    placed_by = np.where(filled, fallback[number][:, None], champion[number][:, None])
    order = np.lexsort((number, rows))
    order = order[(items[order] >= 0).any(axis=1)]
    cells = items[order] >= 0
    offsets = pa.array(np.concatenate([[0], np.cumsum(cells.sum(axis=1))]).astype(np.int32))

    def lists(values: pa.Array) -> pa.Array:
        return pa.ListArray.from_arrays(offsets, values)

    scores = np.concatenate([part.scores for part in parts])[order][cells]
    reasons = np.concatenate([part.reasons for part in parts])[order][cells]
    columns = [
        pa.repeat(pa.scalar(interactions.as_of, pa.date32()), len(order)),
        interactions.customers.take(pa.array(rows[order])),
        pa.array([s.name for s in models]).take(pa.array(number[order])),
        lists(catalogue.codes.take(pa.array(items[order][cells]))),
        lists(pa.array(scores)),
        lists(pa.array(explanations.number(placed_by[order][cells], reasons))),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
