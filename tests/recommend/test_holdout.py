from __future__ import annotations

from datetime import date

from passbook.base_date import holdout_window
from passbook.recommend.holdout import split

from .small_banks import purchases

WINDOW = holdout_window(date(2022, 12, 4))


def test_each_edge_of_the_window_belongs_where_it_should() -> None:
    bought = purchases(
        [
            ("a", "v", "2022-10-31"),
            ("a", "w", "2022-11-01"),
            ("a", "x", "2022-11-30"),
            ("a", "y", "2022-12-01"),
        ],
        "a",
        "v w x y",
    )
    holdout = split(bought, WINDOW)
    assert holdout.train.items.tolist() == [0]
    assert holdout.test.item.tolist() == [1, 2]


def test_buying_again_is_no_acquisition() -> None:
    bought = purchases(
        [
            ("a", "x", "2020-01-01", "2021-01-01"),
            ("a", "x", "2022-11-10"),
            ("b", "x", "2022-11-10"),
        ],
        "a b",
        "x",
    )
    assert split(bought, WINDOW).test.customer.tolist() == [1]


def test_two_purchases_in_the_month_are_one_acquisition() -> None:
    bought = purchases([("a", "x", "2022-11-10"), ("a", "x", "2022-11-12")], "a", "x")
    assert len(split(bought, WINDOW).test) == 1


def test_training_knows_nothing_of_a_product_that_ended_later() -> None:
    bought = purchases([("a", "x", "2022-01-01", "2022-11-15")], "a", "x")
    assert split(bought, WINDOW).train.held.tolist() == [True]
