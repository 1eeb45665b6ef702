"""The files that a new source adapter starts from: a commented SELECT per work table."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow as pa

from passbook.contracts import MANDATORY, WORK_TABLES, Column, Table
from passbook.errors import InputError, StorageError

HIVE_TYPES: Final = {
    pa.string(): "STRING",
    pa.date32(): "DATE",
    pa.bool_(): "BOOLEAN",
    pa.int32(): "INT",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
}
"""Hive's name of each type that a contract uses."""
_RESERVED: Final = ("group",)
"""Column names of the contract that Hive's SQL wants quoted."""


def hive_type(kind: pa.DataType) -> str:
    """Return what Hive calls a type; one that no contract uses keeps Arrow's name."""
    return HIVE_TYPES.get(kind, str(kind).upper())


def write(folder: Path) -> list[Path]:
    """Write an adapter's files into a new folder.

    Raises
    ------
    InputError
        E803 when the folder is there already: nothing is overwritten.
    StorageError
        E805 when it cannot be made.
    """
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise InputError(f"{folder} exists already; nothing was written.") from None
    except OSError as error:
        raise StorageError(f"{folder}: {error.strerror}.") from None
    written = []
    for table in WORK_TABLES.values():
        path = folder / f"{table.name}.sql"
        path.write_text(select_template(table), encoding="utf-8")
        written.append(path)
    return written


def select_template(table: Table) -> str:
    """Return a SELECT that has the contract's columns and waits for the bank's own."""
    key = f"Key: {', '.join(table.key)}." if table.key else "No key: rows may repeat."
    if table.name in MANDATORY:
        need = "Mandatory."
    elif table.name.endswith("_holding"):
        need = "One holding table is mandatory; delete this file if the bank has no such products."
    else:
        need = "Optional: delete this file if the bank has no such data."
    lines = [
        f"    -- {_meaning(c)}\n    CAST(NULL AS {hive_type(c.type)}) AS {_quoted(c)}"
        for c in table.columns
    ]
    return (
        f"-- {table.description}\n-- {key} {need}\n"
        "-- Replace each CAST(NULL AS type) by the bank's own column, cast to that type; a column\n"
        "-- that may be null and that the bank doesn't have stays as it is.\n"
        "-- ${base_date} is the date to speak for, ${bank} the database of the bank's tables.\n"
        "SELECT\n" + ",\n".join(lines) + "\nFROM ${bank}.your_table\n"
        "WHERE your_date <= ${base_date}\n"
    )


def _meaning(column: Column) -> str:
    parts = [column.description, "may be null" if column.nullable else "never null"]
    if column.optional:
        parts.append("may be left out")
    if column.codes:
        parts.append(f"one of {' | '.join(column.codes)}")
    if column.event:
        parts.append("not after ${base_date}")
    return ", ".join(parts)


def _quoted(column: Column) -> str:
    return f"`{column.name}`" if column.name in _RESERVED else column.name
