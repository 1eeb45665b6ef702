"""HiveServer2's columnar Thrift answers as Arrow."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from TCLIService import ttypes

_ID = ttypes.TTypeId
_TYPES: Final = {
    _ID.BOOLEAN_TYPE: pa.bool_(),
    _ID.TINYINT_TYPE: pa.int8(),
    _ID.SMALLINT_TYPE: pa.int16(),
    _ID.INT_TYPE: pa.int32(),
    _ID.BIGINT_TYPE: pa.int64(),
    _ID.FLOAT_TYPE: pa.float32(),
    _ID.DOUBLE_TYPE: pa.float64(),
    _ID.BINARY_TYPE: pa.binary(),
    _ID.DATE_TYPE: pa.date32(),
    _ID.TIMESTAMP_TYPE: pa.timestamp("us"),
}
"""Hive's types in Arrow; DECIMAL carries its precision, anything else comes as text."""

_MEMBERS: Final = (
    "boolVal",
    "byteVal",
    "i16Val",
    "i32Val",
    "i64Val",
    "doubleVal",
    "stringVal",
    "binaryVal",
)


def to_schema(columns: list[Any]) -> pa.Schema:
    """Return the Arrow schema of a result set's description.

    Hive names columns of a joined result ``table.column``; the last part is kept.
    """
    return pa.schema([(c.columnName.rsplit(".", 1)[-1], _type(c.typeDesc)) for c in columns])


def _type(description: Any) -> pa.DataType:
    entry = description.types[0].primitiveEntry
    if entry is None:
        return pa.string()
    if entry.type == _ID.DECIMAL_TYPE:
        qualifiers = entry.typeQualifiers.qualifiers if entry.typeQualifiers else {}
        precision, scale = (
            qualifiers[name].i32Value if name in qualifiers else default
            for name, default in (("precision", 38), ("scale", 18))
        )
        return pa.decimal128(precision, scale)
    return _TYPES.get(entry.type, pa.string())


def to_batch(columns: list[Any], schema: pa.Schema) -> pa.RecordBatch:
    """Return one answer's columns as a record batch of `schema`."""
    arrays = [_array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.record_batch(arrays, schema=schema)


def _array(column: Any, type_: pa.DataType) -> pa.Array:
    values = next(v for name in _MEMBERS if (v := getattr(column, name)) is not None)
    bits = np.frombuffer(values.nulls, np.uint8)
    rows = len(values.values)
    # The bitmap may be shorter than the rows: what it leaves out is present.
    mask = np.zeros(rows, bool)
    known = np.unpackbits(bits, bitorder="little")[:rows]
    mask[: len(known)] = known
    if pa.types.is_decimal(type_):
        exact = [None if null else Decimal(v) for v, null in zip(values.values, mask, strict=True)]
        return pa.array(exact, type_)
    if pa.types.is_date32(type_) or pa.types.is_timestamp(type_):
        return pc.cast(pa.array(values.values, pa.string(), mask=mask), type_)
    return pa.array(values.values, type_, mask=mask)
