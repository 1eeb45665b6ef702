"""Register the demo bank's Parquet files as Hive tables of the bank."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from passbook.demo.bank.source_tables import SOURCE_TABLES, SourceTable
from passbook.errors import InputError

if TYPE_CHECKING:
    from passbook.hive import Hive

_HIVE_TYPES: Final = {
    pa.string(): "STRING",
    pa.date32(): "DATE",
    pa.int32(): "INT",
    pa.int64(): "BIGINT",
}


def register(hive: Hive, folder: Path, database: str = "demo") -> None:
    """Register the tables that `simulate` wrote as external tables, replacing earlier ones.

    Parameters
    ----------
    folder : pathlib.Path
        The simulation's folder; HiveServer2 must reach it under the same path.

    Raises
    ------
    InputError
        E803 when the folder holds no demo bank.
    """
    tables = (folder / "tables").resolve()
    missing = [name for name in SOURCE_TABLES if not (tables / name).is_dir()]
    if missing:
        raise InputError(f"{tables} has no {', '.join(missing)}: run `passbook simulate` first.")
    hive.execute(f"CREATE DATABASE IF NOT EXISTS {database}")
    for table in SOURCE_TABLES.values():
        hive.execute(f"DROP TABLE IF EXISTS {database}.{table.name}")
        hive.execute(create_statement(table, database, (tables / table.name).as_uri()))
        if table.partition:
            hive.execute(f"MSCK REPAIR TABLE {database}.{table.name}")


def create_statement(table: SourceTable, database: str, location: str) -> str:
    """Return the CREATE EXTERNAL TABLE of a source table whose files lie at `location`."""
    columns = ", ".join(f"{field.name} {_HIVE_TYPES[field.type]}" for field in table.schema)
    partitioned = f" PARTITIONED BY ({table.partition} STRING)" if table.partition else ""
    return (
        f"CREATE EXTERNAL TABLE {database}.{table.name} ({columns}) "
        f"COMMENT '{table.description.replace(chr(39), '')}'{partitioned} "
        f"STORED AS PARQUET LOCATION '{location}'"
    )
