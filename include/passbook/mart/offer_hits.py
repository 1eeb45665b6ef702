"""Offers that came true: published lists against what their customers bought afterwards."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook.mart.connection import transaction
from passbook.mart.copy_stream import copy_blocks
from passbook.mart.wire import encode

_COUNT = """
    SELECT count(DISTINCT l.customer_id),
           count(DISTINCT l.customer_id) FILTER (WHERE a.product_code = ANY (l.product_codes))
    FROM pg_temp.acquired a
    JOIN mart.recommendation_list l
        ON l.base_date = %(base_date)s AND l.scenario = %(scenario)s
       AND l.customer_id = a.customer_id"""
_PUBLISHED = """
    SELECT FROM ops.publication WHERE mart_table = 'recommendation_list'
    AND base_date = %(base_date)s AND inputs ->> %(model)s = %(manifest_sha256)s"""


def count_offer_hits(
    connection: Connection,
    base_date: date,
    scenario: str,
    acquired: pa.Table,
    *,
    model: str,
    manifest_sha256: str,
) -> tuple[int, int]:
    """Return how many buyers had offers of a week, and how many of them bought one of these.

    Parameters
    ----------
    connection : psycopg2 connection
    base_date : datetime.date
        Week of the offers.
    scenario : str
    acquired : pyarrow.Table
        ``customer_id`` and ``product_code`` of what was bought since.
    model, manifest_sha256 : str
        Only offers that this version made count: (0, 0) where another one made them.
    """
    with transaction(connection) as cursor:
        known = {"base_date": base_date, "scenario": scenario, "model": model,
                 "manifest_sha256": manifest_sha256}  # fmt: skip
        cursor.execute(_PUBLISHED, known)
        if cursor.fetchone() is None:
            return 0, 0
        cursor.execute(
            'CREATE TEMPORARY TABLE acquired (customer_id text COLLATE "C", product_code text'
            ' COLLATE "C") ON COMMIT DROP'
        )
        batches = acquired.combine_chunks().to_batches()
        blocks = ([encode(column) for column in batch.columns] for batch in batches)
        copy_blocks(cursor, sql.Identifier("pg_temp", "acquired"), acquired.column_names, blocks)
        cursor.execute("ANALYZE pg_temp.acquired")
        cursor.execute(_COUNT, known)
        buyers, hits = cursor.fetchone() or (0, 0)
    return buyers, hits
