"""The proof that no offer breaks a hard rule, asked of Postgres before a week becomes visible."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from importlib.resources import files
from typing import Any, Final

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (it is a class)

from passbook.errors import ProofError

PROVED: Final = "recommendation_list"
_READS: Final = {"lists": PROVED, "customers": "offer_customer", "products": "product"}
_WORK_MEMORY: Final = "256MB"
_LIMITS: Final = sql.SQL("""
    SELECT coalesce(array_agg(DISTINCT age ORDER BY age) FILTER (WHERE age IS NOT NULL), '{{}}'),
           coalesce(array_agg(DISTINCT customer_type) FILTER (WHERE customer_type IS NOT NULL),
                    '{{}}')
    FROM {products} CROSS JOIN LATERAL (VALUES (min_age), (max_age + 1)) AS limits (age)
    WHERE base_date = {base_date}
""")
"""Ages where a product's limits begin and end, and the customer types that products are for."""


def prove_offers(cursor: Cursor, base_date: date, partitions: Mapping[str, str]) -> None:
    """Refuse offers that break a hard rule.

    Parameters
    ----------
    cursor : psycopg2 cursor
        Inside the transaction that publishes.
    base_date : datetime.date
    partitions : Mapping[str, str]
        Staged partition by table; what is not published along is read from the mart.

    Raises
    ------
    ProofError
        E708 with the number of offers by rule.
    """
    tables = {
        name: sql.Identifier("stage", partitions[table])
        if table in partitions
        else sql.Identifier("mart", table)
        for name, table in _READS.items()
    }
    cursor.execute(_LIMITS.format(**tables, base_date=sql.Literal(base_date)))
    ((ages, customer_types),) = cursor.fetchall()
    found = _ask(
        cursor, "prove_offers", **tables, base_date=sql.Literal(base_date),
        ages=sql.Literal(ages), customer_types=sql.Literal(customer_types),
    )  # fmt: skip
    broken = [f"{offers:,} {rule}" for rule, offers in found]
    if broken:
        raise ProofError(f"Offers for {base_date}: {'; '.join(broken)}.")


def prove_rest(
    cursor: Cursor, base_date: date, partition: str, inputs: Mapping[str, str], weeks: int
) -> None:
    """Refuse offers of what the same customer was offered in the weeks before.

    A week that was published anew since its offers were read proves nothing: this one is stale
    then, which `mart.stale_week` tells.

    Parameters
    ----------
    cursor, base_date
        As of `prove_offers`.
    partition : str
        Staged partition of `PROVED`.
    inputs : Mapping[str, str]
        What the offers were made from, with the hashes of earlier weeks' offers.
    weeks : int
        Of the cool-off; nothing is asked where there is none.

    Raises
    ------
    ProofError
        E708 with the number of offers.
    """
    days = [base_date - timedelta(weeks=n + 1) for n in range(weeks)]
    if not days:
        return
    cursor.execute(
        "SELECT base_date, sha256 FROM ops.publication"
        " WHERE mart_table = %s AND base_date = ANY(%s)",
        (PROVED, days),
    )
    read = [day for day, sha256 in cursor.fetchall() if inputs.get(f"{PROVED} {day}") == sha256]
    ((offers,),) = _ask(
        cursor, "prove_rest", lists=sql.Identifier("stage", partition),
        earlier=sql.Identifier("mart", PROVED), base_date=sql.Literal(base_date),
        days=sql.Literal(read),
    )  # fmt: skip
    if offers:
        raise ProofError(f"Offers for {base_date}: {offers:,} offered of late.")


def _ask(cursor: Cursor, query: str, **values: sql.Composable) -> list[tuple[Any, ...]]:
    """Return the rows of a query of `sql/mart`, with memory enough for a week of lists."""
    text = (files("passbook") / "sql" / "mart" / f"{query}.sql").read_text("utf-8")
    cursor.execute("SELECT set_config('work_mem', %s, true)", (_WORK_MEMORY,))
    cursor.execute(sql.SQL(text).format(**values))
    return cursor.fetchall()
