"""Rules of each work table: what is counted, and what a count above zero means.

A rule is an SQL aggregate that counts the rows which break it, so that all rules of a table are
computed in one statement inside Hive (`figures.py`). The SQL is what both Hive and Spark accept.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

import pyarrow as pa

from passbook.contracts import FAMILIES, MANDATORY, WORK_TABLES, Column, Table

Severity = Literal["fail", "warn"]

ROWS: Final = "rows"
"""What a rule of a table as a whole has in place of a column."""
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
        SQL aggregate: rows that break the rule, never null. Over the table `t`, or over its
        groups `g` with their rows `g.n`.
    severity : str
        ``fail`` rejects the base date, ``warn`` records.
    overridable : bool
        Whether an operator may let a broken rule of severity ``fail`` pass for a base date: it
        says what is usual, and no later stage relies on it.
    where : str
        SQL condition of a row that breaks the rule; empty where it speaks of the whole table.
    group : tuple of str
        Columns by which rows are grouped before they are counted; empty: they are not.
    """

    column: str
    kind: str
    unexpected: str
    severity: Severity = "fail"
    overridable: bool = False
    where: str = ""
    group: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name in ``ops.quality_result``: column and kind."""
        return f"{self.column}.{self.kind}"

    @property
    def alias(self) -> str:
        """Name as a column of the figures."""
        return f"{self.column}__{self.kind}"


def _count(where: str, rows: str = "1") -> str:
    return f"COALESCE(SUM(CASE WHEN {where} THEN {rows} ELSE 0 END), 0)"


def row_rule(
    column: str,
    kind: str,
    where: str,
    severity: Severity = "fail",
    *,
    overridable: bool = False,
) -> Rule:
    """Return the rule that no row of `t` is one where a condition is true."""
    return Rule(column, kind, _count(where), severity, overridable, where)


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
    rules = [row_rule(c.name, "present", f"t.`{c.name}` IS NULL")
             for c in table.columns if not c.nullable]  # fmt: skip
    if table.key:
        rules.append(_unique(table.key))
    for column in table.columns:
        rules += _value_rules(column, base_date, empty_columns)
    return rules


def _unique(key: tuple[str, ...]) -> Rule:
    """Return the rule that counts rows beyond the first of each key, and rows without a key."""
    absent = " OR ".join(f"g.`{name}` IS NULL" for name in key)
    beyond = f"COALESCE(SUM(CASE WHEN {absent} THEN g.n ELSE g.n - 1 END), 0)"
    return Rule("key", "unique", beyond, where=f"g.n > 1 OR {absent}", group=key)


def _value_rules(column: Column, base_date: str, empty_columns: Collection[str]) -> list[Rule]:
    name, rules = f"t.`{column.name}`", []
    if column.event:
        rules.append(row_rule(column.name, FUTURE, f"{name} > {base_date}"))
        rules.append(row_rule(column.name, "plausible", f"{name} < DATE '{OLDEST_EVENT}'", "warn"))
    if column.codes:
        codes = ", ".join(f"'{code}'" for code in column.codes)
        rules.append(row_rule(column.name, "code", f"{name} NOT IN ({codes})"))
    if column.minimum is not None:
        rules.append(row_rule(column.name, "minimum", f"{name} < {_number(column.minimum)}"))
    if column.maximum is not None:
        rules.append(row_rule(column.name, "maximum", f"{name} > {_number(column.maximum)}"))
    if pa.types.is_floating(column.type):
        rules.append(row_rule(column.name, "finite", not_finite(name)))
    if column.nullable and not column.optional and column.name not in empty_columns:
        empty = f"CASE WHEN COUNT({name}) = 0 THEN COUNT(*) ELSE 0 END"
        rules.append(Rule(column.name, "not_all_null", empty, "warn"))
    return rules


def finite(name: str) -> str:
    """Return the SQL condition that a number is neither NaN nor infinite."""
    return f"ABS({name}) <= {LARGEST_DOUBLE}"


def not_finite(name: str) -> str:
    """Return the SQL condition that a number is NaN or infinite.

    Apache Hive turns NOT (x <= y) into x > y, which is false of NaN, and finds NaN between any two
    numbers when it works through rows in batches.
    """
    return f"CASE WHEN {name} IS NULL OR {finite(name)} THEN FALSE ELSE TRUE END"


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
        row_rule("holding_type", "agrees",
                 "CASE WHEN t.`holding_type` = '-' THEN '' ELSE t.`holding_type` END"
                 f" <> {_LETTERS}",
                 "warn"),
        row_rule("birth_date", "before_joining", "t.`birth_date` > t.`joined_on`", "warn"),
    ),
    "deposit_profile": (
        row_rule("account_count", "sum_of_parts", f"t.`account_count` <> {_PARTS}",
                 overridable=True),
    ),
    "product": (
        row_rule("sale_end", "after_start", "t.`sale_end` < t.`sale_start`", "warn"),
        row_rule("max_age", "after_min_age", "t.`max_age` < t.`min_age`", "warn"),
    ),
    "behaviour": (
        row_rule("amount_min", "below_max", "t.`amount_min` > t.`amount_max`", "warn"),
        row_rule("active_days", "within_txn_count", "t.`active_days` > t.`txn_count`", "warn"),
    ),
    **{f"{family}_holding": (
        row_rule("closed_on", "after_opening", "t.`closed_on` < t.`opened_on`", "warn"),)
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
    """Return a rule per reference: no row points to nothing (`figures.py` joins the others).

    Purchases of unknown customers can be overridden: recommendations leave them out.
    """
    rules = []
    for reference in references(table, offered):
        column = reference.column
        where = f"g.`{column}` IS NOT NULL AND {reference.table}_keys.k IS NULL"
        rules.append(
            Rule(
                column,
                "known",
                _count(where, "g.n"),
                overridable=column == "customer_id" and not table.key,
                where=where,
                group=table.key if column in table.key else (column,),
            )
        )
    return rules


def rules_of(
    name: str, base_date: str, offered: Collection[str], empty_columns: Collection[str] = ()
) -> list[Rule]:
    """Return every rule of a work table for a base date."""
    table = WORK_TABLES[name]
    empty = "CASE WHEN COUNT(*) = 0 THEN 1 ELSE 0 END"
    return [
        Rule(ROWS, NOT_EMPTY, empty, "fail" if name in MANDATORY else "warn"),
        *contract_rules(table, base_date, empty_columns),
        *_CONSISTENCY.get(name, ()),
        *reference_rules(table, offered),
    ]
