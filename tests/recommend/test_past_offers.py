"""Outcomes and the cool-off, from a few offers to figures worked out by hand."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa

from passbook.recommend.eligibility import no_recent_offers
from passbook.recommend.interactions import interactions_as_of
from passbook.recommend.past_offers import add_recent, count_outcomes, outcome_batches

from .small_banks import Row, purchases

OFFERED_ON, BASE_DATE = date(2022, 11, 6), date(2022, 12, 4)
BOUGHT: list[Row] = [
    ("a", "d1", "2022-11-07"),  # offered first, bought the day after
    ("a", "d2", "2022-11-06"),  # offered second, bought the day it was offered: not since
    ("b", "d2", "2022-12-04"),  # offered first, bought on the last day
    ("c", "d1", "2021-01-01"), ("c", "d1", "2022-11-20"),  # an old product, bought again
    ("d", "d1", "2022-11-30"),  # in the control group: would have been offered it first
    ("e", "d3", "2022-11-30"),  # in the control group: bought something else
]  # fmt: skip
OFFERS = pa.table(
    {
        "customer_id": ["a", "b", "c", "gone", "d", "e"],
        "scenario": ["up_sell.deposit"] * 6,
        "segment": pa.array([0, 0, 0, 0, 0, 0], pa.int32()),
        "product_codes": [["d1", "d2"], ["d2"], ["d1"], ["d1"], ["d1", "d3"], ["d1", "d2"]],
        "models": [["ranker", "popularity"], ["ranker"], ["ranker"], ["ranker"],
                   ["ranker", "popularity"], ["ranker", "popularity"]],
        "control": [False, False, False, False, True, True],
    }
)  # fmt: skip


def test_outcomes_are_what_was_bought_since_against_the_control_group() -> None:
    now = interactions_as_of(purchases(BOUGHT, "a b c d e", "d1 d2 d3"), BASE_DATE)
    counted = [count_outcomes(OFFERS.slice(n, 2), now, OFFERED_ON) for n in (0, 2, 4)]
    (batch,) = outcome_batches(counted, BASE_DATE, OFFERED_ON)
    first, second = batch.to_pylist()
    assert (first["rank"], first["model"], first["segment"]) == (1, "ranker", 0)
    assert (first["offers"], first["acquisitions"]) == (4, 2)  # a's and b's; c had it before
    assert (first["control_offers"], first["control_acquisitions"]) == (2, 1)
    assert (first["conversion"], first["control_conversion"], first["lift"]) == (0.5, 0.5, 0.0)
    assert (second["rank"], second["model"], second["offered_on"]) == (2, "popularity", OFFERED_ON)
    assert (second["offers"], second["acquisitions"], second["conversion"]) == (1, 0, 0.0)
    assert (second["control_offers"], second["control_acquisitions"]) == (2, 0)


def test_no_control_offer_leaves_the_comparison_open() -> None:
    now = interactions_as_of(purchases(BOUGHT, "a b c d e", "d1 d2 d3"), BASE_DATE)
    (batch,) = outcome_batches([count_outcomes(OFFERS.slice(1, 1), now, OFFERED_ON)],
                               BASE_DATE, OFFERED_ON)  # fmt: skip
    (row,) = batch.to_pylist()
    assert (row["conversion"], row["control_conversion"], row["lift"]) == (1.0, None, None)
    assert list(outcome_batches([], BASE_DATE, OFFERED_ON)) == []


def test_what_was_offered_rests_and_who_has_left_is_passed_over() -> None:
    recent = no_recent_offers(3, 10)
    codes = pa.array([f"d{n}" for n in range(1, 11)])
    customers = pa.array(["a", "b", "e"])
    add_recent(recent, OFFERS, customers, codes)
    add_recent(recent, OFFERS.slice(0, 1).set_column(
        3, "product_codes", pa.array([["d9", "sold no more"]])), customers, codes)  # fmt: skip
    scores = np.zeros((3, 10), dtype=np.float32)
    recent.mask(scores)
    rests = [np.flatnonzero(row).tolist() for row in np.isneginf(scores)]
    assert rests == [[0, 1, 8], [1], [0, 1]]
    assert recent.take(np.array([2])).bits.tolist() == [[3, 0]]
