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


def _by_definition(ranked: list[int], bought: set[int], cut: int) -> dict[str, float]:
    """Return one customer's metrics from a ranked list, each by its textbook formula."""
    hits = [item in bought for item in ranked[:cut]]
    first = next((place for place, hit in enumerate(hits, 1) if hit), None)
    precisions = [sum(hits[:place]) / place for place, hit in enumerate(hits, 1) if hit]
    ideal = sum(1 / np.log2(place + 1) for place in range(1, min(len(bought), cut) + 1))
    return {
        f"hit_rate_{cut}": float(any(hits)),
        f"precision_{cut}": sum(hits) / cut,
        f"recall_{cut}": sum(hits) / len(bought),
        f"mrr_{cut}": 1 / first if first else 0.0,
        f"map_{cut}": sum(precisions) / min(len(bought), cut),
        f"ndcg_{cut}": sum(1 / np.log2(p + 1) for p, hit in enumerate(hits, 1) if hit) / ideal,
    }


def test_metrics_of_random_rankings_are_those_of_the_definitions() -> None:
    """One list at a time: candidates never bought, by falling score, equal ones by column."""
    rng = np.random.default_rng(11)
    products, names = 23, [f"p{n:02}" for n in range(23)]
    rows: list[tuple[str, str, str]] = []
    for c in range(60):
        picked = rng.permutation(products)[: rng.integers(2, 14)]
        split_at = rng.integers(1, len(picked))
        rows += [(f"c{c:02}", names[p], "2022-01-01") for p in picked[:split_at]]
        rows += [(f"c{c:02}", names[p], "2022-11-10") for p in picked[split_at:]]
    customers = [f"c{c:02}" for c in range(60)]
    holdout = split(
        purchases(rows, " ".join(customers), " ".join(names)), holdout_window(PLANTED_BASE_DATE)
    )
    candidates = rng.random(products) < 0.8
    found = test_set(
        holdout.train, holdout.test, np.full(60, -1, dtype=np.int32), no_profile(60),
        targets=np.ones(60, dtype=bool), candidates=candidates, catalogue=np.ones(23, dtype=bool),
    )  # fmt: skip
    scores = rng.integers(0, 8, (len(found), products)).astype(np.float32)
    expected: dict[str, list[float]] = {}
    shown: dict[int, list[int]] = {1: [], 5: [], 40: []}
    for u, row in enumerate(found.rows):
        owned = {names.index(p) for c, p, day in rows if c == customers[row] and day < "2022-11"}
        bought = {names.index(p) for c, p, day in rows if c == customers[row]} - owned
        bought &= set(np.flatnonzero(candidates))
        ranked = sorted(set(np.flatnonzero(candidates)) - owned, key=lambda p: (-scores[u, p], p))
        one = {"mrr": 1 / (1 + min(ranked.index(p) for p in bought))}
        for cut, offered in shown.items():
            one |= _by_definition(ranked, bought, cut)
            offered.extend(ranked[:cut])
        for name, value in one.items():
            expected.setdefault(name, []).append(value)
    metrics = customer_metrics(ranks(scores, found), found, tuple(shown))
    assert metrics.keys() == expected.keys()
    for name, values in expected.items():
        assert metrics[name] == pytest.approx(values), name
    buyers = np.bincount(holdout.train.items, minlength=products).astype(np.float32)
    lists = list_metrics(scores, found, buyers, 60, tuple(shown))
    for cut, offered in shown.items():
        assert lists[f"coverage_{cut}"] == len(set(offered)) / candidates.sum()
        information = [-np.log2((buyers[p] + 1) / 61) for p in offered]
        assert lists[f"novelty_{cut}"] == pytest.approx(np.mean(information))
