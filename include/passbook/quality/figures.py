"""One statement that counts, in one scan of each work table, what every rule asks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from passbook.contracts import WORK_TABLES
from passbook.quality.rules import Rule, references

ROWS: Final = "row_count"


def column_of(table: str, alias: str) -> str:
    """Return the name of a figure of a work table."""
    return f"{table}__{alias}"


def figures_sql(rules: Mapping[str, Sequence[Rule]], database: str, base_date: str) -> str:
    """Return a SELECT of one row: each table's rows, and for each rule the rows that break it.

    The tables are counted apart and joined as single rows, so that the engine may scan them at
    the same time.

    Parameters
    ----------
    rules : mapping of str to sequence of Rule
        Rules of each work table that the source offers.
    database : str
        Hive database of the work tables.
    base_date : str
        As an SQL literal.
    """
    names, parts = [], []
    for table, asked in rules.items():
        aliases = [ROWS, *(rule.alias for rule in asked)]
        names += [f"f_{table}.`{column_of(table, alias)}`" for alias in aliases]
        counted = f"(\n{_count(table, asked, database, base_date, rules.keys())}\n) f_{table}"
        first = next(iter(rules))
        condition = "" if table == first else f" ON f_{first}.one = f_{table}.one"
        parts.append(counted + condition)
    return "SELECT\n    " + ",\n    ".join(names) + "\nFROM " + "\nJOIN ".join(parts)


def _count(
    table: str, rules: Sequence[Rule], database: str, base_date: str, offered: Collection[str]
) -> str:
    counts = [f"COUNT(*) AS `{column_of(table, ROWS)}`", "1 AS one"]
    counts += [
        f"CAST({rule.unexpected} AS BIGINT) AS `{column_of(table, rule.alias)}`" for rule in rules
    ]
    joins = [
        f"LEFT JOIN (SELECT DISTINCT `{WORK_TABLES[r.table].key[0]}` AS k "
        f"FROM {database}.{r.table} WHERE base_date = {base_date}) {r.table}_keys "
        f"ON t.`{r.column}` = {r.table}_keys.k"
        for r in references(WORK_TABLES[table], offered)
    ]
    return "\n".join(
        [
            "SELECT",
            "    " + ",\n    ".join(counts),
            f"FROM {database}.{table} t",
            *joins,
            f"WHERE t.base_date = {base_date}",
        ]
    )
