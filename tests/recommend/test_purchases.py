from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from passbook.errors import InteractionError
from passbook.recommend.purchases import STILL_HELD, from_holdings

from .small_banks import HOLDING, holdings, purchases


def test_purchases_are_sorted_and_keep_both_ends() -> None:
    found = purchases(
        [
            ("b", "y", "2022-01-02"),
            ("a", "y", "2022-01-05"),
            ("a", "x", "2022-01-01", "2022-02-01"),
        ],
        "a b",
        "x y",
    )
    assert found.customer.tolist() == [0, 0, 1]
    assert found.item.tolist() == [0, 1, 1]
    assert found.closed.tolist() == [19024, STILL_HELD, STILL_HELD]


def test_families_are_encoded_together() -> None:
    found = from_holdings(
        [holdings([("a", "d", "2022-01-01")]), holdings([("a", "i", "2022-01-01")])],
        pa.array(["a"]),
        pa.array(["d", "i"]),
    )
    assert found.item.tolist() == [0, 1]


def test_no_holdings_are_no_purchases() -> None:
    assert len(from_holdings([HOLDING.empty_table()], pa.array(["a"]), pa.array(["x"]))) == 0


def test_purchases_of_nobody_are_counted_and_left_out() -> None:
    found = purchases([("a", "x", "2022-01-01"), ("z", "x", "2022-01-01")], "a", "x")
    assert (len(found), found.strangers) == (1, 1)


def test_an_unknown_product_code_is_refused_with_its_name() -> None:
    with pytest.raises(InteractionError, match=r"E404.*1 product codes of 2 holdings.*'q'"):
        purchases([("a", "q", "2022-01-01"), ("b", "q", "2022-01-01")], "a b", "x")


@pytest.mark.parametrize("column", ["customer_id", "product_code", "opened_on"])
def test_blank_keys_and_dates_are_refused(column: str) -> None:
    table = holdings([("a", "x", "2022-01-01")])
    field = table.schema.field(column)
    blank = table.set_column(table.column_names.index(column), field, pa.nulls(1, field.type))
    with pytest.raises(InteractionError, match=f"1 holdings have no {column}"):
        from_holdings([blank], pa.array(["a"]), pa.array(["x"]))


def test_amounts_go_along_as_logarithms_and_zero_is_unknown() -> None:
    rows = [(c, "x", "2022-01-01") for c in "bzac"]
    table = holdings(rows).append_column("amount", pa.array([0, 5, 1000, None], pa.int64()))
    found = from_holdings([table, holdings([("d", "x", "2022-01-01")])], pa.array(list("abcd")),
                          pa.array(["x"]))  # fmt: skip
    assert found.amount == pytest.approx([np.log(1000), *[np.nan] * 3], nan_ok=True)
    assert purchases(rows, "a b c z", "x").amount is None
