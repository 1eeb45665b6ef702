"""The planted groups of customers and what each does differently."""

from __future__ import annotations

from typing import Final

import numpy as np

DEPOSIT_GROUPS: Final = ("salary_hub", "saver", "wealth_keeper", "dormant", "business")
"""Life situations of deposit customers; of those without a deposit too, where they are latent."""

INSURANCE_GROUPS: Final = ("family_protector", "parent", "health_keeper", "pension_builder")

STYLES: Final = ("loose_passive", "loose_aggressive", "tight_passive", "tight_aggressive")
STYLE_CODES: Final = ("LP", "LA", "TP", "TA")

# One row a style. Loose and tight differ in how often and when, passive and aggressive in risk.
STYLE_SHARES: Final = np.array([0.30, 0.18, 0.36, 0.16])
STYLE_RATE: Final = np.array([1.5, 1.5, 0.62, 0.62])
STYLE_WEEKEND: Final = np.array([0.40, 0.40, 0.18, 0.18])
STYLE_NIGHT: Final = np.array([0.07, 0.26, 0.07, 0.26])
STYLE_INVESTMENT: Final = np.array([0.015, 0.14, 0.015, 0.14])
STYLE_TRANSFER: Final = np.array([0.20, 0.30, 0.20, 0.30])
STYLE_AMOUNT_SPREAD: Final = np.array([0.55, 1.05, 0.55, 1.05])

# One row a deposit group.
GROUP_SHARES: Final = np.array([0.26, 0.23, 0.16, 0.22, 0.13])
LEVEL_MEAN: Final = np.array([14.2, 12.0, 16.9, 8.7, 16.6])
"""Mean logarithm, in won, of a customer's usual demand balance."""
LEVEL_SPREAD: Final = np.array([0.45, 0.45, 0.45, 0.6, 0.45])
BALANCE_NOISE: Final = np.array([0.30, 0.25, 0.12, 0.08, 0.60])
"""Standard deviation of the logarithm of a month-end balance around the usual one."""
TRANSACTION_RATE: Final = np.array([4.6, 2.8, 0.8, 0.15, 10.5])
"""Transactions a month, before style and season."""
SHARE_IN: Final = np.array([0.30, 0.60, 0.40, 0.50, 0.50])
"""Share of payments in among the ordinary transactions."""
AMOUNT_MEAN: Final = np.array([11.5, 11.2, 13.2, 9.6, 14.2])
"""Mean logarithm, in won, of an ordinary transaction."""
AUTO_PAYMENTS: Final = np.array([6.0, 0.15, 0.2, 0.02, 3.0])
AUTO_TRANSFERS: Final = np.array([2.0, 2.2, 0.2, 0.01, 8.0])
LOGIN_RATE: Final = np.array([6.0, 7.0, 1.5, 0.15, 9.0])
OVERDRAFT_LINE: Final = np.array([0.45, 0.25, 0.12, 0.06, 0.60])
"""Chance that a demand account carries an overdraft line."""
INCOME_MEAN: Final = np.array([17.4, 17.1, 17.8, 16.6, 17.9])

# Purchases a month, one row a family (deposit, insurance, fund, card), a column a deposit group.
PURCHASE_RATE: Final = np.array(
    [
        [0.016, 0.115, 0.115, 0.004, 0.030],
        [0.028, 0.028, 0.032, 0.014, 0.024],
        [0.0006, 0.0012, 0.004, 0.0001, 0.0008],
        [0.009, 0.006, 0.005, 0.002, 0.010],
    ]
)
# Share of a group's customers that have ever bought from the family.
FAMILY_SHARE: Final = np.array(
    [
        [0.97, 0.95, 0.97, 0.55, 0.98],
        [0.42, 0.40, 0.48, 0.55, 0.38],
        [0.014, 0.022, 0.075, 0.002, 0.02],
        [0.62, 0.45, 0.45, 0.18, 0.62],
    ]
)
