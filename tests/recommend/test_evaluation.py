from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from passbook.base_date import holdout_window
from passbook.errors import NoAcquisitionsError
from passbook.recommend.context import no_profile
from passbook.recommend.evaluation import (
    TestSet,
    bootstrap_interval,
    customer_metrics,
    list_metrics,
    metrics_by_segment,
    ranks,
    test_set,
)
from passbook.recommend.holdout import split

from .small_banks import PLANTED_BASE_DATE, purchases

ROWS = [
    ("a", "w", "2022-01-01"),
    ("a", "x", "2022-11-10"),
    ("b", "w", "2022-01-01"),
    ("b", "y", "2022-11-10"),
    ("b", "z", "2022-11-12"),
    ("new", "w", "2022-11-10"),
]
YES = np.ones(4, dtype=bool)


def _test_set(candidates: np.ndarray = YES) -> TestSet:
    holdout = split(purchases(ROWS, "a b new", "w x y z"), holdout_window(PLANTED_BASE_DATE))
    return test_set(
        holdout.train, holdout.test, np.full(3, -1, dtype=np.int32),
        no_profile(3),
        targets=holdout.train.customers_who_hold(YES), candidates=candidates, catalogue=YES,
    )  # fmt: skip


def test_only_known_customers_are_tested() -> None:
    found = _test_set()
    assert found.baskets.customers == pa.array(["a", "b"])
    assert found.items.tolist() == [1, 2, 3]


def test_metrics_by_hand() -> None:
    """a: x ranks 2nd of x, y, z. b: y ranks 1st, z 3rd. Owned w, highest of all, is not ranked."""
    found = _test_set()
    scores = np.array([[9, 5, 7, 1], [9, 3, 4, 2]], dtype=np.float32)
    rank = ranks(scores, found)
    assert rank.tolist() == [2, 1, 3]
    metrics = customer_metrics(rank, found)
    assert metrics["mrr"].tolist() == [0.5, 1.0]
    assert metrics["mrr_1"].tolist() == [0.0, 1.0]
    assert metrics["hit_rate_1"].tolist() == [0.0, 1.0]
    assert metrics["precision_3"].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert metrics["recall_1"].tolist() == [0.0, 0.5]
    assert metrics["map_3"].tolist() == pytest.approx([0.5, (1 + 2 / 3) / 2])
    ideal = 1 + 1 / np.log2(3)
    assert metrics["ndcg_3"].tolist() == pytest.approx([1 / np.log2(3), 1.5 / ideal])


def test_of_equal_scores_the_earlier_column_ranks_first() -> None:
    assert ranks(np.zeros((2, 4), dtype=np.float32), _test_set()).tolist() == [1, 2, 3]


def test_products_off_sale_are_no_candidates() -> None:
    found = _test_set(np.array([True, True, False, True]))
    assert found.items.tolist() == [1, 3]
    assert ranks(np.array([[0, 1, 9, 2], [0, 3, 9, 2]], dtype=np.float32), found).tolist() == [2, 2]


def test_no_acquisitions_are_an_error() -> None:
    with pytest.raises(NoAcquisitionsError, match="E401"):
        _test_set(np.array([True, False, False, False]))


def test_the_interval_holds_the_mean_and_is_reproducible() -> None:
    values = np.random.default_rng(1).random(400)
    low, high = bootstrap_interval(values, random_state=3)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert (low, high) == bootstrap_interval(values, random_state=3)


def test_coverage_and_novelty_by_hand() -> None:
    """Both customers are offered y first; the second offers are z and x."""
    found = _test_set()
    scores = np.array([[9, 1, 7, 5], [9, 4, 6, 2]], dtype=np.float32)
    ranks(scores, found)
    buyers = np.array([3, 0, 1, 3], dtype=np.float32)
    metrics = list_metrics(scores, found, buyers, customers=3, k=(1, 2))
    assert metrics["coverage_1"] == pytest.approx(1 / 4)
    assert metrics["novelty_1"] == pytest.approx(1.0)
    assert metrics["coverage_2"] == pytest.approx(3 / 4)
    assert metrics["novelty_2"] == pytest.approx((1 + 1 + 0 + 2) / 4)


def test_segments_have_their_own_means() -> None:
    values = {"mrr": np.array([1.0, 0.5, 0.0])}
    found = metrics_by_segment(values, np.array([4, 4, -1], dtype=np.int32))
    assert found == {-1: {"mrr": 0.0, "customers": 1.0}, 4: {"mrr": 0.75, "customers": 2.0}}
