"""Recommenders that score a basket: a prior by group plus what each owned product adds.

Popularity, item cosine, association rules, transitions, EASE and ALS all have this form; they
differ in the affinities and in how owned products are weighted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from passbook.recommend import basket_kernels
from passbook.recommend.context import Context
from passbook.recommend.interactions import Floats, Interactions, confidence
from passbook.recommend.purchases import Ints

Weighting = Literal["equal", "recency", "ridge", "strongest"]
NO_SEGMENT: Final = -1


@dataclass(frozen=True)
class BasketModel:
    """Scores of a customer: ``prior[g] + Σ over owned s of weight(s) · affinity[g, s]``.

    Attributes
    ----------
    name : str
        Name on the leaderboard.
    prior : float32 array of shape (groups, products)
        Group 0 is everyone; the others are segments with a model of their own.
    affinity : float32 array of shape (groups, products, products), or (groups, 0, 0)
        What an owned product (row) adds to another's score (column).
    segments : int32 array of shape (groups - 1,)
        Segment of group 1, 2, …; any other segment borrows group 0.
    weighting : str
        ``equal``: 1; ``recency``: confidence; ``ridge``: the ALS fold-in of confidence;
        ``strongest``: the largest single affinity instead of the sum.
    half_life : float
        Months in which confidence halves.
    alpha : float
        Factor on confidence, for ``ridge``.
    """

    name: str
    prior: Floats
    affinity: Floats
    segments: Ints
    weighting: Weighting = "equal"
    half_life: float = np.inf
    alpha: float = 1.0

    def groups(self, segment: Ints) -> Ints:
        """Return the group that serves each customer's segment (`NO_SEGMENT`: none known)."""
        if not len(self.segments):
            return np.zeros(len(segment), dtype=np.int32)
        order = np.argsort(self.segments)
        place = np.minimum(np.searchsorted(self.segments[order], segment), len(order) - 1)
        found = self.segments[order][place] == segment
        return np.where(found, order[place] + 1, 0).astype(np.int32)

    def weights(self, baskets: Interactions, group: Ints) -> Floats:
        """Return the weight of each owned product."""
        if self.weighting in ("equal", "strongest"):
            return np.ones(len(baskets.items), dtype=np.float32)
        values = confidence(baskets, self.half_life)
        if self.weighting == "recency":
            return values
        out = np.empty_like(values)
        basket_kernels.ridge_weights(
            baskets.indptr, baskets.items, values * np.float32(self.alpha), group,
            self.affinity, out,
        )  # fmt: skip
        return out

    def score(self, context: Context) -> Floats:
        """Return the score of every product for every customer.

        Returns
        -------
        float32 array of shape (customers, products)
        """
        baskets, group = context.baskets, self.groups(context.segment)
        if self.affinity.size == 0:
            return self.prior[group]
        out = np.empty((len(group), self.prior.shape[1]), dtype=np.float32)
        kernel = basket_kernels.add_scores
        if self.weighting == "strongest":
            kernel = basket_kernels.max_scores
        weight = self.weights(baskets, group)
        kernel(baskets.indptr, baskets.items, weight, group, self.prior, self.affinity, out)
        return out

    def own_group(self, segment: Ints) -> npt.NDArray[np.bool_]:
        """Return whose segment has a group of its own."""
        return self.groups(segment) > 0

    def on_products(self, place: npt.NDArray[np.int64]) -> BasketModel:
        """Return the model over another product list.

        Parameters
        ----------
        place : int64 array of shape (new products,)
            Column of each new product in this model, -1 when the model has never seen it: then
            it scores minus infinity.
        """
        known = place >= 0
        prior = np.where(known, self.prior[:, place], np.float32(-np.inf)).astype(np.float32)
        affinity = self.affinity
        if affinity.size:
            affinity = affinity[:, place][:, :, place]
            affinity = np.ascontiguousarray(
                affinity * (known[:, None] & known[None, :]), dtype=np.float32
            )
        return replace(self, prior=prior, affinity=affinity)
