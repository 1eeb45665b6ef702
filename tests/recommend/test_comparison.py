from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from passbook.recommend import comparison
from passbook.recommend.als_model import AlsParameters
from passbook.recommend.comparison import Standing, compare, mark_champion
from passbook.recommend.evaluation import TestSet, test_set
from passbook.recommend.holdout import Acquisitions
from passbook.recommend.interactions import interactions_as_of
from passbook.recommend.purchases import STILL_HELD
from passbook.recommend.recommenders import POPULARITIES, RECOMMENDERS, Training

from .small_banks import PLANTED_BASE_DATE, PLANTED_PRODUCTS, planted


def _standing(name: str, mrr: float, gain: tuple[float, float]) -> Standing:
    return Standing(name, 100, {"mrr": mrr}, (mrr - 0.1, mrr + 0.1), gain, 0.1)


@pytest.mark.parametrize(
    ("learned_gain", "expected"), [((0.001, 0.02), "als"), ((-0.001, 0.02), "popularity_90d")]
)
def test_a_learned_recommender_has_to_clear_segment_popularity(
    learned_gain: tuple[float, float], expected: str
) -> None:
    standings = [
        _standing("popularity_by_segment", 0.40, (0.0, 0.0)),
        _standing("popularity_90d", 0.41, (-0.01, 0.03)),
        _standing("als", 0.42, learned_gain),
        _standing("ease", 0.39, (-0.02, 0.01)),
    ]
    (champion,) = [s.recommender for s in mark_champion(standings) if s.champion]
    assert champion == expected


def test_nothing_is_published_that_ranks_below_a_popularity() -> None:
    standings = [
        _standing("popularity_by_segment", 0.40, (0.0, 0.0)),
        _standing("popularity_90d", 0.43, (-0.01, 0.07)),
        _standing("transitions", 0.42, (0.01, 0.03)),
    ]
    (champion,) = [s.recommender for s in mark_champion(standings) if s.champion]
    assert champion == "popularity_90d"


def _three_customers() -> tuple[Training, TestSet]:
    """Build a holdout of three customers, of whom two take what follows what they have."""
    train = interactions_as_of(planted(), PLANTED_BASE_DATE - timedelta(days=30))
    ends = np.full(PLANTED_PRODUCTS, STILL_HELD, dtype=np.int32)
    every = np.ones(PLANTED_PRODUCTS, dtype=bool)
    segment = np.zeros(train.shape[0], dtype=np.int32)
    profile = np.empty((train.shape[0], 0), dtype=np.int32)
    training = Training(train, segment, profile, every, -ends, ends, 200, AlsParameters(), 0, 1.0)
    rows = np.flatnonzero(np.diff(train.indptr) == 1)[:3].astype(np.int32)
    item = (train.items[train.indptr[rows]] + [1, 1, 5]) % PLANTED_PRODUCTS
    test = test_set(
        train, Acquisitions(rows, item.astype(np.int32), rows), segment, profile,
        targets=np.ones(train.shape[0], dtype=bool), candidates=every, catalogue=every,
    )  # fmt: skip
    return training, test


@pytest.mark.parametrize(("enough", "clears"), [(3, False), (1000, True)])
def test_a_small_holdout_reaches_back_to_the_months_before_it(
    enough: int, clears: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three customers, one time in 27 the bootstrap draws none but the one who is missed."""
    monkeypatch.setattr(comparison, "ENOUGH_CUSTOMERS", enough)
    recommenders = {**POPULARITIES, "transitions": RECOMMENDERS["transitions"]}
    standings = {s.recommender: s for s in compare(recommenders, *_three_customers())}
    found = standings["transitions"]
    assert found.metrics["mrr"] > standings["popularity"].metrics["mrr"]
    assert (found.gain[0] > 0) == found.champion == clears
    assert found.customers == 3
