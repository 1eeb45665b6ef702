"""Search: every method tries what it says, starts from the given settings, and repeats itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from passbook.credit.boosting import TreeSettings
from passbook.credit.search import SPACE, Method, Trial, best, search

START = TreeSettings(rounds=10, patience=5, folds=2)


def _search(method: Method, trials: int) -> list[Trial]:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(600, 3)).astype(np.float32)
    bad = rng.random(600) < 1 / (1 + np.exp(1 - 2 * matrix[:, 0]))
    return search(
        matrix,
        bad,
        method=method,
        trials=trials,
        start=START,
        monotone=(1, 0, 0),
        seed=3,
        threads=1,
    )


@pytest.mark.parametrize("method", ["optuna", "grid", "random"])
def test_start_first_then_as_many_as_asked_and_always_the_same(method: Method) -> None:
    found, again = _search(method, 4), _search(method, 4)
    assert found[0].settings == START
    assert len(found) == 5
    assert [t.settings for t in found] == [t.settings for t in again]
    assert [t.roc_auc for t in found] == [t.roc_auc for t in again]
    assert len({t.settings for t in found}) > 3


def test_proposals_stay_in_the_space() -> None:
    for method in ("optuna", "grid", "random"):
        for trial in _search(method, 3)[1:]:
            for name, values in SPACE.items():
                assert min(values) <= getattr(trial.settings, name) <= max(values)
            assert trial.settings.folds == START.folds


def test_best_must_beat_the_first_by_more_than_luck() -> None:
    other = replace(START, max_depth=2)
    assert best([Trial(START, 0.7, 1.0), Trial(other, 0.71, 1.0)]) == other
    assert best([Trial(START, 0.7, 1.0), Trial(other, 0.701, 1.0)]) == START
