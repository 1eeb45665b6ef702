"""One statement a work table that counts, in one scan, what every rule asks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from passbook.contracts import WORK_TABLES
from passbook.quality.rules import Rule, references

ROWS: Final = "row_count"


def figures_sql(
    name: str, rules: Sequence[Rule], database: str, base_date: str, offered: Collection[str]
) -> str:
    """Return a SELECT of one row: the table's rows, and for each rule the rows that break it.

    Parameters
    ----------
    name : str
        Work table.
    rules : sequence of Rule
    database : str
        Hive database of the work tables.
    base_date : str
        As an SQL literal.
    offered : collection of str
        Work tables of the source: references to others are not looked up.
    """
    counts = [f"COUNT(*) AS `{ROWS}`"]
    counts += [f"CAST({rule.unexpected} AS BIGINT) AS `{rule.alias}`" for rule in rules]
    joins = [
        f"LEFT JOIN (SELECT DISTINCT `{WORK_TABLES[r.table].key[0]}` AS k "
        f"FROM {database}.{r.table} WHERE base_date = {base_date}) {r.table}_keys "
        f"ON t.`{r.column}` = {r.table}_keys.k"
        for r in references(WORK_TABLES[name], offered)
    ]
    return "\n".join(
        [
            "SELECT",
            "    " + ",\n    ".join(counts),
            f"FROM {database}.{name} t",
            *joins,
            f"WHERE t.base_date = {base_date}",
        ]
    )
