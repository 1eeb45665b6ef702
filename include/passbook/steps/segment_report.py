"""The page of pictures that a segmented week leaves beside its tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from passbook.errors import StorageError
from passbook.segments import SegmentModel, pictures
from passbook.settings import Settings

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812

MIGRATION = pa.schema(
    [
        ("family", pa.string()),
        ("previous_segment", pa.int32()),
        ("segment", pa.int32()),
        ("customers", pa.int64()),
    ]
)


def report_path(settings: Settings, base_date: date) -> Path:
    """Return where the page of a base date is."""
    return settings.home / "reports" / settings.source / base_date.isoformat() / "segments.html"


def read_migration(connection: Connection, base_date: date) -> pa.Table:
    """Return who moved where since the week published before; empty for the first week."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT family, previous_segment, segment, customers FROM mart.segment_migration"
            " WHERE base_date = %s",
            (base_date,),
        )
        rows = [dict(zip(MIGRATION.names, row, strict=True)) for row in cursor.fetchall()]
    connection.commit()
    return pa.Table.from_pylist(rows, schema=MIGRATION)


def write_report(
    path: Path,
    base_date: date,
    *,
    models: Mapping[str, SegmentModel],
    trials: Mapping[str, pictures.Trials],
    described: Mapping[str, pa.Table],
    migration: pa.Table,
) -> None:
    """Write the page in whole.

    Parameters
    ----------
    path : Path
    base_date : datetime.date
    models, trials : Mapping
        By family: the model in force, and the cluster counts that were tried when it was trained.
    described : Mapping[str, pyarrow.Table]
        The mart's tables about segments.
    migration : pyarrow.Table

    Raises
    ------
    StorageError
        E805.
    """
    sections = []
    for family, model in models.items():
        of_family = {
            name: table.filter(pc.equal(table["family"], family))
            for name, table in {**described, "migration": migration}.items()
        }
        sections += _family_sections(model, trials[family], of_family)
    content = pictures.page(f"Segments of {base_date}", sections)
    unfinished = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}.") from None


def read_trials(content: bytes) -> pictures.Trials:
    """Read the trials that a model's files keep."""
    trials: pictures.Trials = json.loads(content)
    return trials


def _family_sections(
    model: SegmentModel, trials: pictures.Trials, tables: Mapping[str, pa.Table]
) -> list[tuple[str, str]]:
    names = {segment: name.name for segment, name in model.names.items()}
    family = model.family.capitalize()
    sections = [
        (f"{family} segments", pictures.segment_list(tables["segment"])),
        ("What each is like", pictures.profile_picture(tables["segment_feature"], names)),
        ("What separates them", pictures.separation_picture(tables["segment_separation"])),
        ("Why so many", pictures.cluster_count_picture(trials, model.clusters)),
    ]
    if len(tables["migration"]):
        moved = pictures.migration_picture(tables["migration"], names)
        sections.append(("Who moved since the week before", moved))
    return sections
