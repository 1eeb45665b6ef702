"""Input that no bank should send, and some does: it is refused by name, or changes nothing."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from passbook.errors import NoAcquisitionsError
from passbook.recommend.context import no_profile
from passbook.recommend.grid import Grid
from passbook.recommend.interactions import interactions_as_of
from passbook.recommend.purchases import from_holdings
from passbook.recommend.scenarios import Scenario
from passbook.recommend.training import Policy, TrainedScenario, train_scenario

from .small_banks import PLANTED_BASE_DATE, Row, holdings, products, purchases

CODES = "d0 d1 d2 d3 d4 i0"
SMALL = Policy(
    minimum_segment=50, minimum_holders=10, grid=Grid((2,), (1.0,), (2,), (10.0,), (12.0,))
)


def _train(rows: list[Row], customers: int, scenario: Scenario) -> TrainedScenario:
    names = " ".join(f"c{c:03}" for c in range(customers))
    nowhere = np.full(customers, -1, dtype=np.int32)
    return train_scenario(
        scenario, purchases(rows, names, CODES), products(deposit=CODES[:-3], insurance="i0"),
        segments={"deposit": (nowhere, nowhere), "insurance": (nowhere, nowhere)},
        profile=no_profile(customers), base_date=PLANTED_BASE_DATE, policy=SMALL,
    )  # fmt: skip


def test_duplicate_rows_change_nothing() -> None:
    rows: list[Row] = [("a", "d1", "2022-01-01"), ("a", "d0", "2022-02-01"),
                       ("b", "d1", "2022-03-01")]  # fmt: skip
    customers, codes = pa.array(["a", "b"]), pa.array(CODES.split())
    once, thrice = (
        interactions_as_of(from_holdings([holdings(rows * n)], customers, codes), PLANTED_BASE_DATE)
        for n in (1, 3)
    )
    assert once.items.tolist() == thrice.items.tolist()
    for name in ("indptr", "first_day", "last_day", "held"):
        assert (getattr(once, name) == getattr(thrice, name)).all()


def test_one_holder_and_customers_with_everything_or_nothing_are_trained_with() -> None:
    """d4 has a single buyer; ten customers bought every deposit, fifty nothing at all."""
    rng = np.random.default_rng(0)
    rows: list[Row] = []
    for c in range(150):
        first = int(rng.integers(0, 3))
        rows += [(f"c{c:03}", f"d{first}", f"2022-0{rng.integers(1, 9)}-11"),
                 (f"c{c:03}", f"d{first + 1}", f"2022-1{c % 2}-15")]  # fmt: skip
    rows += [(f"c{c:03}", f"d{p}", "2021-05-05") for c in range(150, 160) for p in range(4)]
    rows.append(("c160", "d4", "2022-05-05"))
    found = _train(rows, 211, Scenario("up_sell", "deposit"))
    assert {"als", "ranker", "ease"} <= {s.recommender for s in found.standings}
    assert all(np.isfinite(list(s.metrics.values())).all() for s in found.standings)


def test_an_empty_scenario_has_popularity_and_nothing_to_compare() -> None:
    """Nobody ever bought insurance."""
    rows: list[Row] = [(f"c{c:03}", "d0", "2022-01-01") for c in range(20)]
    found = _train(rows, 20, Scenario("cross_sell", "insurance"))
    assert found.standings == []
    assert found.model.champion.name == "popularity_by_segment"


def test_a_bank_without_a_purchase_is_refused() -> None:
    with pytest.raises(NoAcquisitionsError, match="E401"):
        _train([(f"c{c:03}", "d0", "2020-01-01") for c in range(20)], 20,
               Scenario("up_sell", "deposit"))  # fmt: skip
