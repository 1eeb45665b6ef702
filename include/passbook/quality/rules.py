"""Rules of each work table: what is counted, and what a count above zero means.

A rule is an SQL aggregate that counts the rows which break it, so that all rules of a table are
computed in one scan inside Hive (`figures.py`). The SQL is what both Hive and Spark accept.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

import pyarrow as pa

from passbook.contracts import FAMILIES, MANDATORY, WORK_TABLES, Column, Table

Severity = Literal["fail", "warn"]

NOT_EMPTY: Final = "not_empty"
FUTURE: Final = "not_future"
KEY_RULES: Final = ("present", "unique")
LARGEST_DOUBLE: Final = "1.7976931348623157E308"
OLDEST_EVENT: Final = "1900-01-02"
"""1900-01-01 and earlier stand for "unknown" in many a bank's systems."""


@dataclass(frozen=True)
class Rule:
    """A rule of a work table.

    Attributes
    ----------
    column : str
        A column, or ``key`` for the table's key and ``rows`` for the table as a whole.
    kind : str
        What is asked: ``present``, ``unique``, ``code``, …
    unexpected : str
        SQL aggregate over the table `t`: rows that break the rule, never null.
    severity : str
        ``fail`` rejects the base date, ``warn`` records.
    """

    column: str
    kind: str
    unexpected: str
    severity: Severity = "fail"

    @property
    def name(self) -> str:
        """Name in ``ops.quality_result``: column and kind."""
        return f"{self.column}.{self.kind}"

    @property
    def alias(self) -> str:
        """Name as a column of the figures."""
        return f"{self.column}__{self.kind}"


def count_where(condition: str) -> str:
    """Return the SQL aggregate that counts the rows where `condition` is true."""
    return f"COALESCE(SUM(CASE WHEN {condition} THEN 1 ELSE 0 END), 0)"


def contract_rules(table: Table, base_date: str, empty_columns: Collection[str] = ()) -> list[Rule]:
    """Return what the contract says of a table's columns and key.

    Parameters
    ----------
    table : Table
    base_date : str
        As an SQL literal, ``DATE '2022-12-04'``.
    empty_columns : collection of str
        Columns that the adapter leaves null on purpose.
    """
    rules = [Rule(c.name, "present", count_where(f"t.`{c.name}` IS NULL"))
             for c in table.columns if not c.nullable]  # fmt: skip
    if table.key:
        key = ", ".join(f"t.`{name}`" for name in table.key)
        rules.append(Rule("key", "unique", f"COUNT(*) - COUNT(DISTINCT {key})"))
    for column in table.columns:
        rules += _value_rules(column, base_date, empty_columns)
    return rules


def _value_rules(column: Column, base_date: str, empty_columns: Collection[str]) -> list[Rule]:
    name, rules = f"t.`{column.name}`", []
    if column.event:
        rules.append(Rule(column.name, FUTURE, count_where(f"{name} > {base_date}")))
        old = count_where(f"{name} < DATE '{OLDEST_EVENT}'")
        rules.append(Rule(column.name, "plausible", old, "warn"))
    if column.codes:
        codes = ", ".join(f"'{code}'" for code in column.codes)
        rules.append(Rule(column.name, "code", count_where(f"{name} NOT IN ({codes})")))
    if column.minimum is not None:
        rules.append(
            Rule(column.name, "minimum", count_where(f"{name} < {_number(column.minimum)}"))
        )
    if column.maximum is not None:
        rules.append(
            Rule(column.name, "maximum", count_where(f"{name} > {_number(column.maximum)}"))
        )
    if pa.types.is_floating(column.type):
        finite = f"{name} BETWEEN -{LARGEST_DOUBLE} AND {LARGEST_DOUBLE}"
        rules.append(Rule(column.name, "finite", count_where(f"NOT ({finite})")))
    if column.nullable and column.name not in empty_columns:
        empty = f"CASE WHEN COUNT({name}) = 0 THEN COUNT(*) ELSE 0 END"
        rules.append(Rule(column.name, "not_all_null", empty, "warn"))
    return rules


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


_PARTS = "t.`time_deposit_count` + t.`installment_count` + t.`demand_count`"
_LETTERS = "concat({})".format(
    ", ".join(
        f"CASE WHEN t.`has_{word}` THEN '{word[0].upper()}' ELSE '' END"
        for word in ("deposit", "insurance", "card", "fund")
    )
)
_CONSISTENCY: Final[dict[str, tuple[Rule, ...]]] = {
    "customer": (
        Rule("holding_type", "agrees", count_where(
            f"CASE WHEN t.`holding_type` = '-' THEN '' ELSE t.`holding_type` END <> {_LETTERS}"),
            "warn"),
        Rule("birth_date", "before_joining", count_where("t.`birth_date` > t.`joined_on`"), "warn"),
    ),
    "deposit_profile": (
        Rule("account_count", "sum_of_parts", count_where(f"t.`account_count` <> {_PARTS}")),
    ),
    "product": (
        Rule("sale_end", "after_start", count_where("t.`sale_end` < t.`sale_start`"), "warn"),
        Rule("max_age", "after_min_age", count_where("t.`max_age` < t.`min_age`"), "warn"),
    ),
    "behaviour": (
        Rule("amount_min", "below_max", count_where("t.`amount_min` > t.`amount_max`"), "warn"),
        Rule("active_days", "within_txn_count", count_where(
            "t.`active_days` > t.`txn_count`"), "warn"),
    ),
    **{f"{family}_holding": (
        Rule("closed_on", "after_opening", count_where("t.`closed_on` < t.`opened_on`"), "warn"),)
        for family in FAMILIES},
}  # fmt: skip


@dataclass(frozen=True)
class Reference:
    """A column whose values are keys of another work table."""

    column: str
    table: str


def references(table: Table, offered: Collection[str]) -> list[Reference]:
    """Return what a table's rows refer to, among the tables that the source offers."""
    return [
        Reference(column, other)
        for column, other in (("customer_id", "customer"), ("product_code", "product"))
        if column in table.column_names and other in offered and other != table.name
    ]


def reference_rules(table: Table, offered: Collection[str]) -> list[Rule]:
    """Return a rule per reference: no row points to nothing (`figures.py` joins the others)."""
    return [
        Rule(
            reference.column,
            "known",
            count_where(f"t.`{reference.column}` IS NOT NULL AND {reference.table}_keys.k IS NULL"),
        )
        for reference in references(table, offered)
    ]


def rules_of(
    name: str, base_date: str, offered: Collection[str], empty_columns: Collection[str] = ()
) -> list[Rule]:
    """Return every rule of a work table for a base date."""
    table = WORK_TABLES[name]
    empty = "CASE WHEN COUNT(*) = 0 THEN 1 ELSE 0 END"
    return [
        Rule("rows", NOT_EMPTY, empty, "fail" if name in MANDATORY else "warn"),
        *contract_rules(table, base_date, empty_columns),
        *_CONSISTENCY.get(name, ()),
        *reference_rules(table, offered),
    ]
