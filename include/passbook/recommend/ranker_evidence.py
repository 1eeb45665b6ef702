"""What speaks for the products that a ranker chose, piece by piece of its evidence.

The first stage is a weighted sum, so a piece's say for a product is its weight times how far the
product is above the others on offer in it. The trees' correction of that sum is not taken apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from passbook.recommend.context import Context
from passbook.recommend.evidence import Evidence, last_bought
from passbook.recommend.interactions import Floats
from passbook.recommend.purchases import Ints
from passbook.recommend.ranker import Ranker

_KINDS: Final = {
    "followers": "next", "next_after": "next", "cosine": "together", "ease": "together",
    "popular": "popular", "popular_90d": "popular_90d", "popular_30d": "popular_30d",
    "first_of_family": "first_of_family", "segment": "segment", "season": "season",
    "trait_0": "age", "trait_1": "like_you", "trait_2": "occupation",
}  # fmt: skip
"""Kind of reason by feature; a feature that has none is not spoken of."""


@dataclass(frozen=True)
class SpokenEvidence:
    """Where a feature is among the strongest.

    Attributes
    ----------
    kind : str
    product : int32 array of shape (customers, k)
        Owned product that the feature goes by, -1 where it goes by none.
    place : int32 array of shape (customers, k)
        0 where it is the strongest, 1 the second, -1 elsewhere.
    """

    kind: str
    product: Ints
    place: Ints


def strongest_evidence(
    ranker: Ranker, context: Context, offered: Ints, most: int
) -> Iterator[SpokenEvidence]:
    """Yield the features that speak for the offered products, each kind once an offer.

    Parameters
    ----------
    offered : int32 array of shape (customers, k)
        Columns, -1 for none.
    most : int
        Features to name for an offer.
    """
    evidence = ranker.evidence
    position = np.full(context.baskets.shape[1] + 1, -1, dtype=np.int32)
    position[evidence.columns] = np.arange(len(evidence.columns), dtype=np.int32)
    place = position[offered]
    products = _products(evidence, context, place)
    says, names = [], []
    for name, weight, feature in zip(
        evidence.names, ranker.weights, evidence.features(context, ranker.month), strict=True
    ):
        # The transitions' own logarithm is added to the margins once more.
        say = np.float32(weight + (name == "followers")) * _above_others(feature, place)
        if name not in _KINDS:
            say[:] = 0.0
        elif name in products:
            say = np.where(products[name] >= 0, say, np.float32(0.0))
        says.append(np.where(place >= 0, say, np.float32(0.0)))
        names.append(name)
    yield from _ordered(np.stack(says, axis=2), names, products, most)


def _products(evidence: Evidence, context: Context, place: Ints) -> dict[str, Ints]:
    """Return the owned product that each feature of owned products goes by."""
    found = {
        name: getattr(evidence, name).leading_owned(context, place)
        for name in ("followers", "cosine", "ease")
    }
    last = last_bought(context.baskets)
    last = np.where(last < context.baskets.shape[1], last, -1).astype(np.int32)
    return found | {"next_after": np.broadcast_to(last[:, None], place.shape)}


def _above_others(feature: Floats, place: Ints) -> Floats:
    at = np.take_along_axis(feature, np.maximum(place, 0).astype(np.int64), axis=1)
    return np.asarray(at - feature.mean(axis=1, keepdims=True), dtype=np.float32)


def _ordered(
    says: Floats, names: list[str], products: dict[str, Ints], most: int
) -> Iterator[SpokenEvidence]:
    """Yield each feature with its place among the `most` strongest of different kinds."""
    kinds = np.array([_KINDS.get(name, name) for name in names])
    places = np.full(says.shape, -1, dtype=np.int32)
    left = says.copy()
    for turn in range(most):
        best = left.argmax(axis=2)
        positive = np.take_along_axis(left, best[:, :, None], axis=2)[:, :, 0] > 0
        chosen = positive[:, :, None] & (np.arange(len(names)) == best[:, :, None])
        places[chosen] = turn
        left[kinds[best][:, :, None] == kinds] = -np.inf
    none = np.full(says.shape[:2], -1, dtype=np.int32)
    for number, name in enumerate(names):
        yield SpokenEvidence(str(kinds[number]), products.get(name, none), places[:, :, number])
