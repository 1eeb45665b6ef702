from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from passbook.recommend import top_kernels
from passbook.recommend.compilation import threads
from passbook.recommend.top_products import BLOCK, top_products


def test_it_is_a_full_sort_over_several_blocks() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(BLOCK + 50, 6)), rng.normal(size=(20, 6))
    owned = csr_matrix((rng.random((len(x), 20)) < 0.2).astype(np.float32))
    items, scores = top_products(x, y, 5, owned=owned)
    full = x.astype(np.float32) @ y.astype(np.float32).T
    full[owned.toarray() > 0] = -np.inf
    assert np.array_equal(items, np.argsort(-full, axis=1, kind="stable")[:, :5])
    assert np.allclose(scores, -np.sort(-full, axis=1)[:, :5], rtol=1e-5)


def test_equal_scores_keep_the_order_of_columns_and_missing_places_stay_empty() -> None:
    items, scores = top_products(
        np.ones((1, 1)), np.ones((4, 1)), 4, allowed=np.array([True, False, True, True])
    )
    assert items.tolist() == [[0, 2, 3, -1]]
    assert np.isneginf(scores[0, 3])


@pytest.mark.parametrize("k", [1, 5, 40])
def test_each_class_gets_its_best_allowed_columns_with_many_ties(k: int) -> None:
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 6, (300, 100)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.1] = -np.inf
    allowed = rng.random((3, 100)) < [[0.9], [0.5], [0.03]]
    of_row = rng.integers(0, 3, 300).astype(np.int32)
    items = np.full((300, k), -1, dtype=np.int32)
    best = np.full((300, k), -np.inf, dtype=np.float32)
    top_kernels.best_allowed(scores, of_row, allowed, items, best)
    full = np.where(allowed[of_row], scores, -np.inf)
    order = np.argsort(-full, axis=1, kind="stable")[:, :k]
    expected = np.take_along_axis(full, order, axis=1)
    assert np.array_equal(best, expected)
    assert np.array_equal(items, np.where(np.isneginf(expected), -1, order))


def test_any_number_of_threads_gives_the_same_lists() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(4 * BLOCK, 8)), rng.normal(size=(50, 8))
    with threads(1):
        one = top_products(x, y, 5)
    several = top_products(x, y, 5)
    assert np.array_equal(one[0], several[0])
    assert np.array_equal(one[1], several[1])
