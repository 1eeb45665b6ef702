from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from passbook.errors import InteractionError
from passbook.recommend.interactions import (
    check_confidence,
    confidence,
    interactions_as_of,
    months_between,
    to_csr,
)
from passbook.recommend.purchases import days_since_epoch, from_holdings

from .small_banks import holdings, purchases

AS_OF = date(2022, 10, 31)


def test_only_the_latest_purchase_of_a_product_counts() -> None:
    bought = purchases(
        [("a", "x", "2021-01-05"), ("a", "x", "2022-09-30"), ("a", "x", "2022-11-01")], "a", "x"
    )
    found = interactions_as_of(bought, AS_OF)
    assert found.items.tolist() == [0]
    assert found.first_day.tolist() == [days_since_epoch(date(2021, 1, 5))]
    assert found.last_day.tolist() == [days_since_epoch(date(2022, 9, 30))]


def test_rows_and_columns_keep_customers_without_purchases() -> None:
    bought = purchases([("c", "y", "2022-01-01"), ("a", "z", "2022-01-01")], "a b c d", "x y z")
    found = interactions_as_of(bought, AS_OF)
    dense = to_csr(found, np.ones(2, dtype=np.float32)).toarray()
    assert dense.tolist() == [[0, 0, 1], [0, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_a_product_that_ends_after_the_day_is_still_held_on_it() -> None:
    bought = purchases(
        [
            ("a", "x", "2022-01-01", "2022-10-31"),
            ("b", "x", "2022-01-01", "2022-11-01"),
            ("c", "x", "2021-01-01", "2021-06-01"),
            ("c", "x", "2022-01-01"),
        ],
        "a b c",
        "x",
    )
    held = interactions_as_of(bought, AS_OF).customers_who_hold(np.array([True]))
    assert held.tolist() == [False, True, True]


def test_months_are_calendar_buckets() -> None:
    days = [date(2022, 10, 1), date(2022, 9, 30), date(2021, 10, 31), date(1969, 12, 31)]
    numbers = np.array([days_since_epoch(day) for day in days], dtype=np.int32)
    assert months_between(numbers, AS_OF).tolist() == [0, 1, 12, 634]


def test_confidence_halves_with_every_half_life() -> None:
    bought = purchases([("a", "x", "2022-10-05"), ("a", "y", "2022-04-30")], "a", "x y")
    values = confidence(interactions_as_of(bought, AS_OF), half_life=3.0)
    assert values.tolist() == [1.0, 0.25]


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_confidences_that_make_no_sense_are_refused(bad: float) -> None:
    with pytest.raises(InteractionError, match="1 of 2 confidences"):
        check_confidence(np.array([1.0, bad]))


def test_taking_rows_and_columns() -> None:
    bought = purchases(
        [("a", "x", "2022-01-01"), ("b", "x", "2022-01-01"), ("b", "y", "2022-01-01")],
        "a b c",
        "x y",
    )
    found = interactions_as_of(bought, AS_OF)
    taken = found.take(np.array([2, 1]))
    assert taken.customers.to_pylist() == ["c", "b"]
    assert (taken.indptr.tolist(), taken.items.tolist()) == ([0, 0, 2], [0, 1])
    only = found.only(np.array([False, True]))
    assert (only.indptr.tolist(), only.items.tolist()) == ([0, 0, 1, 1], [1])


def test_the_order_of_the_holdings_does_not_matter() -> None:
    rows = [("b", "x", "2022-01-01"), ("a", "y", "2022-02-01"), ("a", "x", "2022-03-01")]
    one = interactions_as_of(purchases(rows, "a b", "x y"), AS_OF)
    other = interactions_as_of(purchases(rows[::-1], "a b", "x y"), AS_OF)
    assert one.items.tolist() == other.items.tolist()
    assert one.last_day.tolist() == other.last_day.tolist()


def test_the_oldest_purchase_keeps_some_confidence() -> None:
    """1900 is how banks date what they do not know; at 6 months it halves 240 times."""
    found = interactions_as_of(
        purchases([("a", "x", "1900-01-01"), ("a", "y", "2022-10-01")], "a", "x y"),
        date(2022, 10, 31),
    )
    old, new = confidence(found, half_life=6.0)
    assert 0 < old < 1e-30
    assert new == 1.0


def test_an_amount_is_the_first_days_largest_over_what_is_usual_for_the_product() -> None:
    """Later amounts are not looked at, nor is the order of rows."""
    rows = [
        ("a", "x", "2022-01-01"), ("a", "x", "2022-01-01"), ("a", "x", "2022-02-01"),
        ("b", "x", "2022-01-01"), ("b", "y", "2022-01-01"), ("c", "x", "2022-11-01"),
    ]  # fmt: skip
    amounts = [1, 100, 10_000, 1, None, 10**9]
    for order in (1, -1):
        table = holdings(rows[::order]).append_column("amount", pa.array(amounts[::order]))
        bought = from_holdings([table], pa.array(list("abc")), pa.array(["x", "y"]))
        found = interactions_as_of(bought, AS_OF).amount
        assert found == pytest.approx([np.log(10), -np.log(10), np.nan], nan_ok=True)
