"""The grid search of ALS on the time split."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields

from passbook.errors import GridError
from passbook.recommend.als_model import AlsParameters, fit_als
from passbook.recommend.evaluation import TestSet, customer_metrics, mean_metrics, ranks
from passbook.recommend.interactions import Interactions

log = logging.getLogger(__name__)


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
    """One setting tried on the holdout."""

    parameters: AlsParameters
    metrics: dict[str, float]
    seconds: float


def search(
    train: Interactions, test: TestSet, grid: Grid, random_state: int, memory_limit_gb: float
) -> list[Trial]:
    """Try every setting; return the trials, the best mean reciprocal rank first."""
    trials = []
    settings = grid.settings()
    for number, parameters in enumerate(settings, start=1):
        started = time.perf_counter()
        model = fit_als(train, parameters, random_state, memory_limit_gb)
        rank = ranks(model.score(test.context), test)
        metrics = mean_metrics(customer_metrics(rank, test))
        trials.append(Trial(parameters, metrics, time.perf_counter() - started))
        log.info("trial %d of %d: mrr %.4f in %.1f s, %s", number, len(settings), metrics["mrr"],
                 trials[-1].seconds, parameters)  # fmt: skip
    return sorted(trials, key=lambda trial: -trial.metrics["mrr"])
