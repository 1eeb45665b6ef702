from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from passbook.recommend.als_model import AlsParameters
from passbook.recommend.basket_model import NO_SEGMENT
from passbook.recommend.context import Context, no_profile
from passbook.recommend.interactions import Interactions
from passbook.recommend.likely_segments import with_likely_segments
from passbook.recommend.purchases import STILL_HELD, days_since_epoch
from passbook.recommend.ranker import Ranker, fit_ranker
from passbook.recommend.recommenders import Training
from passbook.recommend.stored import restored, stored

CUSTOMERS, SEGMENTS, OF_SEGMENT = 900, 3, 3
PRODUCTS = 1 + SEGMENTS * OF_SEGMENT
AS_OF = date(2022, 11, 30)
LAPSED = slice(0, 200)
"""Customers who bought once, hold it no longer, and have no segment."""


def _tastes() -> tuple[Training, np.ndarray]:
    """Return customers who buy what their segment likes, and everybody's segment.

    Product 0 is a card, which everybody has; each segment likes three of the others. Who did not
    lapse bought two of them, the second in the last year.
    """
    rng = np.random.default_rng(3)
    taste = rng.integers(0, SEGMENTS, CUSTOMERS)
    liked = 1 + taste[:, None] * OF_SEGMENT + np.argsort(rng.random((CUSTOMERS, OF_SEGMENT)))[:, :2]
    today = days_since_epoch(AS_OF)
    days = today - np.column_stack(
        [rng.integers(800, 1200, CUSTOMERS), rng.integers(1, 365, CUSTOMERS)]
    )
    rows = []
    for customer in range(CUSTOMERS):
        bought = [(0, today - 1500), *zip(liked[customer], days[customer], strict=True)]
        rows.append(sorted(bought[:2] if customer < LAPSED.stop else bought))
    item, day = np.array([entry for row in rows for entry in row], dtype=np.int32).T
    lapsed = np.repeat(np.arange(CUSTOMERS) < LAPSED.stop, [len(row) for row in rows])
    train = Interactions(
        pa.array([f"c{n:03}" for n in range(CUSTOMERS)]),
        pa.array([f"p{n}" for n in range(PRODUCTS)]),
        np.cumsum([0, *map(len, rows)]), item, day, day, ~lapsed | (item == 0), AS_OF,
    )  # fmt: skip
    segment = taste.astype(np.int32)
    segment[LAPSED] = NO_SEGMENT
    ends = np.full(PRODUCTS, STILL_HELD, dtype=np.int32)
    training = Training(
        train, segment, no_profile(CUSTOMERS), np.arange(PRODUCTS) > 0, -ends, ends, 200,
        AlsParameters(), 0, 1.0, first_of_family=True,
    )  # fmt: skip
    return training, taste


@cache
def _fitted() -> tuple[Ranker, Context, np.ndarray]:
    """Return a ranker of cross-selling, its targets, and their true segments."""
    training, taste = _tastes()
    targets = Context(training.train, training.segment, training.profile).take(
        np.arange(LAPSED.stop)
    )
    return fit_ranker(training), targets, taste[LAPSED]


def test_the_segment_of_who_lapsed_is_told_by_what_they_had_bought() -> None:
    ranker, targets, taste = _fitted()
    found = with_likely_segments(targets, ranker.month, ranker.layout, ranker.segments)
    assert found.likely is not None
    assert found.likely.sum(axis=1) == pytest.approx(1.0)
    assert np.mean(found.segment == taste) > 0.95


def test_targets_are_offered_what_their_likely_segment_takes() -> None:
    ranker, targets, taste = _fitted()
    scores = ranker.score(targets)
    scores[targets.baskets.rows, targets.baskets.items] = -np.inf
    assert np.mean((scores.argmax(axis=1) - 1) // OF_SEGMENT == taste) > 0.95


def test_a_known_segment_counts_for_half() -> None:
    ranker, targets, _ = _fitted()
    inferred = with_likely_segments(targets, ranker.month, ranker.layout, ranker.segments).likely
    told = replace(targets, segment=np.full_like(targets.segment, 2))
    found = with_likely_segments(told, ranker.month, ranker.layout, ranker.segments).likely
    assert found is not None
    assert inferred is not None
    assert found == pytest.approx(inferred / 2 + np.array([0, 0, 0.5]))


def test_the_first_stage_is_the_weighted_evidence_of_the_likely_segments() -> None:
    ranker, targets, _ = _fitted()
    context = with_likely_segments(targets, ranker.month, ranker.layout, ranker.segments)
    features = list(ranker.evidence.features(context, ranker.month))
    expected = sum(w * f for w, f in zip(ranker.utility.shared, features, strict=True))
    ranker.layout.margins(context, ranker.month, ranker.utility.own, expected)
    assert ranker.first_stage(context) == pytest.approx(expected, abs=1e-3)
    columns = np.tile(np.array([[4, 1]], dtype=np.int32), (len(context.segment), 1))
    every = np.stack(features, axis=2)
    assert ranker.evidence.at(context, ranker.month, columns) == pytest.approx(
        every[:, [4, 1]], abs=1e-5
    )


def test_amounts_tell_the_segment_where_products_do_not() -> None:
    """Everybody buys the same here, each segment for other amounts."""
    training, taste = _tastes()
    items = np.where(training.train.items > 0, (training.train.items - 1) % OF_SEGMENT + 1, 0)
    amount = (4.0 * (taste[training.train.rows] - 1)).astype(np.float32)
    amount[training.train.items == 0] = np.nan
    alike = replace(training.train, items=items.astype(np.int32))
    accuracy = {}
    for known, train in {False: alike, True: replace(alike, amount=amount)}.items():
        ranker = fit_ranker(replace(training, train=train))
        targets = Context(train, training.segment, training.profile).take(np.arange(LAPSED.stop))
        found = with_likely_segments(targets, ranker.month, ranker.layout, ranker.segments)
        accuracy[known] = np.mean(found.segment == taste[LAPSED])
        again = restored(stored(ranker))
        assert np.array_equal(again.score(targets), ranker.score(targets))
    assert accuracy[True] > 0.95
    assert accuracy[False] < 0.6


def test_a_ranker_that_infers_survives_its_files() -> None:
    ranker, targets, _ = _fitted()
    again = restored(stored(ranker))
    assert np.array_equal(again.score(targets), ranker.score(targets))


def test_where_others_have_segments_too_none_is_inferred() -> None:
    """Here a customer has a segment who never bought of what is offered."""
    training, taste = _tastes()
    offered = training.offered & (np.arange(PRODUCTS) != training.train.items[1])
    known = replace(training, segment=taste.astype(np.int32), offered=offered)
    assert not fit_ranker(known).segments.size
