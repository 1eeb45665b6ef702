"""CSV files as Hive tables of a bank, for trying Passbook on an extract."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from passbook.errors import InputError

if TYPE_CHECKING:
    from passbook.hive import Hive

_BLOCK_BYTES: Final = 64 << 20
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_HIVE_TYPES: Final = {
    pa.string(): "STRING",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.date32(): "DATE",
}


def load_csv(
    hive: Hive,
    file: Path,
    folder: Path,
    database: str,
    *,
    types: dict[str, pa.DataType] | None = None,
) -> int:
    """Register a CSV file with a header as the table ``database.<file's name>``, replacing it.

    Types are read off the first block: BIGINT, DOUBLE, BOOLEAN, DATE (``YYYY-MM-DD``); anything
    else, moments in time included, is STRING as it stands in the file.

    Parameters
    ----------
    hive : Hive
    file : pathlib.Path
    folder : pathlib.Path
        Where the Parquet file goes; HiveServer2 must reach it under the same path.
    database : str
    types : dict, optional
        Types of the columns to load; default all columns, types as read.

    Returns
    -------
    int
        Rows loaded.

    Raises
    ------
    InputError
        E803 when the file is missing, is no CSV file, or has names that Hive doesn't take.
    """
    table = _plain_name(file.stem, "the file's name")
    place = (folder / table).resolve()
    schema, rows = _write_parquet(file, place, types)
    columns = ", ".join(
        f"`{_plain_name(field.name, 'a column')}` {_HIVE_TYPES[field.type]}" for field in schema
    )
    hive.execute(f"CREATE DATABASE IF NOT EXISTS {_plain_name(database, 'the database')}")
    hive.execute(f"DROP TABLE IF EXISTS {database}.{table}")
    hive.execute(
        f"CREATE EXTERNAL TABLE {database}.{table} ({columns}) STORED AS PARQUET "
        f"LOCATION '{place.as_uri()}'"
    )
    return rows


def _write_parquet(
    file: Path, place: Path, types: dict[str, pa.DataType] | None
) -> tuple[pa.Schema, int]:
    """Write the CSV as one Parquet file block by block; return its schema and rows."""
    convert = csv.ConvertOptions(
        column_types=types,
        include_columns=list(types) if types else None,
        timestamp_parsers=["%Y-%m-%d"],
        strings_can_be_null=True,
    )
    read = csv.ReadOptions(block_size=_BLOCK_BYTES)
    try:
        with csv.open_csv(file, read_options=read, convert_options=convert) as reader:
            schema = pa.schema([(field.name, _kept(field.type)) for field in reader.schema])
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            rows = 0
            with pq.ParquetWriter(place / f"{file.stem}.parquet", schema) as writer:
                for batch in reader:
                    writer.write_table(pa.Table.from_batches([batch]).cast(schema))
                    rows += batch.num_rows
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise InputError(f"{file}: {str(error).splitlines()[0]}.") from None
    return schema, rows


def _kept(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.date32()
    return kind if kind in _HIVE_TYPES else pa.string()


def _plain_name(name: str, what: str) -> str:
    plain = name.lower()
    if not _NAME.fullmatch(plain):
        raise InputError(f"{name!r} ({what}) is no name in Hive: letters, digits and _ only.")
    return plain
