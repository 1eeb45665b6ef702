from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache

import numpy as np
import pytest

from passbook.recommend.als_model import AlsParameters
from passbook.recommend.context import Context
from passbook.recommend.customer_codes import (
    AMOUNT_EDGES,
    FAMILY_EDGES,
    LATELY,
    last_bought,
    layout_of,
    newest_days,
)
from passbook.recommend.interactions import interactions_as_of
from passbook.recommend.purchases import STILL_HELD
from passbook.recommend.ranker import Ranker, fit_ranker
from passbook.recommend.recommenders import Training

from .small_banks import PLANTED_BASE_DATE, PLANTED_PRODUCTS, planted


@cache
def _fitted() -> tuple[Ranker, Context]:
    train = interactions_as_of(planted(), PLANTED_BASE_DATE - timedelta(days=40))
    customers = train.shape[0]
    rng = np.random.default_rng(0)
    segment = rng.integers(-1, 3, customers).astype(np.int32)
    profile = rng.integers(0, 4, (customers, 2)).astype(np.int32)
    ends = np.full(PLANTED_PRODUCTS, STILL_HELD, dtype=np.int32)
    offered = np.ones(PLANTED_PRODUCTS, dtype=bool)
    training = Training(train, segment, profile, offered, -ends, ends, 200, AlsParameters(), 0, 1.0)
    return fit_ranker(training), Context(train, segment, profile)


def test_the_first_stage_is_the_weighted_evidence_and_the_products_own_weights() -> None:
    """Scoring adds up tables; learning weighs every feature by itself."""
    ranker, context = _fitted()
    features = ranker.evidence.features(context, ranker.month)
    expected = sum(w * f for w, f in zip(ranker.utility.shared, features, strict=True))
    ranker.layout.margins(context, ranker.month, ranker.utility.own, expected)
    assert ranker.first_stage(context) == pytest.approx(expected, abs=1e-3)


def test_evidence_at_candidates_is_that_of_all_products() -> None:
    ranker, context = _fitted()
    columns = np.array([[3, 0]] * len(context.segment), dtype=np.int32)
    every = np.stack(list(ranker.evidence.features(context, 5)), axis=2)
    assert ranker.evidence.at(context, 5, columns) == pytest.approx(every[:, [3, 0]], abs=1e-5)


def test_codes_never_seen_in_training_count_as_unknown() -> None:
    ranker, context = _fitted()
    strange = replace(context, segment=np.full_like(context.segment, 99))
    unknown = replace(context, segment=np.full_like(context.segment, -1))
    assert np.array_equal(ranker.score(strange), ranker.score(unknown))
    assert layout_of(strange, np.ones(PLANTED_PRODUCTS, dtype=bool)).traits[0] == 101


def test_over_another_product_list_scores_go_along() -> None:
    ranker, context = _fitted()
    place = np.array([-1, *range(PLANTED_PRODUCTS - 1, -1, -1)])
    baskets = context.baskets
    row = baskets.rows
    moved = (PLANTED_PRODUCTS - baskets.items).astype(np.int32)
    order = np.lexsort((moved, row))
    elsewhere = replace(
        baskets, items=moved[order], first_day=baskets.first_day[order],
        products=baskets.products.take([0] * len(place)),
    )  # fmt: skip
    alone = np.flatnonzero(np.diff(baskets.indptr) == 1)
    there = ranker.on_products(place).score(replace(context, baskets=elsewhere).take(alone))
    assert np.isneginf(there[:, 0]).all()
    here = ranker.score(context.take(alone))
    owned = context.take(alone).baskets.items[:, None] == np.arange(PLANTED_PRODUCTS)
    assert there[:, :0:-1][~owned] == pytest.approx(here[~owned], abs=1e-3)


def test_amounts_of_the_family_are_told_in_classes() -> None:
    _, context = _fitted()
    baskets, offered = context.baskets, np.arange(PLANTED_PRODUCTS) == 2
    plain = layout_of(context, offered)
    amount = np.where(baskets.items == 2, np.float32(1.5), np.float32(-9.0))
    amount[baskets.rows % 2 == 0] = np.nan
    known = replace(context, baskets=replace(baskets, amount=amount))
    layout = layout_of(known, offered)
    assert layout.rows - plain.rows == len(AMOUNT_EDGES) + 2
    block = 1 + len(layout.traits)
    code = layout.codes(known, 5)[:, block] - layout.starts[block]
    told = baskets.customers_who_bought(offered) & (np.arange(len(code)) % 2 == 1)
    assert told.any()
    assert np.array_equal(code, np.where(told, np.searchsorted(AMOUNT_EDGES, 1.5) + 1, 0))
    assert (layout.codes(context, 5)[:, block] == layout.starts[block]).all()
    others = np.delete(layout.codes(known, 5), block, axis=1)
    assert np.array_equal(others[:, :block], plain.codes(context, 5)[:, :block])
    assert np.array_equal(layout.row_places(np.arange(PLANTED_PRODUCTS)), np.arange(layout.rows))


def test_codes_tell_how_often_and_how_lately_of_the_family_and_what_was_bought_lately() -> None:
    _, context = _fitted()
    layout = layout_of(context, np.arange(PLANTED_PRODUCTS) == 2)
    codes = layout.codes(context, 5)
    block = 1 + len(layout.traits)
    owned = context.baskets.customers_who_bought(layout.family)
    assert np.array_equal(codes[:, block] - layout.starts[block], owned)
    days = newest_days(context.baskets.only(layout.family))
    recency = codes[:, block + 1] - layout.starts[block + 1]
    assert np.array_equal(recency == len(FAMILY_EDGES), ~owned)
    second = days[recency == 1]
    assert len(second)
    assert ((second >= FAMILY_EDGES[0]) & (second < FAMILY_EDGES[1])).all()
    assert np.array_equal(codes[:, block + 2], layout.last + last_bought(context.baskets))
    lately = codes[:, block + 3] - layout.starts[block + 3]
    is_new = newest_days(context.baskets) <= LATELY
    assert np.array_equal(lately[is_new], last_bought(context.baskets)[is_new])
    assert (lately[~is_new] == PLANTED_PRODUCTS).all()
    assert 0 < is_new.sum() < len(is_new)
