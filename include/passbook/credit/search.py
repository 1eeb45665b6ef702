"""Search for the boosted trees' settings: Bayesian (Optuna), grid or random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from time import perf_counter
from typing import Any, Final, Literal

import numpy as np
import optuna
from sklearn.metrics import roc_auc_score

from passbook.credit.boosting import TreeSettings, fit_folds

Method = Literal["optuna", "grid", "random"]
SPACE: Final[dict[str, tuple[float, ...]]] = {
    "max_depth": (1, 2, 3),
    "learning_rate": (0.03, 0.05, 0.1),
    "min_child_weight": (2.0, 5.0, 20.0),
    "reg_lambda": (1.0, 5.0, 20.0),
}
"""Values tried; the Bayesian search may go between those of a float."""

LEAST_GAIN: Final = 0.002
"""ROC-AUC by which settings must beat the first ones: less is luck with a few hundred defaults."""


@dataclass(frozen=True)
class Trial:
    """Settings that were tried, and how well unseen rows were ranked."""

    settings: TreeSettings
    roc_auc: float
    seconds: float


def search(
    matrix: np.ndarray,
    defaulted: np.ndarray,
    *,
    method: Method,
    trials: int,
    start: TreeSettings,
    monotone: Sequence[int],
    seed: int,
    threads: int,
) -> list[Trial]:
    """Try settings, `start` first, and return the trials in order.

    Parameters
    ----------
    matrix : numpy.ndarray of float32, shape (rows, features)
        Training rows only: a trial is judged by the folds left out.
    defaulted : numpy.ndarray of bool, shape (rows,)
    method : {"optuna", "grid", "random"}
        A grid of more than `trials` settings is thinned evenly.
    trials : int
        Settings tried beside `start`.
    start : TreeSettings
    monotone : sequence of int, length features
    seed, threads : int
    """

    def tried(settings: TreeSettings) -> Trial:
        begin = perf_counter()
        _, margins = fit_folds(
            matrix, defaulted, settings, monotone=monotone, seed=seed, threads=threads
        )
        return Trial(settings, float(roc_auc_score(defaulted, margins)), perf_counter() - begin)

    done = [tried(start)]
    if method == "optuna":
        return done + _bayesian(tried, done[0], trials, seed)
    proposals = _grid(trials) if method == "grid" else _random(trials, seed)
    return done + [tried(replace(start, **values)) for values in proposals]


def best(trials: Sequence[Trial]) -> TreeSettings:
    """Return the settings that ranked best, or the first where none beats them by `LEAST_GAIN`."""
    winner = max(trials, key=lambda trial: trial.roc_auc)
    return (winner if winner.roc_auc > trials[0].roc_auc + LEAST_GAIN else trials[0]).settings


def _grid(trials: int) -> Iterator[dict[str, Any]]:
    cells = list(product(*SPACE.values()))
    chosen = np.unique(np.linspace(0, len(cells) - 1, trials).round().astype(int))
    for number in chosen:
        yield dict(zip(SPACE, cells[number], strict=True))


def _random(trials: int, seed: int) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    for _ in range(trials):
        yield {name: values[int(rng.integers(len(values)))] for name, values in SPACE.items()}


def _bayesian(tried: Any, first: Trial, trials: int, seed: int) -> list[Trial]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    known = {name: value for name, value in asdict(first.settings).items() if name in SPACE}
    study.add_trial(
        optuna.trial.create_trial(params=known, distributions=_distributions(), value=first.roc_auc)
    )
    found = []
    for _ in range(trials):
        proposal = study.ask(_distributions())
        found.append(tried(replace(first.settings, **proposal.params)))
        study.tell(proposal, found[-1].roc_auc)
    return found


def _distributions() -> dict[str, optuna.distributions.BaseDistribution]:
    found: dict[str, optuna.distributions.BaseDistribution] = {}
    for name, values in SPACE.items():
        low, high = min(values), max(values)
        if name == "max_depth":
            found[name] = optuna.distributions.IntDistribution(int(low), int(high))
        else:
            found[name] = optuna.distributions.FloatDistribution(low, high, log=True)
    return found
