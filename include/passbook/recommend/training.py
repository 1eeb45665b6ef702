"""A scenario trained: grid search and comparison on the holdout, then the final fit."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
from passbook.recommend.holdout import Holdout, first_purchases, split
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
    scope = Scope(scenario, catalogue, families, profile, policy)
    as_of_holdout, as_of_base_date = scenario.segments(segments)
    now = interactions_as_of(purchases, base_date)
    holders = int(now.customers_who_hold(scenario.products(families)).sum())
    standings, trials = scope.judged(
        split(purchases, holdout_window(base_date)), as_of_holdout,
        learns=holders >= policy.minimum_holders, book=book,
    )  # fmt: skip
    parameters = trials[0].parameters if trials else AlsParameters()
    champion = next((s.recommender for s in standings if s.champion), BASELINE)
    final = scope.training(now, as_of_base_date, parameters)
    model = RecommendModel(
        scenario.name,
        tuple(catalogue.codes.to_pylist()),
        RECOMMENDERS[champion](final),
        POPULARITIES[BASELINE](final),
    )
    return TrainedScenario(model, parameters if trials else None, standings, trials)


@dataclass(frozen=True)
class Scope:
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

    def judged(
        self, holdout: Holdout, segment: Ints, *, learns: bool, book: TrialBook | None
    ) -> tuple[list[Standing], list[Trial]]:
        """Return the recommenders compared on the holdout, and the trials of the grid search.

        Nothing where the family is too small to learn and the holdout has no acquisition.
        """
        part = population(self.scenario, holdout.train, self.families)
        targets, acquired = part.targets, holdout.test
        if self.of_newcomers:
            targets, acquired = first_purchases(holdout)
        try:
            test = test_set(
                holdout.train, acquired, segment, self.profile, targets=targets,
                candidates=part.offered & _sold_in(self.catalogue, holdout.window),
                catalogue=part.catalogue,
            )  # fmt: skip
        except NoAcquisitionsError:
            if learns:
                raise
            log.info("%s: no acquisition on the holdout, popularity is offered", self.scenario.name)
            return [], []
        recommenders = (
            (NEWCOMER_RECOMMENDERS if self.of_newcomers else RECOMMENDERS)
            if learns
            else POPULARITIES
        )
        trials: list[Trial] = []
        training = self.training(holdout.train, segment, AlsParameters())
        if "als" in recommenders:
            trials = search(
                training.train, test, self.policy.grid, random_state=self.policy.random_state,
                memory_limit_gb=self.policy.memory_limit_gb, book=book,
            )  # fmt: skip
            training = replace(training, als=trials[0].parameters)
        return compare(recommenders, training, test), trials

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
