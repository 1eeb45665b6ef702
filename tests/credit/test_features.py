"""Features: joined by customer, protected attributes never among them, slips made missing."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from credit.planted import contracted, planted_bank
from passbook.credit import features
from passbook.errors import CreditInputError

AS_OF = date(2022, 6, 5)


def test_no_protected_attribute_is_read_or_a_feature() -> None:
    read = {name for table in features.FEATURES for name in features.needed_columns(table)}
    assert not read & set(features.PROTECTED)
    assert "region_code" not in read


def test_tables_are_joined_by_customer_and_sorted() -> None:
    tables = planted_bank(50, seed=1).tables
    shuffled = tables["behaviour"].take(np.random.default_rng(0).permutation(50))
    found = features.build(tables | {"behaviour": shuffled}, AS_OF)
    assert found["customer_id"].to_pylist() == sorted(tables["customer"]["customer_id"].to_pylist())
    expected = dict(
        zip(
            tables["behaviour"]["customer_id"].to_pylist(),
            tables["behaviour"]["txn_count"].to_pylist(),
            strict=True,
        )
    )
    got = zip(found["customer_id"].to_pylist(), found["txn_count"].to_pylist(), strict=True)
    assert dict(got) == expected


def test_customer_without_behaviour_or_policy_has_nulls_there() -> None:
    tables = planted_bank(10, seed=1).tables
    first = min(tables["customer"]["customer_id"].to_pylist())
    keep = pa.array([name != first for name in tables["behaviour"]["customer_id"].to_pylist()])
    found = features.build(tables | {"behaviour": tables["behaviour"].filter(keep)}, AS_OF)
    assert found["txn_count"][0].as_py() is None
    assert found["tenure_days"][0].as_py() > 0
    assert found["policy_count"].null_count == 10 - tables["insurance_profile"].num_rows


def test_customer_columns_by_hand() -> None:
    customer = contracted(
        "customer",
        {
            "customer_id": ["b", "a", "c"],
            "sex": ["F", "M", None],
            "birth_date": [date(1990, 1, 1)] * 3,
            "age_band": ["30-39"] * 3,
            "occupation_group": ["employed", "not_employed", "unknown"],
            "region_code": ["11"] * 3,
            "joined_on": [date(2022, 6, 4), date(2021, 6, 5), AS_OF],
            "has_deposit": np.array([True, True, False]),
            "has_insurance": np.array([True, False, False]),
            "has_card": np.array([True, False, False]),
            "has_fund": np.array([False, False, False]),
            "holding_type": ["DIC", "D", "-"],
        },
    )
    found = features.build({"customer": customer}, AS_OF)
    assert found.to_pydict() == {
        "customer_id": ["a", "b", "c"],
        "tenure_days": [365.0, 1.0, 0.0],
        "employed": [0.0, 1.0, None],
        "families_held": [1.0, 3.0, 0.0],
    }


def test_customer_known_twice_is_refused() -> None:
    tables = planted_bank(10, seed=1).tables
    twice = pa.concat_tables([tables["behaviour"], tables["behaviour"].slice(0, 1)])
    with pytest.raises(CreditInputError, match=r"E502.*behaviour knows some customers"):
        features.build(tables | {"behaviour": twice}, AS_OF)


@pytest.mark.parametrize("value", [-1.0, float("inf"), float("nan")])
def test_impossible_value_becomes_missing_and_is_counted(value: float) -> None:
    table = pa.table(
        {
            "customer_id": [str(number) for number in range(200)],
            "income": pa.array([value, None] + [5.0] * 198, pa.float32()),
        }
    )
    cleaned, counts = features.reject_impossible(table)
    assert counts == {"income": 1}
    assert cleaned["income"].null_count == 2
    assert cleaned["income"][2].as_py() == 5.0


def test_column_full_of_impossible_values_is_refused_without_naming_one() -> None:
    table = pa.table({"customer_id": ["x", "y", "z"], "income": pa.array([-7.5, -7.5, 1.0])})
    with pytest.raises(CreditInputError, match=r"E502.*2 values of income") as refused:
        features.reject_impossible(table)
    assert "7.5" not in str(refused.value)


def test_matrix_says_which_feature_is_absent() -> None:
    with pytest.raises(CreditInputError, match=r"E502.*\['income'\]"):
        features.as_matrix(pa.table({"txn_count": [1.0]}), ("txn_count", "income"))
