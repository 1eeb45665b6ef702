from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from passbook.recommend.basket_model import BasketModel
from passbook.recommend.context import Context, no_profile
from passbook.recommend.interactions import Interactions, interactions_as_of
from passbook.recommend.neighbours import association_rules, ease, item_cosine, transitions
from passbook.recommend.popularity import popularity, recent_popularity, segment_popularity

from .small_banks import purchases

AS_OF = date(2022, 10, 31)


@pytest.fixture(scope="module")
def train() -> Interactions:
    """Customers: a x→y, b x→y, c x→z, d y."""
    rows = [
        ("a", "x", "2022-01-01"), ("a", "y", "2022-02-01"),
        ("b", "x", "2022-01-01"), ("b", "y", "2022-09-01"),
        ("c", "x", "2022-01-01"), ("c", "z", "2022-10-01"),
        ("d", "y", "2022-01-01"),
    ]  # fmt: skip
    return interactions_as_of(purchases(rows, "a b c d", "x y z"), AS_OF)


def _scores(model: BasketModel, train: Interactions, row: int) -> list[float]:
    baskets = train.take(np.array([row]))
    return (
        model.score(Context(baskets, np.array([-1], dtype=np.int32), no_profile(1)))[0]
        .astype(float)
        .round(3)
        .tolist()
    )


def test_cosine_by_hand(train: Interactions) -> None:
    """cos(x, y) = 2 / √(3 · 3), cos(y, z) = 0."""
    assert _scores(item_cosine(train), train, 3) == [0.667, 0.0, 0.0]


def test_the_best_rule_decides(train: Interactions) -> None:
    """Customer c owns x and z: x → y in 2 of 3, z → x in 1 of 1."""
    assert _scores(association_rules(train), train, 2) == [1.0, 0.667, 0.333]


def test_transitions_count_in_time_order(train: Interactions) -> None:
    """After x: y twice, z once, shrunk by nothing; after y: nothing was ever acquired."""
    model = transitions(train, smoothing=1e-9)
    assert model.affinity[0, 0] == pytest.approx([0, 2 / 3, 1 / 3], abs=1e-3)


def test_same_day_purchases_do_not_follow_each_other() -> None:
    bought = purchases([("a", "x", "2022-01-01"), ("a", "y", "2022-01-01")], "a", "x y")
    model = transitions(interactions_as_of(bought, AS_OF), smoothing=1.0)
    assert model.affinity[0, 0, 1] == pytest.approx(0.5)


def test_ease_solves_its_normal_equations(train: Interactions) -> None:
    """The off-diagonal weights of a column are the ridge regression on the other columns."""
    X = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=float)
    others = X[:, [0, 2]]
    expected = np.linalg.solve(others.T @ others + 10 * np.eye(2), others.T @ X[:, 1])
    assert ease(train, 10.0).affinity[0, [0, 2], 1] == pytest.approx(expected)


def test_popularity_counts_buyers(train: Interactions) -> None:
    assert popularity(train).prior[0].tolist() == [3, 3, 1]


def test_recent_popularity_counts_first_purchases_of_ninety_days(train: Interactions) -> None:
    assert np.round(recent_popularity(train).prior[0]).tolist() == [0, 1, 1]


def test_small_segments_borrow_the_popularity_of_all(train: Interactions) -> None:
    segment = np.array([0, 0, 0, 1], dtype=np.int32)
    model = segment_popularity(train, segment, minimum=2)
    assert model.groups(np.array([0, 1, -1], dtype=np.int32)).tolist() == [1, 0, 0]
    assert model.prior[0] == pytest.approx([0.75, 0.75, 0.25])
    assert model.prior[1] == pytest.approx([1.0, 2 / 3, 1 / 3], abs=1e-5)


def test_a_product_nobody_bought_scores_nothing(train: Interactions) -> None:
    bought = purchases([("a", "x", "2022-01-01")], "a", "w x")
    lonely = interactions_as_of(bought, AS_OF)
    for build in (item_cosine, association_rules, ease):
        assert _scores(build(lonely), lonely, 0)[0] == 0.0
