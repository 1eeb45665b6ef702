"""Recommenders compared on one holdout, and the choice of the champion among them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

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
)
from passbook.recommend.popularity import counts
from passbook.recommend.recommenders import POPULARITIES, Training

BASELINE = "popularity_by_segment"


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
        95 % bootstrap interval of ``mrr`` minus the baseline's, customer by customer.
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
    baseline = per_customer[BASELINE]["mrr"]
    standings = [
        Standing(
            name,
            len(test),
            mean_metrics(metrics) | of_lists[name],
            bootstrap_interval(metrics["mrr"], training.random_state),
            bootstrap_interval(metrics["mrr"] - baseline, training.random_state),
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
