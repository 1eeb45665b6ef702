"""One block of customers: every source table of theirs, and the truths behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from passbook.demo.bank import accounts, credit, deposits, groups, transactions
from passbook.demo.bank.catalogue import CARD, DEPOSIT, FUND, INSURANCE
from passbook.demo.bank.customers import Population, customer_master, draw_population
from passbook.demo.bank.plan import Plan
from passbook.demo.bank.purchases import Choices, simulate_purchases


@dataclass(frozen=True)
class Piece:
    """Rows of one table; `month` is the partition of a monthly table, else None."""

    table: str
    rows: pa.Table
    month: str | None = None


def simulate_block(plan: Plan, block: int) -> Iterator[Piece]:
    """Yield a block's rows of every source table and truth, a month at a time where monthly."""
    people = draw_population(plan, block)
    bought, choices = simulate_purchases(plan, people)
    held = deposits.simulate_deposits(plan, people, bought[DEPOSIT])
    cards, card_numbers = accounts.card_account(plan, people, bought[CARD])
    limits = cards["lmt_amt"].to_numpy()
    arrears, outcomes = credit.simulate_credit(plan, people, held, bought[CARD], limits)
    has_deposit = np.zeros(len(people), bool)
    has_deposit[bought[DEPOSIT].customer] = True
    yield Piece("customer_master", customer_master(plan, people))
    yield Piece("deposit_account", deposits.deposit_account(plan, people, held))
    yield Piece("auto_order", deposits.auto_order(plan, people, has_deposit))
    yield Piece("insurance_contract", accounts.insurance_contract(plan, people, bought[INSURANCE]))
    yield Piece("fund_account", accounts.fund_account(plan, people, bought[FUND]))
    yield Piece("card_account", cards)
    yield Piece("arrears", arrears)
    yield Piece("contact_log", credit.contact_log(plan, people))
    yield from _truths(plan, people, choices, outcomes)
    rates = transactions.transaction_rates(plan, people, has_deposit)
    for month, name in enumerate(plan.calendar.names):
        rows = transactions.transaction_history(plan, people, rates, month)
        yield Piece("transaction_history", rows, name)
        # A month that has not ended has no month-end figures yet.
        if plan.calendar.complete[month]:
            rows = deposits.deposit_balance(plan, people, held, month)
            yield Piece("deposit_balance", rows, name)
            rows = transactions.card_use(plan, people, bought[CARD], card_numbers, month)
            yield Piece("card_use", rows, name)
            yield Piece("app_login", transactions.app_login(plan, people, month), name)


def _truths(
    plan: Plan, people: Population, choices: list[Choices], outcomes: list[credit.Outcomes]
) -> Iterator[Piece]:
    """Yield what only the simulator knows: groups and styles, odds of purchases and defaults."""
    yield Piece(
        "truth_customer",
        pa.table(
            {
                "customer_id": people.ids,
                "deposit_group": pa.array(
                    np.array(groups.DEPOSIT_GROUPS)[people.deposit_group], pa.string()
                ),
                "insurance_group": pa.array(
                    np.array(groups.INSURANCE_GROUPS)[people.insurance_group], pa.string()
                ),
                "style": pa.array(np.array(groups.STYLES)[people.style], pa.string()),
            }
        ),
    )
    for choice in choices:
        width = len(plan.shelves[choice.family].codes)
        offsets = np.arange(len(choice.customer) + 1, dtype=np.int32) * width
        codes = pa.array(plan.shelves[choice.family].codes)
        yield Piece(
            "truth_purchase",
            pa.table(
                {
                    "customer_id": people.ids.take(pa.array(choice.customer)),
                    "family": pa.array([choice.family] * len(choice.customer), pa.string()),
                    "product_code": codes.take(pa.array(choice.product)),
                    "probability": pa.ListArray.from_arrays(
                        offsets, choice.probability.reshape(-1)
                    ),
                    "foreseeable": pa.ListArray.from_arrays(
                        offsets, choice.foreseeable.reshape(-1)
                    ),
                }
            ),
        )
    for outcome in outcomes:
        day = np.full(len(outcome.customer), outcome.observation_day)
        yield Piece(
            "truth_default",
            pa.table(
                {
                    "customer_id": people.ids.take(pa.array(outcome.customer)),
                    "observation_date": deposits.dates(day),
                    "probability": outcome.probability,
                    "defaulted": outcome.defaulted,
                }
            ),
        )
