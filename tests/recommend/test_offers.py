from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from passbook.contracts import MART_TABLES
from passbook.errors import NoEligibleProductError
from passbook.recommend.basket_model import NO_SEGMENT, BasketModel
from passbook.recommend.catalogue import AGE_UNKNOWN, Catalogue, catalogue
from passbook.recommend.context import no_profile
from passbook.recommend.eligibility import ExclusionTally, no_recent_offers, rule_classes
from passbook.recommend.interactions import interactions_as_of
from passbook.recommend.model import RecommendModel
from passbook.recommend.offers import (
    Audience,
    Explanations,
    OfferBlock,
    explanations_of,
    offer_blocks,
)
from passbook.recommend.scenarios import NEW_CUSTOMER, Scenario

from .small_banks import PRODUCT, Row, purchases

BASE_DATE = date(2022, 12, 4)
NOBODY = np.empty(0, dtype=np.int32)
UP_SELL, CROSS_SELL = Scenario("up_sell", "deposit"), Scenario("cross_sell", "insurance")
ROWS: list[Row] = [
    ("a", "d1", "2022-01-01"), ("b", "d1", "2022-01-01"), ("b", "i1", "2022-02-01"),
    ("c", "d1", "2022-01-01"), ("c", "d2", "2022-01-01"),
    ("c", "d3", "2021-01-01", "2022-01-01"), ("c", "d4", "2022-01-01"),
]  # fmt: skip
CODES = ["d1", "d2", "d3", "d4", "i1", "i2"]


def _catalogue(business: str = "", **ends: date) -> Catalogue:
    rows = [
        {"product_code": code, "product_name": f"상품 {code}",
         "family": "deposit" if code[0] == "d" else "insurance",
         "sale_start": date(2023, 1, 1) if code == "i2" else date(2000, 1, 1),
         "sale_end": ends.get(code), "min_age": 60 if code == "d4" else None,
         "customer_type": "business" if code == business else None}
        for code in CODES
    ]  # fmt: skip
    return catalogue(pa.Table.from_pylist(rows, schema=PRODUCT))


def _model(
    scenario: Scenario, codes: list[str] = CODES, segments: list[int] | None = None
) -> RecommendModel:
    """d1 leads to d3 more than to d2 and d4, to i1 more than to i2; d2 leads to d3 a little."""
    groups = 1 + len(segments or [])
    affinity = np.zeros((groups, len(codes), len(codes)), dtype=np.float32)
    for code, value in {"d2": 1.0, "d3": 3.0, "d4": 2.0, "i1": 0.5, "i2": 0.25}.items():
        if code in codes:
            affinity[:, codes.index("d1"), codes.index(code)] = value
    if {"d2", "d3"} <= set(codes):
        affinity[:, codes.index("d2"), codes.index("d3")] = 0.5
    flat = np.full((groups, len(codes)), 0.125, dtype=np.float32)
    none = np.empty((groups, 0, 0), dtype=np.float32)
    own = NOBODY if segments is None else np.array(segments, dtype=np.int32)
    return RecommendModel(
        scenario.name,
        tuple(codes),
        BasketModel("transitions", np.zeros_like(flat), affinity, own),
        BasketModel("popularity_by_segment", flat, none, own),
    )


def _audience(
    products: Catalogue,
    rows: list[Row],
    ages: list[int],
    **known: list[Any],
) -> Audience:
    """Three customers a, b, c; `known` may say types, opted_out, control, segment, recent."""
    bought = purchases(rows, "a b c", " ".join(CODES))
    segment = np.array(known.get("segment", [NO_SEGMENT] * 3), dtype=np.int32)
    recent = no_recent_offers(3, len(CODES))
    for customer, code in known.get("recent", []):
        recent.add(np.array(["abc".index(customer)]), np.array([CODES.index(code)]))
    return Audience(
        interactions_as_of(bought, BASE_DATE),
        rule_classes(
            products, np.array(ages, np.int32), pa.array(known.get("types", [None] * 3), "string")
        ),
        np.array(known.get("opted_out", [False] * 3)),
        np.array(known.get("control", [False] * 3)),
        recent,
        {"deposit": segment, "insurance": segment, "new_customer": segment},
        no_profile(3),
    )


def _blocks(
    models: dict[Scenario, RecommendModel],
    products: Catalogue | None = None,
    *,
    ages: list[int] | None = None,
    rows: list[Row] | None = None,
    block_rows: int = 2,
    explanations: Explanations | None = None,
    **known: list[Any],
) -> list[OfferBlock]:
    products = products or _catalogue()
    audience = _audience(products, rows or ROWS, ages or [65, 65, 65], **known)
    return list(
        offer_blocks(
            models, audience, products, ["deposit", "insurance"],
            explanations or explanations_of(models, products), k=5, block_rows=block_rows,
        )
    )  # fmt: skip


