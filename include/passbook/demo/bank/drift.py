"""How strongly an injected drift has set in, month by month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from passbook.demo.bank.calendar import Calendar, day_number

DRIFTS = ("sudden", "slow")
SLOW_MONTHS = 12


@dataclass(frozen=True)
class Drift:
    """A change of the bank's customers from a day on."""

    kind: str
    start: date


def intensity(drift: Drift | None, calendar: Calendar) -> NDArray[np.float64]:
    """Return the drift's share of its full effect, (months,), from 0 to 1.

    A sudden drift is there in full from its first day's month on, a slow one grows by a twelfth a
    month.
    """
    if drift is None:
        return np.zeros(calendar.months)
    begun = calendar.last >= day_number(drift.start)
    if drift.kind == "sudden":
        return begun.astype(float)
    return np.minimum(np.cumsum(begun) / SLOW_MONTHS, 1.0)
