"""Bayesian personalised ranking, implicit's, read out as a basket model."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.sparse import csr_matrix

from passbook.recommend.basket_model import BasketModel
from passbook.recommend.interactions import Interactions, to_csr
from passbook.recommend.popularity import tie_breaker

FACTORS: Final = 16
EPOCHS: Final = 30
MOST_CUSTOMERS: Final = 100_000
"""Learnt from: the library's one deterministic thread draws a triple at a time."""
READ_OUT_RIDGE: Final = 10.0


def fit_bpr(train: Interactions, random_state: int) -> BasketModel:
    """Fit BPR (Rendle et al. 2009) and read its customers' factors out of their baskets.

    The library has factors for the customers that it was fitted on. A ridge regression of these
    on the baskets makes a model of any basket: scores are linear in what is owned. One thread and
    a seed, so that the same purchases give the same model.
    """
    from implicit.cpu.bpr import BayesianPersonalizedRanking  # noqa: PLC0415 (slow to import)

    rng = np.random.default_rng(random_state)
    rows = np.flatnonzero(np.diff(train.indptr))
    if len(rows) > MOST_CUSTOMERS:
        rows = np.sort(rng.choice(rows, MOST_CUSTOMERS, replace=False))
    part = train.take(rows)
    owned = to_csr(part, np.ones(len(part.items), dtype=np.float32))
    model = BayesianPersonalizedRanking(
        factors=min(FACTORS, max(2, train.shape[1] // 4)), iterations=EPOCHS, learning_rate=0.05,
        random_state=random_state, num_threads=1,
    )  # fmt: skip
    model.fit(csr_matrix(owned), show_progress=False)
    gram = (owned.T @ owned).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += READ_OUT_RIDGE
    # The last factor of both sides carries the library's bias of a product.
    read_out = np.linalg.solve(gram, owned.T @ model.user_factors.astype(np.float64)[:, :-1])
    affinity = read_out @ model.item_factors.astype(np.float64)[:, :-1].T
    np.fill_diagonal(affinity, 0.0)
    prior = model.item_factors[:, -1] + tie_breaker(train)
    return BasketModel(
        "bpr",
        np.ascontiguousarray(prior[None, :], dtype=np.float32),
        np.ascontiguousarray(affinity[None], dtype=np.float32),
        np.empty(0, dtype=np.int32),
    )
