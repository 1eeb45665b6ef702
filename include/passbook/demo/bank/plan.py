"""What a simulation is of; the same plan gives the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from passbook.base_date import holdout_window
from passbook.demo.bank.calendar import Calendar, build_calendar
from passbook.demo.bank.catalogue import FAMILIES, Shelf, build_shelf
from passbook.demo.bank.drift import Drift, intensity
from passbook.demo.bank.randomness import stream
from passbook.errors import InputError

BLOCK_CUSTOMERS: Final = 50_000
"""Customers of a block. Part of what a seed means: another size draws another bank."""


@dataclass(frozen=True)
class Plan:
    """The figures that determine a bank.

    Attributes
    ----------
    drift : ndarray of float, (months,)
        How far the injected drift has set in.
    holdout_month : int
        Month whose choices are kept as a truth: the grid search's test month of the last day.
    """

    customers: int
    seed: int
    calendar: Calendar
    shelves: dict[str, Shelf]
    drift: NDArray[np.float64]
    holdout_month: int

    @property
    def blocks(self) -> int:
        """Number of blocks of customers."""
        return -(-self.customers // BLOCK_CUSTOMERS)

    def stream(self, block: int, *purpose: str | int) -> np.random.Generator:
        """Return the random stream of a purpose in a block."""
        return stream(self.seed, block, *purpose)


def make_plan(customers: int, seed: int, end: date, months: int, drift: Drift | None) -> Plan:
    """Check the figures and derive the calendar and the products.

    Raises
    ------
    InputError
        E803, when a figure makes no sense.
    """
    if customers < 1 or seed < 0:
        raise InputError("A bank needs at least one customer and a seed that is not negative.")
    if not 4 <= months <= 120:
        raise InputError(f"The demo bank spans 4 to 120 months, not {months}.")
    calendar = build_calendar(end, months)
    return Plan(
        customers=customers,
        seed=seed,
        calendar=calendar,
        shelves={family: build_shelf(family, seed, calendar) for family in FAMILIES},
        drift=intensity(drift, calendar),
        holdout_month=calendar.names.index(f"{holdout_window(end).test_start:%Y%m}"),
    )