def _offers(
    models: dict[Scenario, RecommendModel], products: Catalogue | None = None, **known: Any
) -> list[dict[str, Any]]:
    """Return the lists with what their explanations say."""
    products = products or _catalogue()
    explanations = explanations_of(models, products)
    blocks = _blocks(models, products, explanations=explanations, **known)
    told = {row["explanation"]: row
            for batch in explanations.batches(BASE_DATE) for row in batch.to_pylist()}  # fmt: skip
    schema = MART_TABLES["recommendation_list"].schema
    names = {"models": "model", "first_reasons": "reason", "second_reasons": "second_reason"}
    return [
        row | {n: [told[i][column] for i in row["explanations"]] for n, column in names.items()}
        for row in pa.Table.from_batches([b.lists for b in blocks], schema).to_pylist()
    ]


def _excluded(blocks: list[OfferBlock]) -> dict[tuple[str, str], tuple[int, int]]:
    tally = ExclusionTally()
    for block in blocks:
        for scenario, exclusions in block.exclusions.items():
            tally.add(scenario, exclusions)
    return {key: counts for key, counts in tally.counts.items() if counts != (0, 0)}


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
    assert _excluded(_blocks(models, block_rows=1)) == _excluded(_blocks(models, block_rows=100))


def test_nothing_that_is_not_on_sale_is_offered() -> None:
    rows = _offers({CROSS_SELL: _model(CROSS_SELL)})
    assert [r["product_codes"] for r in rows] == [["i1"], ["i1"]]
    yesterday = _catalogue(d3=date(2022, 12, 3))
    assert _offers({UP_SELL: _model(UP_SELL)}, yesterday)[0]["product_codes"] == ["d4", "d2"]


@pytest.mark.parametrize("age", [59, AGE_UNKNOWN])
def test_age_limits_close_to_the_young_and_the_unknown(age: int) -> None:
    rows = _offers({UP_SELL: _model(UP_SELL)}, ages=[age, 60, 60])
    assert rows[0]["product_codes"] == ["d3", "d2"]
    assert rows[1]["product_codes"] == ["d3", "d4", "d2"]


def test_a_product_for_some_customers_is_closed_to_others_and_the_unknown() -> None:
    rows = _offers(
        {UP_SELL: _model(UP_SELL)}, _catalogue("d3"), types=["business", "personal", None]
    )
    assert rows[0]["product_codes"] == ["d3", "d4", "d2"]
    assert rows[1]["product_codes"] == ["d4", "d2"]
    untyped = _offers({UP_SELL: _model(UP_SELL)}, _catalogue("d3"))
    assert [row["product_codes"] for row in untyped] == [["d4", "d2"]] * 2


def test_who_opted_out_gets_nothing_and_what_was_offered_of_late_rests() -> None:
    rows = _offers(
        {UP_SELL: _model(UP_SELL)},
        opted_out=[True, False, False],
        recent=[("b", "d3"), ("b", "d1")],
    )
    assert [(r["customer_id"], r["product_codes"]) for r in rows] == [("b", ["d4", "d2"])]


def test_the_control_group_is_set_apart_with_what_it_would_have_got() -> None:
    blocks = _blocks({UP_SELL: _model(UP_SELL)}, control=[True, False, False], block_rows=9)
    assert blocks[0].lists["customer_id"].to_pylist() == ["b"]
    assert blocks[0].control.schema == MART_TABLES["control_offer"].schema
    (row,) = blocks[0].control.to_pylist()
    assert (row["customer_id"], row["product_codes"]) == ("a", ["d3", "d4", "d2"])


def test_every_exclusion_is_counted_once_with_its_reason() -> None:
    """Four deposits, three customers; d1 has ended, d3 is for businesses, d4 from 60 years on."""
    models = {UP_SELL: _model(UP_SELL), CROSS_SELL: _model(CROSS_SELL)}
    found = _excluded(
        _blocks(
            models,
            _catalogue("d3", d1=date(2022, 12, 3)),
            ages=[40, 65, 65],
            control=[False, True, False],
            recent=[("a", "d2"), ("a", "d3"), ("c", "d2")],
        )
    )
    assert found == {
        ("up_sell.deposit", "control_group"): (1, 4),  # b
        ("up_sell.deposit", "discontinued"): (2, 2),
        ("up_sell.deposit", "customer_type"): (2, 2),
        ("up_sell.deposit", "age"): (1, 1),  # a
        ("up_sell.deposit", "held"): (1, 2),  # c has d2 and d4, of what is open to c
        ("up_sell.deposit", "recently_offered"): (1, 1),  # a: d2; d3 is closed, c has d2
        ("cross_sell.insurance", "not_yet_sold"): (2, 2),
    }
    refused = _excluded(_blocks(models, opted_out=[True, True, True]))
    assert refused == {
        ("up_sell.deposit", "opted_out"): (3, 12), ("cross_sell.insurance", "opted_out"): (2, 4)
    }  # fmt: skip


