"""Who the customers of a block are: demographics in the source, groups and styles beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from passbook.demo.bank import groups
from passbook.demo.bank.calendar import Calendar
from passbook.demo.bank.plan import BLOCK_CUSTOMERS, Plan

YEAR = 365.2425
BANK_AGE_DAYS = int(15 * YEAR)
REFUSING_SHARE = 0.03
"""Of customers who want no offers."""

_DECADE_SHARES = np.array([0.02, 0.06, 0.13, 0.16, 0.18, 0.18, 0.13, 0.085, 0.04, 0.015])
_REGIONS = np.array(["11", "26", "27", "28", "29", "30", "31", "36", "41", "42", "43", "44", "45",
                     "46", "47", "48", "50"])  # fmt: skip
_REGION_SHARES = np.array([18, 6.5, 4.6, 5.8, 2.8, 2.8, 2.1, 0.8, 26, 3, 3.1, 4.2, 3.4, 3.5, 5, 6.4,
                           1.3])  # fmt: skip

OCCUPATIONS = ("11", "12", "13", "14", "21", "22", "23", "24", "99")
"""Office, self-employed, public service, farming and fishing; homemaker, student, retired, none;
not known."""
OCCUPATION_BY_GROUP = np.array(
    [
        [0.58, 0.06, 0.17, 0.04, 0.04, 0.01, 0.02, 0.02, 0.06],
        [0.45, 0.06, 0.10, 0.03, 0.12, 0.09, 0.03, 0.05, 0.07],
        [0.30, 0.14, 0.12, 0.04, 0.13, 0.01, 0.15, 0.03, 0.08],
        [0.26, 0.08, 0.06, 0.08, 0.17, 0.08, 0.10, 0.07, 0.10],
        [0.12, 0.66, 0.02, 0.10, 0.02, 0.00, 0.02, 0.01, 0.05],
    ]
)


@dataclass(frozen=True)
class Population:
    """A block's customers, arrays of (n,).

    `deposit_group`, `insurance_group`, `style`, `risk` and `level` are latent: they never reach a
    source table.
    """

    block: int
    ids: pa.Array
    sex: NDArray[np.int8]
    birth: NDArray[np.int32]
    occupation: NDArray[np.int8]
    region: NDArray[np.int8]
    joined: NDArray[np.int32]
    income: NDArray[np.int64]
    deposit_group: NDArray[np.int8]
    insurance_group: NDArray[np.int8]
    style: NDArray[np.int8]
    risk: NDArray[np.float64]
    level: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.birth)

    def age_at(self, day: int | NDArray[np.int32]) -> NDArray[np.float64]:
        """Return ages in years, (n,)."""
        return (day - self.birth) / YEAR


def pick(rng: np.random.Generator, shares: NDArray[np.float64]) -> NDArray[np.int8]:
    """Draw one column a row of `shares` (n, columns), which need not sum to one."""
    cumulative = np.cumsum(shares, axis=1)
    drawn = rng.random((len(shares), 1)) * cumulative[:, -1:]
    return np.asarray((drawn > cumulative[:, :-1]).sum(axis=1), np.int8)


def draw_population(plan: Plan, block: int) -> Population:
    """Draw the customers of a block."""
    first = block * BLOCK_CUSTOMERS
    count = min(BLOCK_CUSTOMERS, plan.customers - first)
    rng, calendar = plan.stream(block, "customers"), plan.calendar
    decade = pick(rng, np.broadcast_to(_DECADE_SHARES, (count, 10)))
    age = np.maximum((decade + rng.random(count)) * 10, 0.1)
    birth = (calendar.end - age * YEAR).astype(np.int32)
    deposit_group = pick(rng, deposit_group_shares(age))
    insurance_group = pick(rng, insurance_group_shares(age))
    income_mean = groups.INCOME_MEAN[deposit_group] - 0.4 * (age < 25) - 0.3 * (age > 65)
    style = pick(rng, np.broadcast_to(groups.STYLE_SHARES, (count, 4)))
    # The normal core and the exponential tail of the logarithm together make a balance with a
    # Pareto tail, as deposits have.
    level = (
        groups.LEVEL_MEAN[deposit_group]
        + groups.LEVEL_SPREAD[deposit_group] * rng.standard_normal(count)
        + 0.35 * rng.standard_exponential(count)
    )
    return Population(
        block=block,
        ids=pc.utf8_lpad(pa.array(np.arange(first, first + count)).cast(pa.string()), 10, "0"),
        sex=(rng.random(count) < 0.51).astype(np.int8),
        birth=birth,
        occupation=pick(rng, OCCUPATION_BY_GROUP[deposit_group]),
        region=pick(rng, np.broadcast_to(_REGION_SHARES, (count, len(_REGIONS)))),
        joined=_draw_joined(rng, birth, calendar),
        income=(np.exp(income_mean + 0.45 * rng.standard_normal(count)) / 1e5).astype(np.int64)
        * 100_000,
        deposit_group=deposit_group,
        insurance_group=insurance_group,
        style=style,
        risk=rng.standard_normal(count) + 0.4 * (style % 2),
        level=level,
    )


def deposit_group_shares(age: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shares of the deposit groups at an age, (n, groups)."""
    shares = np.tile(groups.GROUP_SHARES, (len(age), 1))
    young, old = age < 30, age > 60
    shares[young] *= (1.0, 1.5, 0.4, 1.1, 0.5)
    shares[old] *= (0.7, 0.7, 1.6, 1.1, 0.9)
    shares[age < 18] *= (0.0, 1.0, 0.3, 1.0, 0.0)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def insurance_group_shares(age: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shares of the insurance groups at an age, (n, groups)."""
    shares = np.tile(np.array([0.24, 0.22, 0.34, 0.20]), (len(age), 1))
    shares[(age < 22) | (age > 58), 1] *= 0.1
    shares[age < 20] *= (0.2, 1.0, 1.0, 0.1)
    shares[age > 66] *= (0.4, 1.0, 1.3, 0.5)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _draw_joined(
    rng: np.random.Generator, birth: NDArray[np.int32], calendar: Calendar
) -> NDArray[np.int32]:
    count = len(birth)
    recent = rng.random(count) < 0.10
    before = calendar.start - 1 - rng.integers(0, BANK_AGE_DAYS, count)
    within = rng.integers(calendar.start, calendar.end + 1, count)
    return np.maximum(np.where(recent, within, before), birth + 20).astype(np.int32)


def customer_master(plan: Plan, population: Population) -> pa.Table:
    """Return the source table of a block's customers, with the gaps that real ones have."""
    rng = plan.stream(population.block, "gaps")
    gaps = rng.random((4, len(population)))
    refuses = plan.stream(population.block, "consent").random(len(population))
    return pa.table(
        {
            "cust_no": population.ids,
            "sex_cd": pa.array(
                np.array(["1", "2"])[population.sex], pa.string(), mask=gaps[0] < 0.003
            ),
            "brth_dt": pa.array(population.birth, mask=gaps[1] < 0.004).cast(pa.date32()),
            "ocpt_cd": pa.array(
                np.array(OCCUPATIONS)[population.occupation], pa.string(), mask=gaps[2] < 0.02
            ),
            "rgn_cd": pa.array(_REGIONS[population.region], pa.string()),
            "join_dt": pa.array(population.joined).cast(pa.date32()),
            "incm_amt": pa.array(population.income, mask=gaps[3] < 0.25),
            "cust_tp_cd": pa.array(
                np.where(population.occupation == OCCUPATIONS.index("12"), "B", "P"), pa.string()
            ),
            "mktg_rfs_yn": pa.array(np.where(refuses < REFUSING_SHARE, "Y", "N"), pa.string()),
        }
    )
