from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from passbook.recommend.als_model import AlsParameters
from passbook.recommend.basket_model import NO_SEGMENT, BasketModel
from passbook.recommend.context import Context
from passbook.recommend.interactions import interactions_as_of
from passbook.recommend.purchases import STILL_HELD
from passbook.recommend.ranker import Ranker, fit_ranker
from passbook.recommend.reasons import NONE, number_of, reason_numbers, reason_texts
from passbook.recommend.recommenders import Training

from .small_banks import PLANTED_BASE_DATE, PLANTED_PRODUCTS, planted, purchases

NAMES = pa.array(["정기예금 A", "적금 B"])


def test_every_number_has_a_text_in_both_languages() -> None:
    english, korean = reason_texts(NAMES)
    assert english[int(number_of("next", 1))].as_py() == "Customers with 적금 B often took it next"
    assert korean[int(number_of("next", 0))].as_py() == (
        "정기예금 A 가입 고객이 다음으로 많이 선택"
    )
    assert (
        english[int(number_of("together", 1))].as_py() == "Customers with 적금 B often have it too"
    )
    assert english[int(number_of("popular_90d"))].as_py() == "Popular this quarter"
    assert number_of("next", -1) == NONE
    assert (english[NONE].as_py(), english.null_count, korean.null_count) == (None, 1, 1)
    assert len(set(english.to_pylist())) == len(english) == len(korean)


@pytest.mark.parametrize(
    ("name", "own", "kind"),
    [
        ("popularity", False, "popular"),
        ("popularity_90d", False, "popular_90d"),
        ("popularity_by_segment", True, "segment"),
        ("popularity_by_segment", False, "popular"),
    ],
)
def test_a_popularity_says_which_one_it_is(name: str, own: bool, kind: str) -> None:
    none = np.empty((2, 0, 0), dtype=np.float32)
    segments = np.array([4] if own else [5], dtype=np.int32)
    model = BasketModel(name, np.ones((2, 2), dtype=np.float32), none, segments)
    baskets = interactions_as_of(purchases([], "a", "d1 d2"), date(2022, 12, 4))
    context = Context(baskets, np.array([4], np.int32), np.zeros((1, 0), np.int32))
    found = reason_numbers(model, context, np.array([[1, -1]], dtype=np.int32))
    assert found[0].tolist() == [[int(number_of(kind)), NONE], [NONE, NONE]]


@pytest.fixture(scope="module")
def fitted() -> tuple[Ranker, Context]:
    """A ranker over purchases in which product i is followed by i + 1."""
    now = interactions_as_of(planted(), PLANTED_BASE_DATE)
    customers = now.shape[0]
    offered = np.ones(PLANTED_PRODUCTS, dtype=bool)
    context = Context(
        now, np.full(customers, NO_SEGMENT, np.int32), np.zeros((customers, 1), np.int32)
    )
    training = Training(
        now, context.segment, context.profile, offered,
        np.full(PLANTED_PRODUCTS, -STILL_HELD, np.int32), np.full(PLANTED_PRODUCTS, STILL_HELD),
        200, AlsParameters(), 0, 12.0,
    )  # fmt: skip
    return fit_ranker(training), context


def test_the_rankers_first_reason_is_the_planted_one(fitted: tuple[Ranker, Context]) -> None:
    ranker, context = fitted
    one = np.flatnonzero(np.diff(context.baskets.indptr) == 1)
    some = context.take(one)
    owned = some.baskets.items
    planted_next = ((owned + 1) % PLANTED_PRODUCTS).astype(np.int32)
    found = reason_numbers(ranker, some, planted_next[:, None])
    assert np.mean(found[:, 0, 0] == number_of("next", owned)) > 0.9
    assert not (found[:, 0, 0] == found[:, 0, 1]).any()


def test_a_ranker_names_no_product_to_who_has_none(fitted: tuple[Ranker, Context]) -> None:
    ranker, context = fitted
    nobody = context.take(np.arange(3))
    empty = Context(
        nobody.baskets.only(np.zeros(PLANTED_PRODUCTS, dtype=bool)), nobody.segment, nobody.profile
    )
    found = reason_numbers(ranker, empty, np.tile(np.arange(3, dtype=np.int32), (3, 1)))
    assert (found < int(number_of("next", 0))).all()
    assert (found[:, :, 0] > NONE).all()
