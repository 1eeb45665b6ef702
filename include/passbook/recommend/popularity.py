"""Recommenders that look at no basket: what sells, what sells lately, what sells in a segment."""

from __future__ import annotations

from typing import Final

import numpy as np

from passbook.recommend.basket_model import NO_SEGMENT, BasketModel
from passbook.recommend.interactions import Floats, Interactions
from passbook.recommend.purchases import Ints, days_since_epoch

RECENT_DAYS: Final = 90


def popularity(train: Interactions) -> BasketModel:
    """Products by number of buyers, ever."""
    return _without_basket("popularity", counts(train)[None, :])


def recent_popularity(train: Interactions, days: int = RECENT_DAYS) -> BasketModel:
    """Products by first purchases in the last `days` days; equal ones by buyers ever."""
    since = days_since_epoch(train.as_of) - days
    recent = np.bincount(train.items[train.first_day > since], minlength=train.shape[1])
    prior = recent + tie_breaker(train)
    return _without_basket(f"popularity_{days}d", prior[None, :])


def segment_popularity(train: Interactions, segment: Ints, minimum: int) -> BasketModel:
    """Products by share of a segment's buyers; segments below `minimum` customers borrow all's."""
    segments = large_segments(segment, minimum)
    overall = counts(train) / max(train.shape[0], 1)
    shares = [overall]
    row_segment = segment[train.rows]
    for number in segments:
        bought = np.bincount(train.items[row_segment == number], minlength=train.shape[1])
        shares.append(bought / (segment == number).sum() + tie_breaker(train))
    return _without_basket("popularity_by_segment", np.stack(shares), segments)


def large_segments(segment: Ints, minimum: int) -> Ints:
    """Return the segments with at least `minimum` customers, ascending."""
    numbers, customers = np.unique(segment[segment != NO_SEGMENT], return_counts=True)
    return numbers[customers >= minimum].astype(np.int32)


def counts(train: Interactions) -> Floats:
    """Return the number of buyers of each product."""
    return np.bincount(train.items, minlength=train.shape[1]).astype(np.float32)


def tie_breaker(train: Interactions) -> Floats:
    """Return buyers as a number far below any score's step, so that ties go to the popular."""
    buyers = counts(train)
    return np.float32(1e-6) * buyers / max(float(buyers.max(initial=0)), 1.0)


def _without_basket(name: str, prior: Floats, segments: Ints | None = None) -> BasketModel:
    groups = prior.shape[0]
    none = np.empty(0, dtype=np.int32) if segments is None else segments
    return BasketModel(
        name, prior.astype(np.float32), np.empty((groups, 0, 0), dtype=np.float32), none
    )
