"""New customers: first purchases that follow from who they are, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from passbook.base_date import holdout_window
from passbook.recommend.holdout import first_purchases, split
from passbook.recommend.interactions import Interactions, interactions_as_of
from passbook.recommend.purchases import Ints, Purchases
from passbook.recommend.scenarios import NEW_CUSTOMER
from passbook.recommend.training import Policy, TrainedScenario, train_scenario

from .small_banks import PLANTED_BASE_DATE, products, purchases

CUSTOMERS = 1600
CODES = [f"d{p}" for p in range(5)] + ["i0"]


def _bank() -> tuple[Purchases, Ints]:
    """Build a bank in which code 1 begins with d1, code 2 with d3, nine times in ten.

    Whatever comes after the first purchase is i0, which is therefore the most popular product.
    """
    rng = np.random.default_rng(3)
    code = rng.integers(1, 3, CUSTOMERS).astype(np.int32)
    first = np.where(rng.random(CUSTOMERS) < 0.9, 2 * code - 1, rng.integers(0, 5, CUSTOMERS))
    start, days = date(2021, 6, 1), (PLANTED_BASE_DATE - date(2021, 6, 1)).days
    opened = rng.integers(0, days, CUSTOMERS)
    rows = [
        (f"c{c:05}", product, (start + timedelta(days=int(day))).isoformat())
        for c in range(CUSTOMERS)
        for product, day in ((f"d{first[c]}", opened[c]), ("i0", opened[c] + 10))
        if day <= days
    ]
    names = " ".join(f"c{c:05}" for c in range(CUSTOMERS))
    return purchases(rows, names, " ".join(CODES)), code[:, None]


@pytest.fixture(scope="module")
def trained() -> TrainedScenario:
    bought, profile = _bank()
    nowhere = np.full(CUSTOMERS, -1, dtype=np.int32)
    by_code = profile[:, 0]
    return train_scenario(
        NEW_CUSTOMER, bought, products(deposit=" ".join(CODES[:5]), insurance="i0"),
        segments={
            "deposit": (nowhere, nowhere), "insurance": (nowhere, nowhere),
            "new_customer": (by_code, by_code),
        },
        profile=profile, base_date=PLANTED_BASE_DATE,
        policy=Policy(minimum_segment=200, minimum_holders=100),
    )  # fmt: skip


def test_first_purchases_are_ranked_against_popularity(trained: TrainedScenario) -> None:
    board = {s.recommender: s for s in trained.standings}
    assert set(board) == {"popularity", "popularity_90d", "popularity_by_segment", "ranker"}
    assert board["popularity"].metrics["hit_rate_1"] < 0.7
    assert board["popularity_by_segment"].metrics["hit_rate_1"] > 0.8
    assert board["ranker"].metrics["hit_rate_1"] > 0.8
    assert trained.parameters is None
    assert trained.trials == []


def test_what_comes_later_is_not_learnt(trained: TrainedScenario) -> None:
    """i0 has most buyers, but nobody's first purchase."""
    prior = trained.model.fallback.prior[0]
    assert prior[CODES.index("i0")] == prior.min()


def test_the_first_day_of_a_customer_counts_and_who_bought_before_is_not_new() -> None:
    bought = purchases(
        [("a", "d0", "2022-11-05"), ("a", "d1", "2022-11-05"), ("a", "d2", "2022-11-06"),
         ("b", "d0", "2022-10-31"), ("b", "d1", "2022-11-05"), ("c", "d0", "2022-12-01")],
        "a b c", " ".join(CODES),
    )  # fmt: skip
    new, first = first_purchases(split(bought, holdout_window(PLANTED_BASE_DATE)))
    assert new.tolist() == [True, False, True]
    found = list(zip(first.customer.tolist(), first.item.tolist(), strict=True))
    assert [pair for pair in found if new[pair[0]]] == [(0, 0), (0, 1)]


def test_first_purchases_of_interactions() -> None:
    bought = purchases(
        [("a", "d1", "2022-01-02"), ("a", "d0", "2022-01-03"), ("c", "d2", "2022-01-02")],
        "a b c", " ".join(CODES),
    )  # fmt: skip
    now: Interactions = interactions_as_of(bought, PLANTED_BASE_DATE)
    assert now.first_purchases().items.tolist() == [1, 2]
    assert now.first_purchases().indptr.tolist() == [0, 1, 1, 2]
    nothing = replace(now, indptr=np.zeros(4, np.int64), items=now.items[:0],
                      first_day=now.first_day[:0], last_day=now.last_day[:0],
                      held=now.held[:0])  # fmt: skip
    assert nothing.first_purchases().items.tolist() == []
