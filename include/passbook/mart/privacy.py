"""The mart's side of privacy: the table of pseudonyms, masked analysts, records sealed anew."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from pyarrow import csv

from passbook.mart.connection import transaction
from passbook.mart.copy_stream import copy_blocks
from passbook.mart.prepare import OWNER
from passbook.mart.wire import WireColumn, encode

_BLOCK_ROWS = 65_536
_SEALED = """
    SELECT customer_id, encode(sealed, 'hex') FROM mart.credit_score_record
    WHERE base_date = %s AND sealed IS NOT NULL"""
_PUBLISHED_CUSTOMERS = """
    SELECT customer_id FROM mart.customer_segment
    UNION SELECT customer_id FROM mart.recommendation_list
    UNION SELECT customer_id FROM mart.credit_score"""

Pseudonymise = Callable[[pa.Array], pa.Array]
"""Takes customer numbers, returns their pseudonyms."""
Reseal = Callable[[pa.Array, pa.Array], pa.Array]
"""Takes customer numbers and sealed values, returns these sealed with the newest key."""


@dataclass(frozen=True)
class SealedWeek:
    """Records of a week that one version of the key sealed; None: nothing is sealed."""

    base_date: date
    key_version: int | None
    customers: int


def keep_pseudonyms(
    connection: Connection, customers: Iterable[pa.Array], pseudonymise: Pseudonymise
) -> int:
    """Add the pseudonyms of customers who have none yet; return how many these were.

    Parameters
    ----------
    connection : psycopg2 connection
        As the mart's loader or owner.
    customers : iterable of pyarrow.Array of string
        Blocks of customer numbers, none of them twice.
    pseudonymise : callable
    """
    with transaction(connection) as cursor:
        # Stages of a week run beside each other and would add the same customers.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('passbook pseudonym'))")
        known = _column(cursor, "SELECT customer_id FROM pseudonym.customer")
        added = 0

        def blocks() -> Iterator[list[WireColumn]]:
            nonlocal added
            for block in customers:
                new = block.filter(pc.invert(pc.is_in(block, value_set=known)))
                for start in range(0, len(new), _BLOCK_ROWS):
                    part = new.slice(start, _BLOCK_ROWS)
                    added += len(part)
                    yield [encode(part), encode(pseudonymise(part))]

        copy_blocks(
            cursor, sql.Identifier("pseudonym", "customer"), ("customer_id", "pseudonym"), blocks()
        )
    return added


def published_customers(connection: Connection) -> pa.Array:
    """Return the numbers of all customers whom a published week names."""
    with transaction(connection) as cursor:
        return _column(cursor, _PUBLISHED_CUSTOMERS)


def mask_analysts(connection: Connection, *, masked: bool) -> None:
    """Let analysts read pseudonyms in the schema ``masked``, or the mart itself again.

    Parameters
    ----------
    connection : psycopg2 connection
        As the mart's owner.
    """
    with transaction(connection) as cursor:
        cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(OWNER)))
        cursor.execute("SELECT ops.mask_analysts(%s)", (masked,))


def analysts_are_masked(connection: Connection) -> bool:
    """Return whether analysts read pseudonyms instead of customer numbers."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT ops.analysts_are_masked()")
        row = cursor.fetchone()
    return bool(row and row[0])


def sealed_weeks(connection: Connection) -> list[SealedWeek]:
    """Return which version of the key sealed which week of credit records."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT * FROM ops.sealed_weeks()")
        return [SealedWeek(*row) for row in cursor.fetchall()]


def drop_replaced_records(connection: Connection, base_date: date) -> None:
    """Drop earlier contents of a week's credit records, which older keys may have sealed.

    Parameters
    ----------
    connection : psycopg2 connection
        As the mart's owner.
    """
    with transaction(connection) as cursor:
        cursor.execute("SELECT ops.drop_replaced_records(%s)", (base_date,))


def reseal(connection: Connection, base_date: date, run_id: str, newest: int, anew: Reseal) -> int:
    """Seal a week's credit records anew, in one transaction; return how many these were.

    Parameters
    ----------
    connection : psycopg2 connection
        As the mart's owner.
    base_date : datetime.date
    run_id : str
    newest : int
        Version that `anew` seals with.
    anew : callable
    """
    with transaction(connection) as cursor:
        cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(OWNER)))
        cursor.execute('CREATE TABLE stage.resealed (customer_id text COLLATE "C", sealed bytea)')
        with tempfile.TemporaryFile() as file:
            query = cursor.mogrify(_SEALED, (base_date,)).decode()
            cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT csv)", file)
            blocks = _sealed_anew(file, anew)
            copy_blocks(
                cursor, sql.Identifier("stage", "resealed"), ("customer_id", "sealed"), blocks
            )
        cursor.execute("ANALYZE stage.resealed")
        cursor.execute(
            "SELECT ops.reseal(%s, %s, 'stage.resealed', %s)", (base_date, run_id, newest)
        )
        row = cursor.fetchone()
        cursor.execute("DROP TABLE stage.resealed")
    return int(row[0]) if row else 0


def _column(cursor: Cursor, query: str) -> pa.Array:
    """Return the one text column of a query, read in whole without an object a row."""
    content = io.BytesIO()
    cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT csv, FORCE_QUOTE *)", content)
    if not content.tell():
        return pa.array([], pa.string())
    content.seek(0)
    return _csv(content, ["value"]).read_all()["value"].combine_chunks()


def _sealed_anew(file: IO[bytes], anew: Reseal) -> Iterator[list[WireColumn]]:
    if not file.tell():
        return
    file.seek(0)
    for batch in _csv(file, ["customer_id", "sealed"]):
        yield [encode(batch["customer_id"]), encode(anew(batch["customer_id"], _bytes(batch)))]


def _bytes(batch: pa.RecordBatch) -> pa.Array:
    """Turn hexadecimal digits into bytes, all rows at once."""
    _, offsets, data = batch["sealed"].cast(pa.large_string()).buffers()
    ends = pa.Array.from_buffers(pa.int64(), len(batch) + 1, [None, offsets])
    halves = pc.divide(ends, 2).cast(pa.int32())
    content = bytes.fromhex(data.to_pybytes()[: ends[-1].as_py()].decode("ascii"))
    buffers = [None, halves.buffers()[1], pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.binary(), len(batch), buffers)


def _csv(file: IO[bytes], names: list[str]) -> csv.CSVStreamingReader:
    return csv.open_csv(
        file,
        read_options=csv.ReadOptions(column_names=names, block_size=1 << 24, use_threads=False),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )
