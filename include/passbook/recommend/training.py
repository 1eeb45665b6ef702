"""A scenario trained: grid search and comparison on the holdout, then the final fit."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from passbook.base_date import HoldoutWindow, holdout_window
from passbook.errors import NoAcquisitionsError
from passbook.recommend.als_model import AlsParameters
from passbook.recommend.catalogue import Catalogue
from passbook.recommend.comparison import BASELINE, Standing, compare
from passbook.recommend.evaluation import test_set
from passbook.recommend.grid import Grid, Trial, search
from passbook.recommend.holdout import split
from passbook.recommend.interactions import Interactions, interactions_as_of
from passbook.recommend.model import RecommendModel
from passbook.recommend.purchases import Ints, Purchases
from passbook.recommend.recommenders import POPULARITIES, RECOMMENDERS, Training
from passbook.recommend.scenarios import Population, Scenario, population

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Policy:
    """What the bank decides about training.

    Attributes
    ----------
    minimum_segment : int
        Fewest customers of a segment with a model of its own.
    minimum_holders : int
        Fewer holders of a family: popularity, no factor model.
    random_state : int
    memory_limit_gb : float
    grid : Grid
    """

    minimum_segment: int = 200
    minimum_holders: int = 2000
    random_state: int = 0
    memory_limit_gb: float = 12.0
    grid: Grid = field(default_factory=Grid)


@dataclass(frozen=True)
class TrainedScenario:
    """A scenario's model with the evidence for it.

    Attributes
    ----------
    model : RecommendModel
    parameters : AlsParameters or None
        The winning setting of the grid; None for a family too small for a factor model.
    standings : list of Standing
        Empty when the holdout has no acquisition: then the model is popularity.
    trials : list of Trial
        The best first.
    """

    model: RecommendModel
    parameters: AlsParameters | None
    standings: list[Standing]
    trials: list[Trial]


def train_scenario(
    scenario: Scenario,
    purchases: Purchases,
    catalogue: Catalogue,
    *,
    segments: Mapping[str, tuple[Ints, Ints]],
    base_date: date,
    policy: Policy,
) -> TrainedScenario:
    """Train one scenario for a base date.

    Parameters
    ----------
    purchases : Purchases
        Of all families that the bank offers.
    segments : Mapping[str, pair of int32 array of shape (customers,)]
        By family: the segments that the holdout may know, and those of the base date.

    Raises
    ------
    NoAcquisitionsError
        E401 when the family is large enough to learn, but the holdout has no acquisition.
    """
    families = catalogue.families(segments)
    holdout = split(purchases, holdout_window(base_date))
    part = population(scenario, holdout.train, families)
    as_of_holdout, as_of_base_date = segments[scenario.family]
    now = interactions_as_of(purchases, base_date)
    holders = int(now.customers_who_hold(families[scenario.family]).sum())
    learns = holders >= policy.minimum_holders
    candidates = part.offered & _sold_in(catalogue, holdout.window)
    standings: list[Standing] = []
    trials: list[Trial] = []
    training = _training(holdout.train, part, as_of_holdout, AlsParameters(), policy)
    try:
        test = test_set(
            holdout.train, holdout.test, as_of_holdout,
            targets=part.targets, candidates=candidates, catalogue=part.catalogue,
        )  # fmt: skip
    except NoAcquisitionsError:
        if learns:
            raise
        log.info("%s: no acquisition on the holdout, popularity is offered", scenario.name)
    else:
        if learns:
            trials = search(training.train, test, policy.grid, policy.random_state,
                            policy.memory_limit_gb)  # fmt: skip
            training = _training(holdout.train, part, as_of_holdout, trials[0].parameters, policy)
        standings = compare(RECOMMENDERS if learns else POPULARITIES, training, test)
    champion = next((s.recommender for s in standings if s.champion), BASELINE)
    final = _training(
        now, population(scenario, now, families), as_of_base_date, training.als, policy
    )
    model = RecommendModel(
        scenario.name,
        tuple(catalogue.codes.to_pylist()),
        RECOMMENDERS[champion](final),
        RECOMMENDERS[BASELINE](final),
    )
    return TrainedScenario(model, training.als if learns else None, standings, trials)


def _training(
    interactions: Interactions,
    part: Population,
    segment: Ints,
    parameters: AlsParameters,
    policy: Policy,
) -> Training:
    rows = np.flatnonzero(part.learners)
    return Training(
        interactions.take(rows).only(part.catalogue),
        segment[rows],
        policy.minimum_segment,
        parameters,
        policy.random_state,
        policy.memory_limit_gb,
    )


def _sold_in(catalogue: Catalogue, window: HoldoutWindow) -> np.ndarray:
    return catalogue.on_sale(window.test_start, window.test_end)
