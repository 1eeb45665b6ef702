"""Write, audit, publish: a week's tables appear in the mart together, or not at all.

Everything happens in one transaction: COPY into a table in ``stage`` that no reader sees, the
audit, the proof that no offer breaks a hard rule, then the swap of the base date's partitions and
the ledger's rows. A writer that dies leaves nothing behind, because Postgres rolls back what it had
begun. The locks that readers feel are taken at the very end and only for the moment of the swap:
what was proved on the staged partition is what the swap shows.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from passbook.contracts import MART_TABLES, Table
from passbook.errors import AuditError, InputError
from passbook.mart import proof
from passbook.mart.audit import KeyOrder, audit_batch
from passbook.mart.code_version import stage_code
from passbook.mart.connection import transaction
from passbook.mart.content_hash import BLOCK_ROWS, ContentHash
from passbook.mart.copy_stream import copy_blocks
from passbook.mart.exchange import with_patience
from passbook.mart.wire import WireColumn, encode

if TYPE_CHECKING:
    from passbook.ledger import Fence

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Publication:
    """What was published: the same content gives the same sha256."""

    table: str
    base_date: date
    rows: int
    sha256: str


def publish(
    connection: Connection,
    fence: Fence,
    tables: Mapping[str, Iterable[pa.RecordBatch]],
    *,
    inputs: Mapping[str, str],
    lock_timeout_seconds: float = 30.0,
    cool_off_weeks: int = 0,
) -> list[Publication]:
    """Publish tables of one base date in one transaction.

    Parameters
    ----------
    connection : psycopg2 connection
        As the mart's loader. The iterables must not use it.
    fence : Fence
    tables : Mapping[str, iterable of pyarrow.RecordBatch]
        By name in ``contracts.MART_TABLES``; columns in contract order, rows sorted by key.
        Consumed block by block in another thread, one table after the other in this order.
    inputs : Mapping[str, str]
        Fingerprints of everything that the tables were computed from.
    lock_timeout_seconds : float
        Longest wait for readers to leave the old partitions.
    cool_off_weeks : int
        Weeks in which no customer is offered a product again.

    Returns
    -------
    list of Publication
        In the order of `tables`. Content that is published already stays as it is.

    Raises
    ------
    AuditError
        E702.
    ProofError
        E708 when offers break a hard rule.
    StaleWriterError
        E703 when a newer run has begun this stage and base date.
    MartBusyError
        E706 when readers kept their locks longer than `lock_timeout_seconds`.
    MartUnreachableError
        E701.
    """
    unknown = sorted(tables.keys() - MART_TABLES.keys())
    if unknown or not tables:
        raise InputError(f"The mart has no table {', '.join(unknown) or 'in an empty request'}.")
    started = time.perf_counter()
    fence_values = (fence.stage, fence.base_date, fence.token)
    with transaction(connection) as cursor:
        cursor.execute("SELECT ops.check_fence(%s, %s, %s)", fence_values)
    with transaction(connection) as cursor:
        done = {name: _stage(cursor, fence, name, tables[name]) for name in tables}
        if proof.PROVED in done:
            partitions = {name: staged.partition for name, staged in done.items()}
            proof.prove_offers(cursor, fence.base_date, partitions)
            proof.prove_rest(
                cursor, fence.base_date, partitions[proof.PROVED], inputs, cool_off_weeks
            )
            _audit_explanations(cursor, fence.base_date, done)
        _swap(cursor, fence, done, inputs, lock_timeout_seconds)
    for staged in done.values():
        log.info("Published %s: %s rows, sha256 %s", staged.name, staged.rows, staged.sha256)
    log.info("Published in %.1f s", time.perf_counter() - started)
    return [Publication(n, fence.base_date, done[n].rows, done[n].sha256) for n in tables]


@dataclass
class _Staged:
    """A table's new partition on its way, and what is learnt of it while it streams by."""

    name: str
    partition: str
    rows: int = 0
    sha256: str = ""
    explanations: pa.Array | None = None
    """The different explanations that its rows name."""


