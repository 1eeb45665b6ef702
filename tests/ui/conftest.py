"""A bank of its own behind Airflow, and the windows of an operator and of an analyst."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from passbook.base_date import newest_base_date, now, schedule_moment
from passbook.embedded.week_runs import await_dags
from tiny_bank import WHOLE_WEEK, WHOLE_WEEK_CUSTOMERS, TinyBank, tiny_bank

from .browser import Browser, browser


def newest_scheduled() -> date:
    """Return the base date of the newest run that the schedule makes once a DAG is unpaused."""
    newest = newest_base_date()
    return newest if schedule_moment(newest) <= now() else newest - timedelta(weeks=1)


@pytest.fixture(scope="session")
def bank(servers_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyBank]:
    """A bank whose DAGs Airflow has read."""
    with tiny_bank(
        servers_home, tmp_path_factory.mktemp("ui"), "ui_test", WHOLE_WEEK,
        customers=WHOLE_WEEK_CUSTOMERS, base_date=newest_scheduled(),
        without=("fund_holding", "insurance_holding", "insurance_profile"),
    ) as found:  # fmt: skip
        with found.api() as api:
            await_dags(api)
        yield found


@pytest.fixture(scope="session")
def op(bank: TinyBank, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The window of an operator who has logged in."""
    yield from _window(bank, "op", tmp_path_factory)


@pytest.fixture(scope="session")
def viewer(bank: TinyBank, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The window of an analyst, who may only look."""
    yield from _window(bank, "analyst", tmp_path_factory)


def _window(
    bank: TinyBank, user: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    with browser(bank.airflow.url, tmp_path_factory.mktemp(f"profile-{user}")) as window:
        window.log_in(user, bank.airflow.passwords[user])
        yield window
