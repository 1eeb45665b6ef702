"""The audit of rows on their way into Postgres: contract, key order, ranges, codes.

Vectorised over record batches. What is said of a fault is a column and a count, never a value.
"""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from passbook.contracts import Column, Table
from passbook.errors import AuditError


def audit_batch(table: Table, batch: pa.RecordBatch, base_date: date) -> None:
    """Check one batch against the contract.

    Raises
    ------
    AuditError
        E702 when the schema differs, a row speaks of another base date, a mandatory value is
        missing, a number is not finite or out of range, or a code is unknown.
    """
    expected = pa.schema([(c.name, c.type) for c in table.columns])
    found = pa.schema([(f.name, f.type) for f in batch.schema])
    if found != expected:
        differing = [f.name for f in found if f not in expected] or "order or missing columns"
        raise AuditError(f"{table.name} differs from its contract in: {differing}.")
    if not _all(pc.equal(batch["base_date"], pa.scalar(base_date, pa.date32()))):
        raise AuditError(f"{table.name} holds rows of another base date than {base_date}.")
    for column in table.columns:
        _audit_column(table.name, column, batch[column.name])
    lists = [batch[c.name] for c in table.columns if pa.types.is_list(c.type)]
    for other in lists[1:]:
        if not pc.list_value_length(lists[0]).equals(pc.list_value_length(other)):
            raise AuditError(f"{table.name} holds lists of different lengths in a row.")


def _audit_column(table: str, column: Column, values: pa.Array) -> None:
    what = f"{table}.{column.name}"
    if values.null_count and not column.nullable:
        raise AuditError(f"{what} is missing in {values.null_count:,} rows.")
    if pa.types.is_list(values.type):
        values = values.flatten()
        if values.null_count:
            raise AuditError(f"{what} holds {values.null_count:,} missing elements.")
    if column.finite and pa.types.is_floating(values.type):
        _refuse(what, "not finite", pc.invert(pc.is_finite(values)))
    if column.minimum is not None:
        _refuse(what, f"below {column.minimum:g}", pc.less(values, column.minimum))
    if column.maximum is not None:
        _refuse(what, f"above {column.maximum:g}", pc.greater(values, column.maximum))
    if column.codes:
        known = pc.is_in(values, value_set=pa.array(column.codes), skip_nulls=False)
        _refuse(what, "no known code", pc.and_(pc.invert(known), values.is_valid()))


class KeyOrder:
    """Checks across batches that keys rise strictly, which also proves them unique."""

    def __init__(self, table: Table) -> None:
        self._table = table.name
        self._key = [name for name in table.key if name != "base_date"]
        self._last: pa.RecordBatch | None = None

    def check(self, batch: pa.RecordBatch) -> None:
        """Check a batch and its seam with the one before.

        Raises
        ------
        AuditError
            E702.
        """
        if batch.num_rows == 0:
            return
        keys = batch.select(self._key)
        if self._last is not None and not _rises(self._last, keys.slice(0, 1)):
            self._refuse()
        count = keys.num_rows - 1
        if count and not _rises(keys.slice(0, count), keys.slice(1)):
            self._refuse()
        self._last = keys.slice(count)

    def _refuse(self) -> None:
        raise AuditError(
            f"{self._table} is not sorted by {', '.join(self._key)}, or holds a key twice."
        )


def _rises(before: pa.RecordBatch, after: pa.RecordBatch) -> bool:
    """Whether each row's key is greater than its partner's, compared column by column."""
    rises = pa.scalar(False)
    for name in reversed(before.schema.names):
        equal = pc.and_(pc.equal(before[name], after[name]), rises)
        rises = pc.or_(pc.less(before[name], after[name]), equal)
    return _all(rises)


def _all(flags: pa.Array) -> bool:
    return bool(pc.all(pc.fill_null(flags, False), min_count=0).as_py())


def _refuse(what: str, fault: str, flags: pa.Array) -> None:
    count = pc.sum(flags).as_py()
    if count:
        raise AuditError(f"{what} is {fault} in {count:,} rows.")
