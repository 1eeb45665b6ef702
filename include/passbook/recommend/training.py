"""A scenario trained: grid search and comparison on the holdout, then the final fit."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from passbook.base_date import HoldoutWindow, holdout_window
from passbook.contracts import FAMILIES
from passbook.errors import NoAcquisitionsError
from passbook.recommend.als_model import AlsParameters
from passbook.recommend.catalogue import Catalogue
from passbook.recommend.comparison import BASELINE, Standing, compare
from passbook.recommend.evaluation import test_set
from passbook.recommend.grid import Grid, Trial, TrialBook, search
from passbook.recommend.holdout import first_purchases, split
from passbook.recommend.interactions import Flags, Interactions, interactions_as_of
from passbook.recommend.model import RecommendModel
from passbook.recommend.purchases import Ints, Purchases
from passbook.recommend.recommenders import (
    NEWCOMER_RECOMMENDERS,
    POPULARITIES,
    RECOMMENDERS,
    Training,
)
from passbook.recommend.scenarios import Scenario, population

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
        The finalists first, the best at the head.
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
    profile: Ints,
    base_date: date,
    policy: Policy,
    book: TrialBook | None = None,
) -> TrainedScenario:
    """Train one scenario for a base date.

    Parameters
    ----------
    purchases : Purchases
        Of all families that the bank offers.
    segments : Mapping[str, pair of int32 array of shape (customers,)]
        By family, and for ``new_customer``: the segments that the holdout may know, and those of
        the base date.
    profile : int32 array of shape (customers, traits)
        Codes of traits that do not change with purchases, such as sex.
    book : TrialBook, optional
        Trials of a search that broke off, and where new ones are noted down.

    Raises
    ------
    NoAcquisitionsError
        E401 when the family is large enough to learn, but the holdout has no acquisition.
    """
    families = catalogue.families([family for family in FAMILIES if family in segments])
    scope = _Scope(scenario, catalogue, families, profile, policy)
    holdout = split(purchases, holdout_window(base_date))
    part = population(scenario, holdout.train, families)
    as_of_holdout, as_of_base_date = scenario.segments(segments)
    now = interactions_as_of(purchases, base_date)
    holders = int(now.customers_who_hold(scenario.products(families)).sum())
    learns = holders >= policy.minimum_holders
    recommenders = (
        (NEWCOMER_RECOMMENDERS if scope.of_newcomers else RECOMMENDERS)
        if learns
        else (POPULARITIES)
    )
    targets, acquired = part.targets, holdout.test
    if scope.of_newcomers:
        targets, acquired = first_purchases(holdout)
    candidates = part.offered & _sold_in(catalogue, holdout.window)
    standings: list[Standing] = []
    trials: list[Trial] = []
    training = scope.training(holdout.train, as_of_holdout, AlsParameters())
    try:
        test = test_set(
            holdout.train, acquired, as_of_holdout, profile,
            targets=targets, candidates=candidates, catalogue=part.catalogue,
        )  # fmt: skip
    except NoAcquisitionsError:
        if learns:
            raise
        log.info("%s: no acquisition on the holdout, popularity is offered", scenario.name)
    else:
        if "als" in recommenders:
            trials = search(
                training.train, test, policy.grid, random_state=policy.random_state,
                memory_limit_gb=policy.memory_limit_gb, book=book,
            )  # fmt: skip
            training = scope.training(holdout.train, as_of_holdout, trials[0].parameters)
        standings = compare(recommenders, training, test)
    champion = next((s.recommender for s in standings if s.champion), BASELINE)
    final = scope.training(now, as_of_base_date, training.als)
    model = RecommendModel(
        scenario.name,
        tuple(catalogue.codes.to_pylist()),
        RECOMMENDERS[champion](final),
        POPULARITIES[BASELINE](final),
    )
    return TrainedScenario(model, training.als if trials else None, standings, trials)


@dataclass(frozen=True)
class _Scope:
    """What is the same for training on the holdout and to the base date."""

    scenario: Scenario
    catalogue: Catalogue
    families: Mapping[str, Flags]
    profile: Ints
    policy: Policy

    @property
    def of_newcomers(self) -> bool:
        """Whether customers without a basket are learnt for."""
        return self.scenario.kind == "new_customer"

    def training(
        self, interactions: Interactions, segment: Ints, parameters: AlsParameters
    ) -> Training:
        """Return the scenario's learners with what may be learnt from them."""
        part = population(self.scenario, interactions, self.families)
        rows = np.flatnonzero(part.learners)
        learnt = interactions.take(rows)
        return Training(
            learnt.first_purchases() if self.of_newcomers else learnt.only(part.catalogue),
            segment[rows],
            self.profile[rows],
            part.offered,
            self.catalogue.sale_start,
            self.catalogue.sale_end,
            self.policy.minimum_segment,
            parameters,
            self.policy.random_state,
            self.policy.memory_limit_gb,
            self.of_newcomers,
            self.scenario.kind == "cross_sell",
        )


def _sold_in(catalogue: Catalogue, window: HoldoutWindow) -> Flags:
    return catalogue.on_sale(window.test_start, window.test_end)
