"""The page of pictures that a segmented week leaves beside its tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from passbook.mart.connection import transaction
from passbook.segments import SegmentModel, pictures
from passbook.segments.audit import LEADING_RANK, MOST_DEMOGRAPHIC
from passbook.segments.feature_sets import FEATURE_SETS
from passbook.segments.migration_flow import migration_flow
from passbook.segments.page import (
    category_heat,
    migration_table,
    number_heat,
    page,
    segment_list,
    trial_table,
)
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
    return settings.reports / base_date.isoformat() / "segments.html"


def read_migration(connection: Connection, base_date: date) -> pa.Table:
    """Return who moved where since the week published before; empty for the first week."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT family, previous_segment, segment, customers FROM mart.segment_migration"
            " WHERE base_date = %s",
            (base_date,),
        )
        rows = [dict(zip(MIGRATION.names, row, strict=True)) for row in cursor.fetchall()]
    return pa.Table.from_pylist(rows, schema=MIGRATION)


@dataclass(frozen=True)
class InForce:
    """A model in force, with what is known of how it came about.

    Attributes
    ----------
    model : SegmentModel
    trials : sequence of mappings
        The cluster counts that were tried when it was trained.
    reason : str
        Why so many clusters.
    metrics : Mapping[str, float]
        Its figures, the audit's among them.
    """

    model: SegmentModel
    trials: pictures.Trials
    reason: str
    metrics: Mapping[str, float]


def draw_report(
    base_date: date,
    *,
    models: Mapping[str, InForce],
    unsegmented: Mapping[str, str],
    described: Mapping[str, pa.Table],
    migration: pa.Table,
) -> bytes:
    """Return the page.

    Parameters
    ----------
    base_date : datetime.date
    models : Mapping[str, InForce]
        By family.
    unsegmented : Mapping[str, str]
        Why a family has no segments.
    described : Mapping[str, pyarrow.Table]
        The mart's tables about segments.
    migration : pyarrow.Table
        What `read_migration` gives.
    """
    sections = []
    for family, found in models.items():
        of_family = {
            name: table.filter(pc.equal(table["family"], family))
            for name, table in {**described, "migration": migration}.items()
        }
        sections += _family_sections(found, of_family)
    for family, reason in unsegmented.items():
        sections.append((f"{family.capitalize()}: no segments", f"<p>{escape(reason)}</p>"))
    return page(f"Segments of {base_date}", sections)


def read_trials(content: bytes) -> pictures.Trials:
    """Read the trials that a model's files keep."""
    trials: pictures.Trials = json.loads(content)
    return trials


def _family_sections(found: InForce, tables: Mapping[str, pa.Table]) -> list[tuple[str, str]]:
    model, names = found.model, found.model.names
    curves = pictures.cluster_count_picture(found.trials, model.clusters)
    chosen = (
        f"<p>{model.clusters} segments: {escape(found.reason)}. As of the model's training.</p>"
        f"{curves}{trial_table(found.trials, model.clusters)}"
    )
    features = tables["segment_feature"]
    sections = [
        (f"{model.family.capitalize()} segments", segment_list(tables["segment"])),
        ("What each does", number_heat(features, names)),
        ("Who is in each", category_heat(features, names)),
        (
            "What separates them",
            f"<p>{escape(_audited(found))}</p>"
            + pictures.separation_picture(tables["segment_separation"]),
        ),
        ("Why so many", chosen),
    ]
    migration = tables["migration"]
    if len(migration):
        moved = migration_flow(migration, names) + migration_table(migration, names)
        sections.append(("Who moved since the week before", moved))
    return sections


def _audited(found: InForce) -> str:
    """Say what the audit of the model found when it was trained."""
    share, rank = (found.metrics[name] for name in ("demographic_share", "required_rank"))
    bound = f"refused over {MOST_DEMOGRAPHIC:.0%}"
    words = f"Age and sex alone recover {share:.0%} of the labels ({bound})."
    lead = " or ".join(FEATURE_SETS[found.model.family].must_lead)
    if not lead:
        return words
    return f"{words} {lead} is number {rank:.0f} (refused over {LEADING_RANK})."
