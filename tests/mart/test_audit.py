"""The audit names the column and the count, and lets no bad row through."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from passbook.contracts import MART_TABLES
from passbook.errors import AuditError
from passbook.mart.audit import KeyOrder, audit_batch

from .weeks import BASE_DATE, batch, offers

SCORE: dict[str, list[Any]] = {
    "customer_id": ["1", "2"],
    "style": ["tight_passive", "loose_passive"],
    "style_probability": [0.5, 1.0],
    "default_probability": [0.0, 0.25],
    "credit_index": [300, 850],
    "band": ["A", "E"],
    "reasons": [[], ["연체 이력"]],
}


def test_a_good_batch_passes() -> None:
    audit_batch(MART_TABLES["credit_score"], batch("credit_score", **SCORE), BASE_DATE)


@pytest.mark.parametrize(
    ("column", "values", "sentence"),
    [
        ("credit_index", [299, 850], "credit_index is below 300 in 1 rows"),
        ("credit_index", [851, 852], "credit_index is above 850 in 2 rows"),
        ("band", ["A", "F"], "band is no known code in 1 rows"),
        ("style_probability", [float("nan"), 0.5], "style_probability is not finite in 1 rows"),
        ("default_probability", [float("inf"), 0.5], "default_probability is not finite"),
        ("style", [None, "tight_passive"], "style is missing in 1 rows"),
        ("reasons", [[None], []], "reasons holds 1 missing elements"),
    ],
)
def test_a_bad_value_is_counted(column: str, values: list[Any], sentence: str) -> None:
    bad = batch("credit_score", **{**SCORE, column: values})
    with pytest.raises(AuditError, match=sentence) as caught:
        audit_batch(MART_TABLES["credit_score"], bad, BASE_DATE)
    assert caught.value.code == "E702"


def test_a_null_is_allowed_where_the_contract_says_so() -> None:
    nulls = batch("customer_segment", customer_id=["1"])
    audit_batch(MART_TABLES["customer_segment"], nulls, BASE_DATE)


def test_another_base_date_is_refused() -> None:
    with pytest.raises(AuditError, match="another base date than 2022-11-27"):
        audit_batch(MART_TABLES["recommendation_list"], offers(["1"], [["A"]]), date(2022, 11, 27))


def test_another_schema_is_refused() -> None:
    wrong = batch("credit_score", **SCORE)
    index = wrong.schema.get_field_index("credit_index")
    wrong = wrong.set_column(index, "credit_index", wrong["credit_index"].cast(pa.int64()))
    with pytest.raises(AuditError, match="credit_index"):
        audit_batch(MART_TABLES["credit_score"], wrong, BASE_DATE)


def test_lists_of_a_row_have_one_length() -> None:
    lists = offers(["1"], [["A", "B"]])
    index = lists.schema.get_field_index("scores")
    lists = lists.set_column(index, "scores", pa.array([[0.5]], pa.list_(pa.float32())))
    with pytest.raises(AuditError, match="different lengths"):
        audit_batch(MART_TABLES["recommendation_list"], lists, BASE_DATE)


@pytest.mark.parametrize(
    ("keys", "good"),
    [
        ([("1", "a"), ("1", "b"), ("2", "a")], True),
        ([("10", "a"), ("9", "a"), ("가", "a"), ("힣", "a")], True),
        ([("1", "b"), ("1", "a")], False),
        ([("1", "a"), ("1", "a")], False),
        ([("2", "a"), ("1", "b")], False),
    ],
)
@pytest.mark.parametrize("seam", [0, 1])
def test_keys_rise_inside_and_across_batches(
    keys: list[tuple[str, str]], good: bool, seam: int
) -> None:
    whole = pa.record_batch({"customer_id": [k[0] for k in keys], "scenario": [k[1] for k in keys]})
    order = KeyOrder(MART_TABLES["recommendation_list"])

    def check() -> None:
        for part in (whole.slice(0, seam), whole.slice(seam)):
            order.check(part)

    if good:
        check()
    else:
        with pytest.raises(AuditError, match="not sorted by customer_id, scenario"):
            check()
