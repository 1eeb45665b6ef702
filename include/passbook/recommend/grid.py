"""The grid search of ALS on the time split."""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from passbook.errors import GridError
from passbook.recommend.als_model import AlsParameters, fit_als
from passbook.recommend.evaluation import TestSet, customer_metrics, mean_metrics, ranks
from passbook.recommend.interactions import Interactions

log = logging.getLogger(__name__)

RUNGS: Final = ((0.05, 1 / 3), (0.25, 1 / 3), (1.0, 0.0))
"""Share of the customers, and of the settings that go on from there."""
FEWEST_CUSTOMERS: Final = 20_000
"""A smaller sample would order settings by chance."""


@dataclass(frozen=True)
class Grid:
    """Values to try of each ALS parameter."""

    factors: Sequence[int] = (4, 16)
    regularization: Sequence[float] = (1.0, 10.0)
    iterations: Sequence[int] = (8,)
    alpha: Sequence[float] = (2.0, 20.0)
    half_life: Sequence[float] = (6.0, 18.0, 60.0)

    def settings(self) -> list[AlsParameters]:
        """Return every combination, in a fixed order.

        Raises
        ------
        GridError
            E405 when a value makes no sense or a parameter has none.
        """
        names = [field.name for field in fields(self)]
        for name in names:
            if not getattr(self, name):
                raise GridError(f"{name} has no values.")
        values = [getattr(self, name) for name in names]
        return [
            AlsParameters(**dict(zip(names, combination, strict=True)))
            for combination in itertools.product(*values)
        ]


@dataclass(frozen=True)
class Trial:
    """One setting tried on the holdout.

    Attributes
    ----------
    parameters : AlsParameters
    customers : int
        Customers that it was fitted on.
    metrics : dict of str to float
    seconds : float
    """

    parameters: AlsParameters
    customers: int
    metrics: dict[str, float]
    seconds: float

    @property
    def key(self) -> tuple[AlsParameters, int]:
        """What is tried once only."""
        return self.parameters, self.customers


@dataclass(frozen=True)
class TrialBook:
    """Trials of an earlier, broken-off search, and where new ones are noted down at once."""

    known: Sequence[Trial] = ()
    note: Callable[[Trial], None] = lambda _: None


def search(
    train: Interactions,
    test: TestSet,
    grid: Grid,
    *,
    random_state: int,
    memory_limit_gb: float,
    book: TrialBook | None = None,
) -> list[Trial]:
    """Try every setting on samples of customers, the better ones on ever more of them.

    Successive halving (Jamieson and Talwalkar 2016): all settings on the first of `RUNGS`, the
    better ones on the next, the finalists on all customers.

    Returns
    -------
    list of Trial
        The finalists first, the best mean reciprocal rank at the head; then earlier rungs'.
    """
    book = book or TrialBook()
    known = {trial.key: trial for trial in book.known}
    settings = grid.settings()
    order = np.random.default_rng(random_state).permutation(train.shape[0])
    trials: list[Trial] = []
    for count, kept in _rungs(train.shape[0]).items():
        part = train if count == train.shape[0] else train.take(np.sort(order[:count]))
        rung = []
        for number, parameters in enumerate(settings, start=1):
            trial = known.get((parameters, count))
            if trial is None:
                trial = _trial(part, test, parameters, random_state, memory_limit_gb)
                book.note(trial)
            rung.append(trial)
            log.info(
                "trial %d of %d on %d customers: mrr %.4f in %.1f s, %s", number, len(settings),
                count, trial.metrics["mrr"], trial.seconds, parameters,
            )  # fmt: skip
        rung.sort(key=lambda trial: -trial.metrics["mrr"])
        trials = rung + trials
        settings = [trial.parameters for trial in rung[: max(1, math.ceil(len(rung) * kept))]]
    return trials


def _rungs(customers: int) -> dict[int, float]:
    """Return customers of each rung and the share of settings that go on; equal samples are one."""
    rungs: dict[int, float] = {}
    for share, kept in RUNGS:
        count = min(customers, max(FEWEST_CUSTOMERS, int(customers * share)))
        rungs[count] = rungs.get(count, 1.0) * kept
    return rungs


def _trial(
    train: Interactions,
    test: TestSet,
    parameters: AlsParameters,
    random_state: int,
    memory_limit_gb: float,
) -> Trial:
    started = time.perf_counter()
    model = fit_als(train, parameters, random_state, memory_limit_gb)
    metrics = mean_metrics(customer_metrics(ranks(model.score(test.context), test), test))
    return Trial(parameters, train.shape[0], metrics, time.perf_counter() - started)
