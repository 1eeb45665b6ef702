"""The simulated months, as days since 1970-01-01."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

EPOCH = date(1970, 1, 1)
NEVER = np.iinfo(np.int32).max
"""Day of an event that does not happen inside the simulated time."""


def day_number(day: date) -> int:
    """Return days since 1970-01-01."""
    return (day - EPOCH).days


@dataclass(frozen=True)
class Calendar:
    """Calendar months up to the last simulated day.

    Attributes
    ----------
    first, last : ndarray of int32, (months,)
        First day of each month; its last day, or `end` when that comes sooner.
    complete : ndarray of bool, (months,)
        Whether the month's own last day is simulated.
    number : ndarray of int, (months,)
        Month of the year, 1 to 12.
    names : tuple of str
        ``yyyyMM``, the partitions' names.
    """

    end: int
    first: NDArray[np.int32]
    last: NDArray[np.int32]
    complete: NDArray[np.bool_]
    number: NDArray[np.int64]
    names: tuple[str, ...]

    @property
    def months(self) -> int:
        """Number of months."""
        return len(self.names)

    @property
    def start(self) -> int:
        """First simulated day."""
        return int(self.first[0])


def build_calendar(end: date, months: int) -> Calendar:
    """Return the `months` calendar months of which `end` lies in the last."""
    index = end.year * 12 + end.month - 1 - np.arange(months - 1, -1, -1)
    starts = [date(int(i) // 12, int(i) % 12 + 1, 1) for i in index]
    next_month = date(end.year + end.month // 12, end.month % 12 + 1, 1)
    ends = [day - timedelta(days=1) for day in [*starts[1:], next_month]]
    return Calendar(
        end=day_number(end),
        first=np.array([day_number(day) for day in starts], np.int32),
        last=np.array([day_number(min(day, end)) for day in ends], np.int32),
        complete=np.array([day <= end for day in ends]),
        number=np.array([day.month for day in starts]),
        names=tuple(f"{day:%Y%m}" for day in starts),
    )
