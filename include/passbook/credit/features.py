"""From work tables to one row of credit features a customer.

Sex, age and birth date are protected: they are never a feature, only what fairness is measured by.
Region is left out as well, because it can stand in for them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from passbook.errors import CreditInputError

PROTECTED: Final = ("sex", "birth_date", "age_band")


@dataclass(frozen=True)
class Feature:
    """A credit feature.

    Attributes
    ----------
    name : str
    english, korean : str
        What a customer may read in a reason.
    risk : int
        1 when more of it must never raise the index, -1 when more must never lower it, else 0.
    english_ends, korean_ends : tuple of str
        How little and how much of it are called, where `risk` tells which of them a reason means.
    """

    name: str
    english: str
    korean: str
    risk: int = 0
    english_ends: tuple[str, str] = ("low", "high")
    korean_ends: tuple[str, str] = ("낮음", "높음")


_COUNTED: Final = (("few or no", "many"), ("적음", "많음"))
FEATURES: Final[dict[str, tuple[Feature, ...]]] = {
    "customer": (
        Feature(
            "tenure_days", "time as a customer", "거래 기간", -1, ("short", "long"), ("짧음", "긺")
        ),
        Feature(
            "employed", "employment on record", "재직 여부", -1, ("no", "an"), ("아님", "재직")
        ),
        Feature("families_held", "kinds of products held", "보유 상품 종류"),
    ),
    "behaviour": (
        Feature("txn_count", "number of transactions", "거래 건수"),
        Feature("active_days", "days with a transaction", "거래 일수"),
        Feature("amount_mean", "usual transaction amount", "평균 거래 금액"),
        Feature("amount_max", "largest transaction", "최대 거래 금액"),
        Feature("amount_min", "smallest transaction", "최소 거래 금액"),
        Feature("amount_std", "spread of transaction amounts", "거래 금액의 편차"),
        Feature("amount_cv", "irregularity of transaction amounts", "거래 금액의 불규칙성"),
        Feature("investment_share", "share that goes into investments", "투자 비중"),
        Feature("transfer_share", "share of transfers", "이체 비중"),
        Feature("night_share", "share of transactions at night", "야간 거래 비중"),
        Feature("weekend_share", "share of transactions at weekends", "주말 거래 비중"),
        Feature("login_count", "use of the bank's app", "앱 이용 횟수"),
        Feature("days_since_last_txn", "time since the last transaction", "최근 거래 후 경과일"),
        Feature("income", "income on record", "등록 소득", -1),
        Feature("balance_volatility", "swings of the balance", "잔액 변동성", 1),
    ),
    "deposit_profile": (
        Feature("account_count", "number of deposit accounts", "예금 계좌 수"),
        Feature("deposit_amount", "payments into deposits", "입금액"),
        Feature("withdrawal_amount", "payments out of deposits", "출금액"),
        Feature("balance", "deposit balance", "예금 잔액", -1),
        Feature("avg_balance_3m", "average balance of three months", "3개월 평균 잔액", -1),
        Feature("avg_balance_1y", "average balance of a year", "1년 평균 잔액", -1),
        Feature(
            "overdraft_count",
            "overdrafts in the past year",
            "최근 1년 마이너스 사용 횟수",
            1,
            *_COUNTED,
        ),
        Feature(
            "arrears_count",
            "payments in arrears in the past year",
            "최근 1년 연체 건수",
            1,
            *_COUNTED,
        ),
        Feature("auto_payment_count", "direct debits set up", "자동납부 등록 수"),
        Feature("auto_transfer_count", "standing orders set up", "자동이체 등록 수"),
    ),
    "insurance_profile": (Feature("policy_count", "insurance policies in force", "보험 계약 수"),),
}
"""Features by the work table they come from."""

_CUSTOMER_COLUMNS: Final = (
    "customer_id", "occupation_group", "joined_on",
    "has_deposit", "has_insurance", "has_card", "has_fund",
)  # fmt: skip
_IMPOSSIBLE_SHARE: Final = 0.01


def needed_columns(table: str) -> tuple[str, ...]:
    """Return the columns of a work table that credit features read."""
    if table == "customer":
        return _CUSTOMER_COLUMNS
    return ("customer_id", *(feature.name for feature in FEATURES[table]))


def names(tables: Collection[str]) -> tuple[str, ...]:
    """Return the names of the features out of these work tables, in fixed order."""
    return tuple(
        feature.name for table, group in FEATURES.items() if table in tables for feature in group
    )


def build(tables: Mapping[str, pa.Table], as_of: date) -> pa.Table:
    """Join the work tables of one date into one row of features a customer.

    Parameters
    ----------
    tables : Mapping[str, pyarrow.Table]
        ``customer`` and ``behaviour``, and the profiles that the bank offers, each with
        `needed_columns` at least.
    as_of : datetime.date
        The date of the tables; the time as a customer counts to it.

    Returns
    -------
    pyarrow.Table
        ``customer_id`` and a float32 column a feature, sorted by ``customer_id``. A customer whom
        a table does not know has nulls there.

    Raises
    ------
    CreditInputError
        E502 when a customer occurs twice in a table.
    """
    customer = tables["customer"].select(_CUSTOMER_COLUMNS)
    customer = customer.take(pc.sort_indices(customer, sort_keys=[("customer_id", "ascending")]))
    ids = customer["customer_id"].combine_chunks()
    columns: dict[str, pa.Array | pa.ChunkedArray] = {"customer_id": ids}
    for name in FEATURES:
        if name == "customer":
            columns |= _customer_features(customer, as_of)
        elif name in tables:
            columns |= _looked_up(name, tables[name], ids)
    return pa.table(columns)


def _customer_features(customer: pa.Table, as_of: date) -> dict[str, pa.Array | pa.ChunkedArray]:
    days = pc.days_between(customer["joined_on"], pa.scalar(as_of, pa.date32()))
    group = customer["occupation_group"]
    employed = pc.if_else(
        pc.equal(group, "unknown"), pa.scalar(None, pa.float32()),
        pc.equal(group, "employed").cast(pa.float32()),
    )  # fmt: skip
    held = [
        customer[name].cast(pa.float32()) for name in _CUSTOMER_COLUMNS if name.startswith("has_")
    ]
    families = held[0]
    for column in held[1:]:
        families = pc.add(families, column)
    return {
        "tenure_days": days.cast(pa.float32()),
        "employed": employed,
        "families_held": families,
    }


def _looked_up(name: str, table: pa.Table, ids: pa.Array) -> dict[str, pa.Array]:
    """Bring a table's features into the order of `ids`."""
    keys = table["customer_id"]
    if pc.count_distinct(keys).as_py() != table.num_rows:
        raise CreditInputError(f"{name} knows some customers more than once.")
    position = pc.index_in(ids, value_set=keys)
    return {
        feature.name: table[feature.name]
        .cast(pa.float32(), safe=False)
        .take(position)
        .combine_chunks()
        for feature in FEATURES[name]
    }