def test_what_the_model_never_saw_is_not_offered() -> None:
    """A new product has no evidence: neither the model nor popularity speaks for it."""
    known = [code for code in CODES if code != "d2"]
    rows = _offers({UP_SELL: _model(UP_SELL, known)})
    assert rows[0]["product_codes"] == ["d3", "d4"]


def _partial(model: RecommendModel) -> RecommendModel:
    """Return the model with a champion that has nothing to say of d2."""
    silent = model.champion.prior.copy()  # type: ignore[union-attr]
    silent[:, CODES.index("d2")] = -np.inf
    champion = BasketModel(
        "transitions", silent, model.champion.affinity, model.champion.segments  # type: ignore[union-attr]
    )  # fmt: skip
    return RecommendModel(model.scenario, model.products, champion, model.fallback)


def test_places_the_champion_cannot_fill_go_to_labelled_popularity() -> None:
    row = _offers({UP_SELL: _partial(_model(UP_SELL, segments=[7]))}, segment=[7, 8, 8])[0]
    assert row["product_codes"] == ["d3", "d4", "d2"]
    assert row["models"] == ["transitions", "transitions", "popularity_by_segment"]
    assert row["scores"] == [3.0, 2.0, 0.125]
    assert row["first_reasons"][2] == "Popular in your segment"
    assert row["segment"] == 7


def test_a_segment_without_a_model_of_its_own_says_that_it_borrows() -> None:
    rows = _offers({UP_SELL: _partial(_model(UP_SELL, segments=[7]))}, segment=[8, 7, 7])
    assert rows[0]["models"] == ["transitions", "transitions", "popularity_by_segment.global"]
    assert rows[0]["first_reasons"][2] == "Popular with our customers"
    assert rows[1]["models"][2] == "popularity_by_segment"


def test_reasons_name_the_owned_products_that_decided() -> None:
    bought: list[Row] = [("a", "d1", "2022-01-01"), ("b", "d1", "2022-01-01"),
                         ("b", "d2", "2022-01-01")]  # fmt: skip
    a, b = _offers({UP_SELL: _model(UP_SELL)}, rows=bought)
    assert a["first_reasons"] == ["Customers with 상품 d1 often took it next"] * 3
    assert a["second_reasons"] == [None] * 3
    assert b["product_codes"] == ["d3", "d4"]
    assert b["second_reasons"] == ["Customers with 상품 d2 often took it next", None]


def test_who_holds_nothing_is_a_new_customer_and_never_gets_what_was_bought_once() -> None:
    bought: list[Row] = [("a", "d1", "2022-01-01"), ("b", "d1", "2021-01-01", "2022-01-01")]
    rows = _offers({NEW_CUSTOMER: _model(NEW_CUSTOMER)}, rows=bought)
    assert [(r["customer_id"], r["product_codes"]) for r in rows] == [
        ("b", ["d2", "d3", "d4", "i1"]),
        ("c", ["d1", "d2", "d3", "d4", "i1"]),
    ]


def test_a_scenario_without_products_on_sale_is_empty_and_all_of_them_an_error() -> None:
    models = {UP_SELL: _model(UP_SELL), CROSS_SELL: _model(CROSS_SELL)}
    some = dict.fromkeys(["i1", "i2"], date(2022, 1, 1))
    assert {r["scenario"] for r in _offers(models, _catalogue(**some))} == {"up_sell.deposit"}
    gone = _catalogue(**dict.fromkeys(CODES, date(2022, 1, 1)))
    with pytest.raises(NoEligibleProductError, match=r"E402.*up_sell\.deposit on 2022-12-04"):
        _offers(models, gone)


def test_customers_with_no_or_all_products_get_no_row() -> None:
    every: list[Row] = [("a", code, "2022-01-01") for code in CODES]
    models = {UP_SELL: _model(UP_SELL), CROSS_SELL: _model(CROSS_SELL)}
    assert _offers(models, rows=every) == []


def test_nothing_is_counted_as_kept_in_a_family_without_products() -> None:
    """All deposits and policies are there, and a family that has none of them."""
    fund, products = Scenario("cross_sell", "fund"), _catalogue()
    models = {UP_SELL: _model(UP_SELL), fund: _model(fund)}
    refused = {"opted_out": [True, False, False], "control": [False, True, False]}
    audience = _audience(products, ROWS, [65, 65, 65], **refused)
    segments = dict.fromkeys(("deposit", "fund"), audience.segments["deposit"])
    blocks = offer_blocks(
        models, replace(audience, segments=segments), products, ["deposit", "insurance", "fund"],
        explanations_of(models, products), k=5, block_rows=9,
    )  # fmt: skip
    found = _excluded(list(blocks))
    assert found["up_sell.deposit", "opted_out"] == (1, 4)
    assert not [key for key in found if key[0] == fund.name]
