"""Recommenders compared on one holdout, and the choice of the champion among them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import numpy as np

from passbook.recommend.context import Recommender
from passbook.recommend.evaluation import (
    Doubles,
    TestSet,
    bootstrap_interval,
    customer_metrics,
    list_metrics,
    mean_metrics,
    metrics_by_segment,
    ranks,
    test_set,
)
from passbook.recommend.holdout import Acquisitions
from passbook.recommend.past_months import PastMonth, past_months
from passbook.recommend.popularity import counts
from passbook.recommend.recommenders import POPULARITIES, Training

BASELINE = "popularity_by_segment"
ENOUGH_CUSTOMERS: Final = 1000
"""Customers that a recommender's gain is judged on; a smaller holdout reaches back for them."""
MOST_MONTHS: Final = 5
"""Months before the holdout that it reaches back."""


@dataclass(frozen=True)
class Standing:
    """A recommender's place on the leaderboard.

    Attributes
    ----------
    recommender : str
    customers : int
        Customers with an acquisition.
    metrics : dict of str to float
        Means over these customers.
    interval : tuple of float
        95 % bootstrap interval of ``mrr``.
    gain : tuple of float
        95 % bootstrap interval of ``mrr`` minus the baseline's, customer by customer; of the
        champion and what ranks above it also over the months before the holdout, until there are
        `ENOUGH_CUSTOMERS`.
    seconds : float
        To train and rank.
    champion : bool
    by_segment : Mapping[int, Mapping[str, float]]
        Means over each segment's customers, with their number as ``customers``.
    """

    recommender: str
    customers: int
    metrics: dict[str, float]
    interval: tuple[float, float]
    gain: tuple[float, float]
    seconds: float
    champion: bool = False
    by_segment: Mapping[int, Mapping[str, float]] = field(default_factory=dict)


def compare(
    recommenders: Mapping[str, Callable[[Training], Recommender]],
    training: Training,
    test: TestSet,
    k: Sequence[int] = (1, 3, 5),
) -> list[Standing]:
    """Fit every recommender, rank what customers acquired, and mark the champion.

    The baseline, popularity by segment, must be among the recommenders.
    """
    per_customer: dict[str, dict[str, Doubles]] = {}
    of_lists = {}
    seconds = {}
    buyers, customers = counts(training.train), training.train.shape[0]
    for name, fit in recommenders.items():
        started = time.perf_counter()
        model = fit(training)
        scores = model.score(test.context)
        per_customer[name] = customer_metrics(ranks(scores, test), test, k)
        of_lists[name] = list_metrics(scores, test, buyers, customers, k)
        seconds[name] = time.perf_counter() - started
    mrr = {name: metrics["mrr"] for name, metrics in per_customer.items()}
    gains = {name: values - mrr[BASELINE] for name, values in mrr.items()}
    interval = partial(bootstrap_interval, random_state=training.random_state)
    for name in _contenders(mrr):
        gains[name] = np.concatenate(
            [gains[name], *_past_gains(recommenders[name], training, len(test))]
        )
        if interval(gains[name])[0] > 0:
            break  # the best that clears: nothing else can be champion
    standings = [
        Standing(
            name,
            len(test),
            mean_metrics(metrics) | of_lists[name],
            interval(mrr[name]),
            interval(gains[name]),
            seconds[name],
            by_segment=metrics_by_segment(metrics, test.segment),
        )
        for name, metrics in per_customer.items()
    ]
    return mark_champion(standings)


def mark_champion(standings: Sequence[Standing]) -> list[Standing]:
    """Mark the best mean reciprocal rank among the popularities and what clears the baseline.

    A learned recommender clears it when its gain is above zero, judged customer by customer (a
    paired bootstrap), which is what makes a difference visible that two separate intervals would
    hide. So nothing is published that ranks below any popularity.
    """
    clear = [s for s in standings if s.gain[0] > 0 or s.recommender in POPULARITIES]
    best = max(clear, key=lambda s: s.metrics["mrr"])
    return [replace(s, champion=s is best) for s in standings]


def _contenders(mrr: Mapping[str, Doubles]) -> list[str]:
    """Return the learned recommenders that rank above every popularity, the best first."""
    means = {name: values.mean() for name, values in mrr.items()}
    best = max(mean for name, mean in means.items() if name in POPULARITIES)
    above = [n for n, mean in means.items() if n not in POPULARITIES and mean > best]
    return sorted(above, key=lambda name: -means[name])


def _past_gains(
    fit: Callable[[Training], Recommender], training: Training, customers: int
) -> Iterator[Doubles]:
    """Yield a contender's gains, customer by customer, in months before a small holdout.

    In each month both sides are fitted to what was known before it.
    """
    months = past_months(training, MOST_MONTHS)
    while customers < ENOUGH_CUSTOMERS and (month := next(months, None)) is not None:
        known = replace(training, train=month.before, segment=month.segment)
        test = _test_set_of(month, training)
        customers += len(test)
        baseline = _reciprocal_ranks(POPULARITIES[BASELINE](known), test)
        yield _reciprocal_ranks(fit(known), test) - baseline


def _test_set_of(month: PastMonth, training: Training) -> TestSet:
    order = np.lexsort((month.items, month.rows))
    rows = month.rows[order].astype(np.int32)
    every = np.ones(month.before.shape[0], dtype=bool)
    return test_set(
        month.before, Acquisitions(rows, month.items[order], np.zeros_like(rows)),
        month.segment, training.profile,
        targets=every, candidates=month.on_sale, catalogue=np.ones(len(month.on_sale), dtype=bool),
    )  # fmt: skip


def _reciprocal_ranks(model: Recommender, test: TestSet) -> Doubles:
    return customer_metrics(ranks(model.score(test.context), test), test, ())["mrr"]
