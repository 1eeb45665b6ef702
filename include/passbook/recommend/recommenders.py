"""The recommenders by name: each a function from what is known to a fitted model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from passbook.recommend.als_model import AlsParameters, fit_als, fit_als_by_segment
from passbook.recommend.basket_model import BasketModel
from passbook.recommend.bpr import fit_bpr
from passbook.recommend.interactions import Flags, Interactions
from passbook.recommend.neighbours import association_rules, ease, item_cosine, transitions
from passbook.recommend.popularity import popularity, recent_popularity, segment_popularity
from passbook.recommend.purchases import Ints
from passbook.recommend.ranker import Ranker, fit_ranker


@dataclass(frozen=True)
class Training:
    """What a recommender may learn from.

    Attributes
    ----------
    train : Interactions
        Of the scenario's learners with the scenario's catalogue.
    segment : int32 array of shape (learners,)
    profile : int32 array of shape (learners, traits)
    offered : bool array of shape (products,)
        Products of the scenario's family.
    sale_start, sale_end : int32 array of shape (products,)
        First and last day on sale, days since 1970-01-01.
    minimum_segment : int
        Fewest customers of a segment with a model of its own.
    als : AlsParameters
    random_state : int
    memory_limit_gb : float
    of_newcomers : bool
        Whether targets have no basket: `train` then has everybody's first purchases only.
    first_of_family : bool
        Whether targets hold nothing of the family.
    """

    train: Interactions
    segment: Ints
    profile: Ints
    offered: Flags
    sale_start: Ints
    sale_end: Ints
    minimum_segment: int
    als: AlsParameters
    random_state: int
    memory_limit_gb: float
    of_newcomers: bool = False
    first_of_family: bool = False


def _als(training: Training) -> BasketModel:
    return fit_als(training.train, training.als, training.random_state, training.memory_limit_gb)


def _als_by_segment(training: Training) -> BasketModel:
    return fit_als_by_segment(
        training.train, training.segment, minimum=training.minimum_segment,
        overall=_als(training), parameters=training.als, random_state=training.random_state,
    )  # fmt: skip


def _segment_popularity(training: Training) -> BasketModel:
    return segment_popularity(training.train, training.segment, training.minimum_segment)


POPULARITIES: Final[Mapping[str, Callable[[Training], BasketModel]]] = {
    "popularity": lambda training: popularity(training.train),
    "popularity_90d": lambda training: recent_popularity(training.train),
    "popularity_by_segment": _segment_popularity,
}
"""Recommenders that need no basket; the only ones of a family that is too small to learn."""

PER_SEGMENT: Final = ("popularity_by_segment", "als_by_segment")
"""Recommenders with a model a segment; one that is too small borrows the model of all."""

RECOMMENDERS: Final[Mapping[str, Callable[[Training], BasketModel | Ranker]]] = {
    **POPULARITIES,
    "association_rules": lambda training: association_rules(training.train),
    "item_cosine": lambda training: item_cosine(training.train),
    "transitions": lambda training: transitions(training.train),
    "ease": lambda training: ease(training.train),
    "bpr": lambda training: fit_bpr(training.train, training.random_state),
    "als": _als,
    "als_by_segment": _als_by_segment,
    "ranker": fit_ranker,
}

NEWCOMER_RECOMMENDERS: Final[Mapping[str, Callable[[Training], BasketModel | Ranker]]] = {
    **POPULARITIES,
    "ranker": fit_ranker,
}
"""Recommenders that can tell customers without a basket apart."""
