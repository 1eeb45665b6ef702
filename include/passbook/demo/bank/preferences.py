"""What makes a customer choose a product: group, age, the last product bought, and the season."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from passbook.demo.bank.catalogue import INSURANCE, LINE_INDEX, LINES, Shelf
from passbook.demo.bank.groups import DEPOSIT_GROUPS, INSURANCE_GROUPS

NO_LINE: Final = len(LINES)
"""Last line of a customer who has not bought anything."""

_DEPOSIT_TASTE: Final = {
    "salary_hub": {"demand_salary": 3.0, "installment_regular": -0.5, "installment_youth": -1.0,
                   "installment_purpose": -1.0, "time_regular": -0.5,
                   "bond": 0.5, "credit_card": 1.0},
    "saver": {"installment_regular": 2.6, "installment_youth": 3.0, "installment_purpose": 2.9,
              "balanced": 1.0, "check_card": 1.0},
    "wealth_keeper": {"time_regular": 2.9, "time_online": 2.3, "bond": 1.2, "money_market": 1.0,
                      "premium_card": 2.2},
    "dormant": {"demand_basic": 2.4, "check_card": 1.2},
    "business": {"demand_business": 3.2, "demand_basic": 0.8, "installment_purpose": 0.6,
                 "equity": 1.2, "credit_card": 1.4},
}  # fmt: skip
_INSURANCE_TASTE: Final = {
    "family_protector": {"death": 4.2, "group": 4.2, "rider": 4.0},
    "parent": {"child": 4.4, "education": 4.4},
    "health_keeper": {"disease": 4.0, "injury": 4.0},
    "pension_builder": {"non_qualified": 4.2, "qualified": 4.2, "savings": 4.0},
}
_NEXT: Final = {
    ("demand_salary", "installment_regular"): 1.1,
    ("installment_regular", "time_regular"): 1.3,
    ("installment_youth", "installment_purpose"): 1.4,
    ("installment_purpose", "time_online"): 1.2,
    ("time_regular", "time_online"): 1.2,
    ("time_online", "time_regular"): 1.0,
    ("demand_business", "installment_purpose"): 1.2,
    ("demand_basic", "installment_regular"): 0.6,
    ("child", "education"): 1.6,
    ("education", "child"): 0.8,
    ("injury", "disease"): 1.2,
    ("disease", "injury"): 0.9,
    ("death", "rider"): 1.8,
    ("rider", "group"): 0.8,
    ("savings", "qualified"): 1.0,
    ("qualified", "non_qualified"): 1.0,
    ("time_regular", "savings"): 0.8,
    ("time_regular", "bond"): 1.3,
    ("time_online", "money_market"): 1.2,
    ("balanced", "equity"): 1.0,
    ("check_card", "credit_card"): 1.3,
    ("credit_card", "premium_card"): 1.0,
}
_SEASON: Final = {
    "installment_regular": {1: 0.7, 2: 0.4, 3: 0.3},
    "installment_youth": {2: 0.4, 3: 0.7, 6: 0.4},
    "time_regular": {11: 0.5, 12: 0.7},
    "time_online": {10: 0.4, 11: 0.4},
    "child": {3: 0.7, 5: 0.6},
    "education": {2: 0.6, 3: 0.6},
    "qualified": {11: 0.8, 12: 1.0},
    "injury": {6: 0.4, 7: 0.6, 8: 0.4},
    "equity": {1: 0.6, 7: 0.4},
}

AGE_WIDTH: Final = 20.0
"""Years from the target age at which a product's appeal has fallen by half a unit."""
FIRST_ACCOUNT_BONUS: Final = 3.5
"""A deposit relation usually begins with a demand account."""


def _table(rows: int, entries: dict[tuple[int, int], float]) -> NDArray[np.float64]:
    table = np.zeros((rows, len(LINES)))
    for (row, column), value in entries.items():
        table[row, column] = value
    return table


DEPOSIT_TASTE: Final = _table(
    len(DEPOSIT_GROUPS),
    {(DEPOSIT_GROUPS.index(g), LINE_INDEX[line]): v
     for g, taste in _DEPOSIT_TASTE.items() for line, v in taste.items()},
)  # fmt: skip
INSURANCE_TASTE: Final = _table(
    len(INSURANCE_GROUPS),
    {(INSURANCE_GROUPS.index(g), LINE_INDEX[line]): v
     for g, taste in _INSURANCE_TASTE.items() for line, v in taste.items()},
)  # fmt: skip
NEXT: Final = _table(
    len(LINES) + 1, {(LINE_INDEX[a], LINE_INDEX[b]): v for (a, b), v in _NEXT.items()}
)
SEASON: Final = _table(
    13, {(m, LINE_INDEX[line]): v for line, s in _SEASON.items() for m, v in s.items()}
)


class Choosers(NamedTuple):
    """Customers about to choose, arrays of (n,).

    `group` is the deposit group, for the insurance shelf the insurance group; `age` in years;
    `last_line` the line of the latest purchase in any family, `NO_LINE` without one.
    """

    group: NDArray[np.int8]
    age: NDArray[np.float64]
    last_line: NDArray[np.int8]


def utilities(
    shelf: Shelf, choosers: Choosers, month: int, drift: float = 0.0
) -> NDArray[np.float64]:
    """Return the utility of each product of a shelf to each customer, (n, products).

    Parameters
    ----------
    month : int
        Month of the year.
    drift : float
        Share, 0 to 1, of the way from the group's taste to the next group's.
    """
    taste = INSURANCE_TASTE if shelf.family == INSURANCE else DEPOSIT_TASTE
    own, next_group = taste[choosers.group], taste[(choosers.group + 1) % len(taste)]
    by_line = (1 - drift) * own + drift * next_group + NEXT[choosers.last_line] + SEASON[month]
    distance = (choosers.age[:, None] - shelf.target_age) / AGE_WIDTH
    return np.asarray(
        by_line[:, shelf.line] + shelf.popularity - 0.5 * np.minimum(distance**2, 6.0)
    )


def purchase_probabilities(
    utility: NDArray[np.float64], allowed: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the multinomial logit choice probabilities, (n, products); zero where not allowed.

    A row in which nothing is allowed is all zero.
    """
    shifted = np.where(allowed, utility, -np.inf)
    peak = shifted.max(axis=1, keepdims=True)
    weights = np.where(allowed, np.exp(shifted - np.where(np.isfinite(peak), peak, 0.0)), 0.0)
    total = weights.sum(axis=1, keepdims=True)
    return np.asarray(weights / np.where(total > 0, total, 1.0))