def as_matrix(features: pa.Table | pa.RecordBatch, names: tuple[str, ...]) -> np.ndarray:
    """Return feature columns as a float32 matrix of shape (rows, features); missing is NaN.

    Raises
    ------
    CreditInputError
        E502 when a feature is not there.
    """
    absent = sorted(set(names) - set(features.schema.names))
    if absent:
        raise CreditInputError(f"The model needs features that are not there: {absent}.")
    matrix = np.empty((features.num_rows, len(names)), np.float32)
    for place, name in enumerate(names):
        matrix[:, place] = features[name].to_numpy(zero_copy_only=False)
    return matrix


def reject_impossible(features: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    """Make negative and infinite values missing, and count them by feature.

    No credit feature can be below zero. A handful of such values are slips that the model may
    treat as unknown; a column full of them is a broken feed.

    Raises
    ------
    CreditInputError
        E502 naming the feature, when over 1 % of its values are impossible.
    """
    counts: dict[str, int] = {}
    for place, name in enumerate(features.column_names):
        if name == "customer_id":
            continue
        column = features[name]
        possible = pc.and_(pc.is_finite(column), pc.greater_equal(column, 0))
        impossible = features.num_rows - column.null_count - (pc.sum(possible).as_py() or 0)
        if not impossible:
            continue
        if impossible > max(1.0, _IMPOSSIBLE_SHARE * features.num_rows):
            raise CreditInputError(f"{impossible} values of {name} are negative or infinite.")
        counts[name] = impossible
        kept = pc.if_else(possible, column, pa.scalar(None, pa.float32()))
        features = features.set_column(place, name, kept)
    return features, counts
