from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from passbook.errors import NoAcquisitionsError
from passbook.recommend.catalogue import Catalogue
from passbook.recommend.context import no_profile
from passbook.recommend.grid import Grid
from passbook.recommend.model import RecommendModel
from passbook.recommend.purchases import Purchases
from passbook.recommend.scenarios import Scenario
from passbook.recommend.training import Policy, TrainedScenario, train_scenario

from .small_banks import PLANTED_BASE_DATE, PLANTED_PRODUCTS, planted, products

SMALL_GRID = Grid((4,), (1.0,), (5,), (10.0,), (12.0,))
POLICY = Policy(minimum_segment=500, minimum_holders=1000, grid=SMALL_GRID)
UP_SELL = Scenario("up_sell", "deposit")


def _catalogue() -> Catalogue:
    return products(deposit=" ".join(f"d{p}" for p in range(PLANTED_PRODUCTS)))


def _train(purchases: Purchases, policy: Policy = POLICY) -> TrainedScenario:
    segment = np.arange(len(purchases.customers), dtype=np.int32) % 2
    return train_scenario(
        UP_SELL,
        purchases,
        _catalogue(),
        segments={"deposit": (segment, segment)},
        profile=no_profile(len(segment)),
        base_date=PLANTED_BASE_DATE,
        policy=policy,
    )


@pytest.fixture(scope="module")
def trained() -> TrainedScenario:
    return _train(planted())


def test_the_planted_order_of_purchases_wins(trained: TrainedScenario) -> None:
    board = {s.recommender: s for s in trained.standings}
    assert board["transitions"].champion or board["ranker"].champion
    assert board["transitions"].metrics["hit_rate_1"] > 0.85
    assert board["popularity"].metrics["hit_rate_1"] < 0.4
    assert board["ranker"].metrics["hit_rate_1"] > 0.85


def test_als_is_always_tried_and_shown(trained: TrainedScenario) -> None:
    names = [s.recommender for s in trained.standings]
    assert {"als", "als_by_segment"} <= set(names)
    assert [t.parameters for t in trained.trials] == SMALL_GRID.settings()


def test_the_same_purchases_give_the_same_bytes(trained: TrainedScenario) -> None:
    assert _train(planted()).model.to_files() == trained.model.to_files()


def test_a_model_survives_its_files(trained: TrainedScenario) -> None:
    files = trained.model.to_files()
    assert RecommendModel.from_files(files).to_files() == files


def test_a_small_family_gets_popularity_and_no_factor_model() -> None:
    found = _train(planted(), replace(POLICY, minimum_holders=10**6))
    assert found.parameters is None
    assert {s.recommender for s in found.standings} == {
        "popularity", "popularity_90d", "popularity_by_segment"
    }  # fmt: skip
    assert found.model.champion.name.startswith("popularity")


def _without_november(purchases: Purchases) -> Purchases:
    day = purchases.opened.astype("datetime64[D]")
    keep = (day < np.datetime64("2022-11-01")) | (day > np.datetime64("2022-11-30"))
    columns = ("customer", "item", "opened", "closed")
    return replace(purchases, **{name: getattr(purchases, name)[keep] for name in columns})


def test_no_acquisitions_in_the_holdout_month_stop_the_scenario() -> None:
    with pytest.raises(NoAcquisitionsError, match="E401"):
        _train(_without_november(planted()))


def test_a_small_family_needs_no_acquisitions() -> None:
    found = _train(_without_november(planted()), replace(POLICY, minimum_holders=10**6))
    assert found.standings == []
    assert found.model.champion.name == "popularity_by_segment"


def test_products_not_on_sale_in_the_month_are_not_ranked() -> None:
    catalogue = _catalogue()
    ended = catalogue.sale_end.copy()
    ended[1:] = 10_000
    with pytest.raises(NoAcquisitionsError):
        train_scenario(
            UP_SELL, planted(), replace(catalogue, sale_end=np.minimum(ended, 10_000)),
            segments={"deposit": (np.zeros(2500, np.int32), np.zeros(2500, np.int32))},
            profile=no_profile(2500),
            base_date=PLANTED_BASE_DATE, policy=POLICY,
        )  # fmt: skip
