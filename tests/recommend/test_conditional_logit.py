from __future__ import annotations

from dataclasses import replace

import numba
import numpy as np
import pytest

from passbook.recommend.conditional_logit import Choices, fit_conditional_logit

CODES, PRODUCTS = 3, 5
TASTE = np.array([[0, 0, 0, 0, 0], [2, 0, 0, 0, 0], [0, 0, 0, 0, 2]], dtype=np.float32)


def _choices(count: int = 6000) -> Choices:
    """Draw choices by evidence of weight 1.5 and by a taste for one product a code."""
    rng = np.random.default_rng(1)
    evidence = rng.normal(size=(count, 2, PRODUCTS)).astype(np.float32)
    code = rng.integers(0, CODES, count).astype(np.int32)
    open_to = rng.random((count, PRODUCTS)) < 0.8
    open_to[:, 1] = True
    utility = 1.5 * evidence[:, 0] + TASTE[code] + rng.gumbel(size=(count, PRODUCTS))
    best = np.where(open_to, utility, -np.inf).argmax(axis=1)
    taken = np.eye(PRODUCTS, dtype=np.float32)[best]
    return Choices(
        evidence, open_to, taken, code[:, None], np.ones(1, dtype=np.float32),
        np.zeros(count + 1, dtype=np.int64), np.empty(0, dtype=np.int32),
        np.array([CODES, 0.5]), CODES + PRODUCTS,
    )  # fmt: skip


def test_it_recovers_shared_weights_and_the_products_own() -> None:
    found = fit_conditional_logit(_choices(), own_ridge=1.0)
    assert found.shared == pytest.approx([1.5, 0.0], abs=0.1)
    contrast = found.own[:CODES] - found.own[:CODES].mean(axis=1, keepdims=True)
    assert contrast == pytest.approx(TASTE - TASTE.mean(axis=1, keepdims=True), abs=0.25)


def test_a_strong_penalty_leaves_the_evidence_alone() -> None:
    found = fit_conditional_logit(_choices(1000), own_ridge=1e7)
    assert np.abs(found.own).max() < 1e-3
    assert found.shared[0] > 1.0


def test_products_that_were_not_open_teach_nothing() -> None:
    choices = _choices(500)
    hidden = choices.evidence.copy()
    hidden[:, 0][~choices.open_to] = 100.0
    weights = [
        fit_conditional_logit(replace(choices, evidence=evidence)).shared
        for evidence in (choices.evidence, hidden)
    ]
    assert weights[0] == pytest.approx(weights[1], abs=1e-3)


def test_any_number_of_threads_gives_the_same_weights() -> None:
    choices, found = _choices(500), []
    before = numba.get_num_threads()
    for threads in (1, before):
        numba.set_num_threads(threads)
        found.append(fit_conditional_logit(choices).own.tobytes())
    assert found[0] == found[1]
