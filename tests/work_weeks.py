"""Work tables in Hive and models in force, for tests of stages on real servers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import artifacts, hive, ledger
from passbook.contracts import WORK_TABLES
from passbook.source_template import HIVE_TYPES
from passbook.steps.challenger import Challenger


@contextmanager
def work_database(hive_url: str, database: str) -> Iterator[hive.Hive]:
    """Have an empty database of work tables while the block runs; yield Hive."""
    with hive.connect(hive_url) as connection:
        connection.execute(f"CREATE DATABASE {database}")
        yield connection
        connection.execute(f"DROP DATABASE {database} CASCADE")


def add_partition(
    connection: hive.Hive, name: str, day: date, table: pa.Table, folder: Path
) -> None:
    """Write a partition of the work table ``database.name`` into ``<folder>/<name>/<day>``."""
    place = folder / name.partition(".")[2] / day.isoformat()
    place.mkdir(parents=True)
    pq.write_table(table, place / "part.parquet")
    register(connection, name, {day: place})


def register(connection: hive.Hive, name: str, places: Mapping[date, Path]) -> None:
    """Tell Hive of partitions of the work table ``database.name`` whose files are there."""
    schema = WORK_TABLES[name.partition(".")[2]].schema
    columns = ", ".join(f"`{f.name}` {HIVE_TYPES[f.type]}" for f in schema)
    location = next(iter(places.values())).parent.as_uri()
    connection.execute(
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {name} ({columns})"
        f" PARTITIONED BY (base_date DATE) STORED AS PARQUET LOCATION '{location}'"
    )
    for day, place in places.items():
        connection.execute(
            f"ALTER TABLE {name} ADD PARTITION (base_date='{day}') LOCATION '{place.as_uri()}'"
        )


def put_in_force(
    loader: Connection, fence: ledger.Fence, folder: Path, challenger: Challenger
) -> None:
    """Keep a challenger's files in `folder` and promote it for the fence's base date."""
    described = {
        "parameters": dict(challenger.parameters),
        "metrics": dict(challenger.metrics),
    }
    written = artifacts.write(
        folder, challenger.model, fence.base_date, challenger.files, described
    )
    version = ledger.ModelVersion(
        written.model, written.version, fence.base_date, written.manifest_sha256, **described
    )
    ledger.record_model_version(loader, fence, version)
    ledger.record_promotion(
        loader, fence, written.model, written.version, promoted=True, reason="test", figures={}
    )


def rows(loader: Connection, query: str) -> list[tuple[Any, ...]]:
    """Return what a query finds."""
    with loader.cursor() as cursor:
        cursor.execute(query)
        found = cursor.fetchall()
    loader.commit()
    return found
