"""What a recommender is told of customers: their baskets, segments and profiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from passbook.recommend.interactions import Floats, Interactions
from passbook.recommend.purchases import Ints


@dataclass(frozen=True)
class Context:
    """Customers as a recommender sees them.

    Attributes
    ----------
    baskets : Interactions
        What they bought, of the products that count.
    segment : int32 array of shape (customers,)
    profile : int32 array of shape (customers, traits)
        Codes of their traits, such as sex; 0 where unknown. There may be no traits at all.
    likely : float32 array of shape (customers, segments), optional
        How likely each segment is, where a ranker has inferred them; `segment` is the likeliest.
    """

    baskets: Interactions
    segment: Ints
    profile: Ints
    likely: Floats | None = None

    def take(self, rows: npt.NDArray[np.int64]) -> Context:
        """Return some customers, in the order of `rows`."""
        likely = None if self.likely is None else self.likely[rows]
        return Context(self.baskets.take(rows), self.segment[rows], self.profile[rows], likely)


class Recommender(Protocol):
    """A fitted recommender."""

    @property
    def name(self) -> str:
        """Name on the leaderboard."""

    def score(self, context: Context) -> Floats:
        """Return float32 scores of shape (customers, products), larger is better."""

    def own_group(self, segment: Ints) -> npt.NDArray[np.bool_]:
        """Return whose segment has a say of its own in the scores."""


def no_profile(customers: int) -> Ints:
    """Return the profile of customers of whom nothing is known."""
    return np.empty((customers, 0), dtype=np.int32)
