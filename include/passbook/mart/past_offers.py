"""Read what was offered in earlier weeks, as Arrow, through COPY."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Sequence
from datetime import date
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)
from pyarrow import csv

from passbook.mart.connection import transaction

TABLES: Final = ("recommendation_list", "control_offer")
"""What was offered, and what the control group would have been."""
NEVER: Final = "never published"
"""Stands for the fingerprint of a week that has none."""
_SEPARATOR: Final = "\x1f"
_BLOCK_BYTES: Final = 1 << 28
_QUERY: Final = """
    COPY (SELECT customer_id, scenario, coalesce(segment, -1),
                 array_to_string(product_codes, {separator}),
                 array_to_string(explanations, {separator}), {control}
          FROM mart.{table} WHERE base_date = {day}) TO STDOUT (FORMAT csv)"""
_MODELS: Final = """
    SELECT coalesce(array_agg(explanation ORDER BY explanation), '{}'),
           coalesce(array_agg(model ORDER BY explanation), '{}')
    FROM mart.explanation WHERE base_date = %s"""
_TYPES: Final = {
    "customer_id": pa.string(),
    "scenario": pa.string(),
    "segment": pa.int32(),
    "product_codes": pa.string(),
    "explanations": pa.string(),
    "control": pa.bool_(),
}


def offer_fingerprints(connection: Connection, days: Sequence[date]) -> dict[str, str]:
    """Return the hashes of the offers of some base dates, by table and date."""
    return published_fingerprints(connection, [(table, day) for day in days for table in TABLES])


def published_fingerprints(
    connection: Connection, weeks: Collection[tuple[str, date]]
) -> dict[str, str]:
    """Return the hashes of tables of the mart and base dates, also of what there is none of."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT mart_table, base_date, sha256 FROM ops.publication"
            " WHERE mart_table = ANY(%s) AND base_date = ANY(%s)",
            ([table for table, _ in weeks], [day for _, day in weeks]),
        )
        found = {(table, day): sha256 for table, day, sha256 in cursor.fetchall()}
    return {f"{table} {day}": found.get((table, day), NEVER) for table, day in sorted(weeks)}


def past_offers(connection: Connection, day: date) -> Iterator[pa.Table]:
    """Yield the offers of a base date in blocks, those to the control group marked.

    Returns
    -------
    iterator of pyarrow.Table
        ``customer_id``, ``scenario``, ``segment`` (-1: none), ``product_codes``, ``models`` (lists)
        and ``control``.
    """
    with transaction(connection) as cursor:
        cursor.execute(_MODELS, (day,))
        numbers, models = cursor.fetchone() or ([], [])
    told = pa.array(map(str, numbers), pa.string()), pa.array(models, pa.string())
    for table in TABLES:
        with tempfile.TemporaryFile() as file:
            with transaction(connection) as cursor:
                cursor.copy_expert(_query(table, day), file)
            if file.tell():
                file.seek(0)
                yield from _blocks(file, *told)


def _query(table: str, day: date) -> sql.Composed:
    return sql.SQL(_QUERY).format(
        separator=sql.Literal(_SEPARATOR),
        control=sql.Literal(table == "control_offer"),
        table=sql.Identifier(table),
        day=sql.Literal(day),
    )


def _blocks(file: object, numbers: pa.Array, models: pa.Array) -> Iterator[pa.Table]:
    reader = csv.open_csv(
        file,
        csv.ReadOptions(column_names=list(_TYPES), block_size=_BLOCK_BYTES),
        csv.ParseOptions(newlines_in_values=True),
        csv.ConvertOptions(column_types=_TYPES, true_values=["t"], false_values=["f"],
                           strings_can_be_null=False),
    )  # fmt: skip
    for batch in reader:
        lists = {
            name: pc.split_pattern(batch[name], _SEPARATOR)
            for name in ("product_codes", "explanations")
        }
        explained = lists.pop("explanations")
        placed_by = models.take(pc.index_in(explained.flatten(), value_set=numbers))
        lists["models"] = pa.ListArray.from_arrays(explained.offsets, placed_by)
        plain = ("customer_id", "scenario", "segment", "control")
        yield pa.table({name: batch[name] for name in plain} | lists)