def _stage(cursor: Cursor, fence: Fence, name: str, batches: Iterable[pa.RecordBatch]) -> _Staged:
    """Fill the table's new partition, auditing and hashing every block on its way."""
    contract = MART_TABLES[name]
    cursor.execute("SELECT ops.create_stage_table(%s, %s)", (name, fence.base_date))
    staged = _Staged(name, _scalar(cursor))
    copy_blocks(
        cursor,
        sql.Identifier("stage", staged.partition),
        contract.column_names[1:],
        _audited(contract, fence.base_date, batches, staged),
        freeze=True,
    )
    if cursor.rowcount != staged.rows:
        raise AuditError(f"{name}: {staged.rows:,} rows were sent, {cursor.rowcount:,} arrived.")
    cursor.execute("SELECT ops.seal_stage_table(%s, %s)", (name, staged.partition))
    return staged


def _audited(
    contract: Table,
    base_date: date,
    batches: Iterable[pa.RecordBatch],
    staged: _Staged,
) -> Iterator[list[WireColumn]]:
    order, content = KeyOrder(contract), ContentHash()
    for block in in_blocks(contract.schema, batches, BLOCK_ROWS):
        audit_batch(contract, block, base_date)
        order.check(block)
        columns = [encode(column) for column in block.columns]
        content.update(columns)
        staged.rows += block.num_rows
        if "explanations" in contract.column_names:
            staged.explanations = _with(staged.explanations, block["explanations"].flatten())
        yield columns[1:]  # the stage table knows its base date
    staged.sha256 = content.hexdigest()


def in_blocks(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in blocks of exactly `rows`, the last one shorter."""
    names = schema.names
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        if batch.schema.names != names:
            raise AuditError(f"Columns are {batch.schema.names}, the contract says {names}.")
        rest = batch
        while count + rest.num_rows >= rows:
            take = rows - count
            yield _joined([*waiting, rest.slice(0, take)])
            rest, waiting, count = rest.slice(take), [], 0
        if rest.num_rows:
            waiting.append(rest)
            count += rest.num_rows
    if waiting:
        yield _joined(waiting)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return pa.concat_batches(batches) if len(batches) > 1 else batches[0]


def _with(known: pa.Array | None, more: pa.Array) -> pa.Array:
    """Return the different values of both."""
    values = pc.unique(more)
    return values if known is None else pc.unique(pa.concat_arrays([known, values]))


def _audit_explanations(cursor: Cursor, base_date: date, staged: Mapping[str, _Staged]) -> None:
    """Refuse explanations of offers that nobody could read."""
    name = sql.Identifier("mart", "explanation")
    if "explanation" in staged:
        name = sql.Identifier("stage", staged["explanation"].partition)
    query = sql.SQL("SELECT explanation FROM {} WHERE base_date = %s").format(name)
    cursor.execute(query, (base_date,))
    told = pa.array([number for (number,) in cursor.fetchall()], pa.int32())
    for table in staged.values():
        if table.explanations is not None:
            untold = pc.sum(pc.invert(pc.is_in(table.explanations, value_set=told))).as_py()
            if untold:
                raise AuditError(f"{untold} explanations of {table.name} are not told.")


def _swap(
    cursor: Cursor,
    fence: Fence,
    staged: Mapping[str, _Staged],
    inputs: Mapping[str, str],
    patience: float,
) -> None:
    """Swap all partitions and write the ledger, stepping back while readers hold locks."""
    text = json.dumps(dict(inputs), sort_keys=True, ensure_ascii=False)
    record = {
        "stage": fence.stage, "base_date": fence.base_date, "token": fence.token,
        "run_id": fence.run_id, "inputs": text, "code_version": stage_code(fence.stage),
        "inputs_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "tables": [s.name for s in staged.values()],
        "partitions": [s.partition for s in staged.values()],
        "rows": [s.rows for s in staged.values()],
        "sha256s": [s.sha256 for s in staged.values()],
    }  # fmt: skip
    with_patience(
        cursor,
        """SELECT ops.swap(%(stage)s, %(base_date)s, %(token)s, %(run_id)s, %(tables)s,
                           %(partitions)s, %(rows)s::bigint[], %(sha256s)s, %(inputs)s,
                           %(inputs_sha256)s, %(code_version)s)""",
        record,
        patience,
    )


def _scalar(cursor: Cursor) -> Any:
    row = cursor.fetchone()
    if row is None:
        raise LookupError("The statement returned no row.")
    return row[0]
