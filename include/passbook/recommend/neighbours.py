"""Recommenders from pairs of products: item cosine, association rules, transitions, EASE."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from passbook.recommend import neighbour_kernels
from passbook.recommend.basket_model import BasketModel, Weighting
from passbook.recommend.interactions import Interactions, to_csr
from passbook.recommend.popularity import counts, tie_breaker

Doubles = npt.NDArray[np.float64]


def cooccurrence(train: Interactions) -> Doubles:
    """Return how many customers bought both products, buyers of each on the diagonal."""
    ones = to_csr(train, np.ones(len(train.items), dtype=np.float32))
    return np.asarray((ones.T @ ones).todense(), dtype=np.float64)


def item_cosine(train: Interactions) -> BasketModel:
    """Products bought by the same customers, by cosine of their buyers."""
    both = cooccurrence(train)
    norm = np.sqrt(np.maximum(np.diag(both), 1.0))
    return _from_affinity("item_cosine", train, both / norm / norm[:, None])


def association_rules(train: Interactions) -> BasketModel:
    """The rule with the highest confidence: share of an owned product's buyers who have another."""
    both = cooccurrence(train)
    share = both / np.maximum(np.diag(both), 1.0)[:, None]
    return _from_affinity("association_rules", train, share, weighting="strongest")


def transitions(train: Interactions, smoothing: float = 10.0) -> BasketModel:
    """What was acquired next, given what was owned: counted in time order.

    Every acquisition counts once for each product that the customer had bought on an earlier
    day. Shares are shrunk towards all acquisitions with the weight of `smoothing` counts.
    """
    followed = np.zeros((train.shape[1], train.shape[1]))
    neighbour_kernels.count_followers(train.indptr, train.items, train.first_day, followed)
    overall = followed.sum(axis=0) + counts(train) * 1e-3
    overall = overall / max(float(overall.sum()), 1e-12)
    total = followed.sum(axis=1, keepdims=True)
    return _from_affinity(
        "transitions", train, (followed + smoothing * overall) / (total + smoothing)
    )


def ease(train: Interactions, regularization: float = 10.0) -> BasketModel:
    """Embarrassingly shallow autoencoder (Steck 2019): the closed-form item regression."""
    gram = cooccurrence(train)
    gram[np.diag_indices_from(gram)] += regularization
    inverse = np.linalg.inv(gram)
    weights = -inverse / np.diag(inverse)
    return _from_affinity("ease", train, weights)


def _from_affinity(
    name: str, train: Interactions, affinity: Doubles, weighting: Weighting = "equal"
) -> BasketModel:
    affinity = affinity.copy()
    np.fill_diagonal(affinity, 0.0)
    return BasketModel(
        name,
        tie_breaker(train)[None, :],
        np.ascontiguousarray(affinity[None], dtype=np.float32),
        np.empty(0, dtype=np.int32),
        weighting,
    )
