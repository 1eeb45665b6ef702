from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from passbook.contracts import MART_TABLES
from passbook.errors import NoEligibleProductError
from passbook.recommend.basket_model import BasketModel
from passbook.recommend.catalogue import AGE_UNKNOWN, Catalogue, catalogue
from passbook.recommend.context import no_profile
from passbook.recommend.interactions import interactions_as_of
from passbook.recommend.model import RecommendModel
from passbook.recommend.offers import Audience, explanations_of, offer_batches
from passbook.recommend.scenarios import Scenario

from .small_banks import PRODUCT, purchases

BASE_DATE = date(2022, 12, 4)
NOBODY = np.empty(0, dtype=np.int32)
UP_SELL, CROSS_SELL = Scenario("up_sell", "deposit"), Scenario("cross_sell", "insurance")
ROWS = [("a", "d1", "2022-01-01"), ("b", "d1", "2022-01-01"), ("b", "i1", "2022-02-01"),
        ("c", "d1", "2022-01-01"), ("c", "d2", "2022-01-01"),
        ("c", "d3", "2021-01-01", "2022-01-01"), ("c", "d4", "2022-01-01")]  # fmt: skip
CODES = ["d1", "d2", "d3", "d4", "i1", "i2"]


def _catalogue(**ends: date) -> Catalogue:
    rows = [
        {"product_code": code, "product_name": f"상품 {code}",
         "family": "deposit" if code[0] == "d" else "insurance",
         "sale_start": date(2023, 1, 1) if code == "i2" else date(2000, 1, 1),
         "sale_end": ends.get(code), "min_age": 60 if code == "d4" else None}
        for code in CODES
    ]  # fmt: skip
    return catalogue(pa.Table.from_pylist(rows, schema=PRODUCT))


def _model(scenario: Scenario, codes: list[str] = CODES) -> RecommendModel:
    """d1 leads to d3 more than to d2 and d4, to i1 more than to i2."""
    affinity = np.zeros((1, len(codes), len(codes)), dtype=np.float32)
    for code, value in {"d2": 1.0, "d3": 3.0, "d4": 2.0, "i1": 0.5, "i2": 0.25}.items():
        if code in codes:
            affinity[0, codes.index("d1"), codes.index(code)] = value
    flat = np.full((1, len(codes)), 0.125, dtype=np.float32)
    none = np.empty((1, 0, 0), dtype=np.float32)
    return RecommendModel(
        scenario.name,
        tuple(codes),
        BasketModel("transitions", np.zeros_like(flat), affinity, NOBODY),
        BasketModel("popularity_by_segment", flat, none, NOBODY),
    )


def _audience(ages: list[int]) -> Audience:
    bought = purchases(ROWS, "a b c", " ".join(CODES))
    nowhere = np.full(3, -1, dtype=np.int32)
    return Audience(
        interactions_as_of(bought, BASE_DATE),
        np.array(ages, dtype=np.int32),
        {"deposit": nowhere, "insurance": nowhere},
        no_profile(3),
    )


def _offers(
    models: dict[Scenario, RecommendModel],
    ages: list[int] | None = None,
    products: Catalogue | None = None,
    block_rows: int = 2,
) -> list[dict[str, object]]:
    """Return the lists, each offer with the model and the reason that its number stands for."""
    on_offer = products or _catalogue()
    explanations = explanations_of(models, on_offer)
    batches = offer_batches(
        models, _audience(ages or [65, 65, 65]), on_offer, ["deposit", "insurance"], explanations,
        k=5, block_rows=block_rows,
    )  # fmt: skip
    schema = MART_TABLES["recommendation_list"].schema
    rows = pa.Table.from_batches(batches, schema).to_pylist()
    told = pa.Table.from_batches(explanations.batches(BASE_DATE)).to_pylist()
    by_number = {row["explanation"]: row for row in told}
    assert set(by_number) == {number for row in rows for number in row["explanations"]}
    for row in rows:
        row["models"], row["reasons"] = (
            [by_number[number][what] for number in row["explanations"]]
            for what in ("model", "reason")
        )
    return rows


def test_offers_are_ranked_and_never_what_was_bought_before() -> None:
    rows = _offers({UP_SELL: _model(UP_SELL)})
    assert [(r["customer_id"], r["product_codes"]) for r in rows] == [
        ("a", ["d3", "d4", "d2"]),
        ("b", ["d3", "d4", "d2"]),
    ]  # c had every deposit, d3 long ago
    assert rows[0]["scores"] == [3.0, 2.0, 1.0]


def test_rows_are_sorted_by_customer_and_scenario_in_any_blocks() -> None:
    models = {UP_SELL: _model(UP_SELL), CROSS_SELL: _model(CROSS_SELL)}
    rows = _offers(models)
    keys = [(r["customer_id"], r["scenario"]) for r in rows]
    assert keys == sorted(keys)
    assert keys[:2] == [("a", "cross_sell.insurance"), ("a", "up_sell.deposit")]
    assert _offers(models, block_rows=1) == rows == _offers(models, block_rows=100)


def test_nothing_that_is_not_on_sale_is_offered() -> None:
    rows = _offers({CROSS_SELL: _model(CROSS_SELL)})
    assert [r["product_codes"] for r in rows] == [["i1"], ["i1"]]
    yesterday = _catalogue(d3=date(2022, 12, 3))
    assert _offers({UP_SELL: _model(UP_SELL)}, products=yesterday)[0]["product_codes"] == [
        "d4",
        "d2",
    ]


@pytest.mark.parametrize("age", [59, AGE_UNKNOWN])
def test_age_limits_close_to_the_young_and_the_unknown(age: int) -> None:
    rows = _offers({UP_SELL: _model(UP_SELL)}, ages=[age, 60, 60])
    assert rows[0]["product_codes"] == ["d3", "d2"]
    assert rows[1]["product_codes"] == ["d3", "d4", "d2"]


def test_what_the_model_never_saw_is_not_offered() -> None:
    """A new product has no evidence: neither the model nor popularity speaks for it."""
    known = [code for code in CODES if code != "d2"]
    rows = _offers({UP_SELL: _model(UP_SELL, known)})
    assert rows[0]["product_codes"] == ["d3", "d4"]


def test_places_the_champion_cannot_fill_go_to_labelled_popularity() -> None:
    model = _model(UP_SELL)
    silent = model.champion.prior.copy()
    silent[0, CODES.index("d2")] = -np.inf
    partial = BasketModel("transitions", silent, model.champion.affinity, NOBODY)
    rows = _offers(
        {UP_SELL: RecommendModel("up_sell.deposit", tuple(CODES), partial, model.fallback)}
    )
    assert rows[0]["product_codes"] == ["d3", "d4", "d2"]
    assert rows[0]["models"] == ["transitions", "transitions", "popularity_by_segment"]
    assert rows[0]["scores"] == [3.0, 2.0, 0.125]
    assert rows[0]["reasons"][2] == "Popular with our customers"  # type: ignore[index]


def test_a_reason_names_the_owned_product_that_decided() -> None:
    rows = _offers({UP_SELL: _model(UP_SELL)})
    assert rows[0]["reasons"] == ["Customers with 상품 d1 often took it next"] * 3


def test_every_product_discontinued_is_an_error() -> None:
    gone = _catalogue(**dict.fromkeys(CODES, date(2022, 1, 1)))
    with pytest.raises(NoEligibleProductError, match=r"E402.*up_sell\.deposit on 2022-12-04"):
        _offers({UP_SELL: _model(UP_SELL)}, products=gone)
