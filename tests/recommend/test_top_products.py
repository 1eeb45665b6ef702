from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

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
