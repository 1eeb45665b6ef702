"""The demo bank through Hive: its work tables say what the simulator meant, as of each date."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from passbook import sources
from passbook.demo.bank import oracle
from passbook.demo.bank.simulation import simulate
from passbook.demo.load import register
from passbook.errors import InputError
from passbook.hive import Hive, connect

pytestmark = pytest.mark.hive

END = date(2026, 3, 15)
EARLIER = END - timedelta(weeks=52)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo-bank-in-hive")
    simulate(folder, customers=2000, seed=11, end=END)
    return folder


@pytest.fixture(scope="module")
def hive(hive_url: str, hive_database: str, folder: Path) -> Iterator[Hive]:
    with connect(hive_url) as connection:
        register(connection, folder, hive_database)
        yield connection


def build(hive: Hive, database: str, table: str, base_date: date) -> pd.DataFrame:
    statement = sources.find("demo").statement(table, base_date, database)
    return hive.query(statement).to_pandas()


def test_outcomes_are_those_that_the_simulator_drew(
    hive: Hive, hive_database: str, folder: Path
) -> None:
    found = build(hive, hive_database, "credit_outcome", END)
    for weeks in (52, 26):
        day = END - timedelta(weeks=weeks)
        truth = oracle.default_odds(folder, day).to_pandas().set_index("customer_id")
        rows = found[found.observation_date == day].set_index("customer_id")
        assert set(rows.index) == set(truth.index)
        assert rows.defaulted.equals(truth.defaulted.loc[rows.index])
    labels = found.drop_duplicates("customer_id").style_label
    assert 0.2 < labels.notna().mean() < 0.4


def test_an_earlier_date_sees_what_was_known_then(hive: Hive, hive_database: str) -> None:
    holdings = {day: build(hive, hive_database, "deposit_holding", day) for day in (EARLIER, END)}
    assert holdings[EARLIER].opened_on.max() <= EARLIER
    assert holdings[EARLIER].closed_on.dropna().max() <= EARLIER
    assert len(holdings[EARLIER]) < len(holdings[END])
    # What was held then and has ended since is open in the earlier view.
    later = holdings[END]
    ended = later[(later.opened_on <= EARLIER) & (later.closed_on > EARLIER)]
    assert len(ended)
    open_then = holdings[EARLIER][holdings[EARLIER].closed_on.isna()]
    assert set(ended.customer_id) <= set(open_then.customer_id)


def test_the_profile_agrees_with_the_customers_flags(hive: Hive, hive_database: str) -> None:
    people = build(hive, hive_database, "customer", END).set_index("customer_id")
    profile = build(hive, hive_database, "deposit_profile", END).set_index("customer_id")
    assert set(profile.index) == set(people.index[people.has_deposit])
    counts = profile.time_deposit_count + profile.installment_count + profile.demand_count
    assert (profile.account_count == counts).all()
    assert profile.balance.median() > 0
    assert profile.deposit_count.sum() > 0


def test_a_folder_without_a_bank_is_refused(hive: Hive, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="passbook simulate"):
        register(hive, tmp_path, "demo_test")
