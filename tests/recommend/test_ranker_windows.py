"""How much of the past a ranker looks at."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from passbook.recommend import ranker_windows
from passbook.recommend.als_model import AlsParameters
from passbook.recommend.context import no_profile
from passbook.recommend.interactions import interactions_as_of
from passbook.recommend.purchases import STILL_HELD
from passbook.recommend.ranker_windows import WINDOWS, windows
from passbook.recommend.recommenders import Training

from .small_banks import PLANTED_BASE_DATE, PLANTED_PRODUCTS, planted


def test_of_a_large_catalogue_fewer_customers_are_learnt_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With dates and without; else the evidence of 2,000 products would not fit a machine."""
    train = interactions_as_of(planted(), PLANTED_BASE_DATE - timedelta(days=40))
    ends = np.full(PLANTED_PRODUCTS, STILL_HELD, dtype=np.int32)
    nowhere = np.full(train.shape[0], -1, dtype=np.int32)
    dated = Training(
        train, nowhere, no_profile(train.shape[0]), np.ones(PLANTED_PRODUCTS, dtype=bool),
        -ends, ends, 200, AlsParameters(), 0, 1.0,
    )  # fmt: skip
    undated = replace(dated, train=replace(train, first_day=np.zeros_like(train.first_day)))
    monkeypatch.setattr(ranker_windows, "MOST_CELLS", 20 * PLANTED_PRODUCTS + 1)
    assert max(len(window.taken) for window in windows(dated)) == 20
    assert [len(window.taken) for window in windows(undated)] == [20 * WINDOWS]
