"""Segment customers: train the models of a week, assign its customers, publish both."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from passbook import ledger
from passbook.contracts import MART_TABLES, OPS_TABLES
from passbook.errors import ContractError, NoChampionError
from passbook.mart.connection import transaction
from passbook.segments import SegmentModel, train_segments
from passbook.segments.audit import audit_clusters
from passbook.segments.descriptions import feature_rows, segment_row, separation_rows
from passbook.segments.feature_sets import DEPOSIT, FEATURE_SETS
from passbook.segments.features import to_numpy
from passbook.segments.model import (
    Training,
    check_model_clusters,
    check_segments_filled,
)
from passbook.segments.profiles import profile_segments
from passbook.segments.rule_bands import account_band, balance_band
from passbook.steps.challenger import Challenger
from passbook.steps.model_files import read_model
from passbook.steps.report_file import try_out, write_whole
from passbook.steps.segment_report import (
    MIGRATION,
    InForce,
    draw_report,
    read_migration,
    read_trials,
    report_path,
)
from passbook.steps.stage import Stage
from passbook.steps.week import Week

if TYPE_CHECKING:
    from datetime import date

    from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

    from passbook.artifacts import Artifact

log = logging.getLogger(__name__)

CATEGORIES: Final = ("sex", "age_band", "occupation_group")
TRIALS_FILE: Final = "trials.json"
DESCRIPTIONS: Final = ("segment", "segment_feature", "segment_separation")


def model_name(family: str) -> str:
    """Return the ledger's name of a family's segment model."""
    return f"segments.{family}"


def read_features(week: Week, family: str) -> pa.Table:
    """Return the columns that segment a family, with customer_id, a row a holder.

    Also what drift is measured on: each column is one of a work table.
    """
    customers = week.table("customer", ["customer_id", *CATEGORIES])
    return _with_categories(week.table(FEATURE_SETS[family].profile), customers)


def free_ids(connection: Connection, base_date: date) -> dict[str, int]:
    """Return by family the smallest number that no segment published before has had."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT family, max(segment) + 1 FROM mart.segment WHERE base_date < %s GROUP BY 1",
            (base_date,),
        )
        return dict(cursor.fetchall())


def train(
    week: Week,
    champions: Mapping[str, SegmentModel] | None = None,
    free: Mapping[str, int] | None = None,
) -> list[Challenger]:
    """Train a segment model for each family with enough customers.

    Parameters
    ----------
    week : Week
    champions : Mapping[str, SegmentModel], optional
        Models in force by family: clusters that continue a segment of theirs keep its number.
    free : Mapping[str, int], optional
        What `free_ids` gives.
    """
    challengers = []
    for family in _offered(week):
        table = read_features(week, family)
        if len(table) < week.settings.segment_minimum_customers:
            log.warning("%d customers are too few to segment %s", len(table), family)
            continue
        training = train_segments(
            family,
            table,
            week.settings.segment_counts,
            seed=week.settings.seed,
            weights=week.settings.segment_weights.get(family),
            minimum_customers=week.settings.segment_minimum_customers,
            champion=(champions or {}).get(family),
            free_id=(free or {}).get(family, 0),
        )
        challengers.append(_challenger(week, training))
    return challengers


def assign(week: Week, models: Mapping[str, SegmentModel], *, all_filled: bool = True) -> pa.Table:
    """Return segments and rule bands of all customers, sorted by customer_id.

    Columns are those of ``mart.customer_segment`` but base_date. A family without a model, or a
    customer without its profile, has null segments. `all_filled` says whether every segment must
    have customers, as on a date that the models are in force for.

    Raises
    ------
    ClusterCountError
        E301: the week's customers leave a segment empty.
    """
    customers = week.table("customer", ["customer_id", *CATEGORIES])
    customers = customers.take(pc.sort_indices(customers["customer_id"]))
    columns = {"customer_id": customers["customer_id"]}
    for family in FEATURE_SETS:
        model = models.get(family)
        columns |= _family_columns(week, family, customers, model, all_filled=all_filled)
    columns |= _band_columns(week, customers["customer_id"])
    schema = _without_base_date("customer_segment")
    return pa.table(columns).select(schema.names).cast(schema)


def work(stage: Stage) -> dict[str, Any]:
    """Assign the week's customers by the champions and publish segments and profiles.

    A family whose models were all refused is published without segments; the figure
    ``unsegmented`` has the reason of the latest refusal by family.

    Raises
    ------
    NoChampionError
        E601: a family with enough customers has no model, and none was ever tried.
    ClusterCountError
        E301: the week's customers do not fill the champion's clusters.
    StorageError
        E805: the report cannot be written; then nothing is published.
    """
    week = stage.week
    in_force, inputs, unsegmented = _champions(stage)
    models = {family: found.model for family, found in in_force.items()}
    table = assign(week, models)
    described = describe(week, models, table)
    tables = {"customer_segment": table, **described}
    drawn = partial(
        draw_report, week.base_date, models=in_force, unsegmented=unsegmented, described=described
    )
    report = report_path(week.settings, week.base_date)
    try_out(report, drawn(migration=MIGRATION.empty_table()))
    publications = stage.publish(
        {name: _batches(name, rows, week) for name, rows in tables.items()}, inputs=inputs
    )
    # Who moved is known once the week is published.
    write_whole(report, drawn(migration=read_migration(stage.mart, week.base_date)))
    published = {publication.table: publication for publication in publications}
    return {
        "table": "mart.customer_segment",
        "rows": published["customer_segment"].rows,
        "sha256": published["customer_segment"].sha256,
        "segments": len(described["segment"]),
        "unsegmented": unsegmented,
        "report": str(report),
    }


def describe(
    week: Week, models: Mapping[str, SegmentModel], assigned: pa.Table
) -> dict[str, pa.Table]:
    """Return what the segments are: the mart's tables about segments, but for base_date."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in DESCRIPTIONS}
    for family, model in models.items():
        features = read_features(week, family)
        holders = pc.index_in(features["customer_id"], value_set=assigned["customer_id"])
        segments = to_numpy(assigned[f"{family}_segment"].take(holders)).astype(np.int32)
        ids = np.sort(model.segment_ids)
        labels = np.searchsorted(ids, segments)
        profiles = profile_segments(features, model.scaling, labels, len(ids))
        audit = audit_clusters(features, model.scaling, labels)
        rows["segment"] += [
            segment_row(family, model.names[segment], segment, profile)
            for segment, profile in zip(ids.tolist(), profiles, strict=True)
        ]
        for segment, profile in zip(ids.tolist(), profiles, strict=True):
            rows["segment_feature"] += feature_rows(family, segment, profile)
        rows["segment_separation"] += separation_rows(family, audit)
    return {
        name: _sorted(pa.Table.from_pylist(found, schema=_without_base_date(name)), name)
        for name, found in rows.items()
    }


def _offered(week: Week) -> list[str]:
    return [family for family, features in FEATURE_SETS.items() if week.offers(features.profile)]


def _champions(
    stage: Stage,
) -> tuple[dict[str, InForce], dict[str, str], dict[str, str]]:
    """Return models in force, fingerprints of all the week is made from, and why a family has no
    model."""
    week = stage.week
    unsegmented: dict[str, str] = {}
    models: dict[str, InForce] = {}
    inputs = {"customer": week.fingerprint("customer")}
    for family in _offered(week):
        profile = FEATURE_SETS[family].profile
        inputs[profile] = week.fingerprint(profile)
        artifact = stage.champion(model_name(family))
        if artifact is not None:
            models[family] = _in_force(artifact)
            inputs[model_name(family)] = artifact.manifest_sha256
            continue
        unsegmented[family] = _why_no_model(stage, family)
        log.warning("No segments for %s: %s", family, unsegmented[family])
    return models, inputs, unsegmented


def _in_force(artifact: Artifact) -> InForce:
    parameters = artifact.manifest["parameters"]
    model = read_model(SegmentModel.from_files, artifact)
    check_model_clusters(model, int(parameters["clusters"]))
    trials = read_model(lambda files: read_trials(files[TRIALS_FILE]), artifact)
    return InForce(model, trials, parameters["reason"], artifact.manifest["metrics"])


def _why_no_model(stage: Stage, family: str) -> str:
    """Return why a family has no model in force: too few customers, or the latest refusal.

    Raises
    ------
    NoChampionError
        E601.
    """
    week = stage.week
    holders = len(week.table(FEATURE_SETS[family].profile, ["customer_id"]))
    if holders < week.settings.segment_minimum_customers:
        return f"{holders} customers are fewer than {week.settings.segment_minimum_customers}."
    decisions = ledger.model_history(stage.mart, model_name(family))
    refused = [d for d in decisions if d.base_date <= week.base_date and not d.promoted]
    if not refused:
        raise NoChampionError(f"{holders} customers hold {family}, but no model is in force.")
    return f"Not promoted: {refused[-1].reason}"


def _challenger(week: Week, training: Training) -> Challenger:
    name = model_name(training.model.family)
    trials = [
        {
            "base_date": week.base_date,
            "model": name,
            "trial": number,
            "parameters": json.dumps({"clusters": trial.clusters}),
            "metrics": json.dumps(trial.metrics),
            "seconds": trial.seconds,
        }
        for number, trial in enumerate(training.trials)
    ]
    return Challenger(
        name,
        {**training.model.to_files(), TRIALS_FILE: _trials_json(training)},
        {
            "clusters": training.model.clusters,
            "reason": training.choice.reason,
            "counts": list(week.settings.segment_counts),
            "seed": week.settings.seed,
            "weights": week.settings.segment_weights.get(training.model.family, {}),
        },
        {**training.metrics, **training.audit.metrics},
        trials=pa.Table.from_pylist(trials, schema=OPS_TABLES["trial"].schema),
    )


def _trials_json(training: Training) -> bytes:
    trials = [{"clusters": trial.clusters, **trial.metrics} for trial in training.trials]
    return json.dumps(trials, indent=1).encode()


def _with_categories(profile: pa.Table, customers: pa.Table) -> pa.Table:
    """Add the customers' categories to a profile.

    Raises
    ------
    ContractError
        E103 when the profile has customers that `customers` lacks.
    """
    places = pc.index_in(profile["customer_id"], value_set=customers["customer_id"])
    if places.null_count:
        raise ContractError(
            f"{places.null_count} customers of a profile are absent from the table customer."
        )
    for category in CATEGORIES:
        profile = profile.append_column(category, customers[category].take(places))
    return profile


def _family_columns(
    week: Week,
    family: str,
    customers: pa.Table,
    model: SegmentModel | None,
    *,
    all_filled: bool,
) -> dict[str, pa.Array]:
    """Return the family's segments and distances for every row of `customers`, null for others."""
    found: dict[str, npt.NDArray[Any]] = {
        name: np.zeros(len(customers), dtype=np.float32 if "distance" in name else np.int32)
        for name in ("segment", "distance", "second_segment", "second_distance")
    }
    absent = np.ones(len(customers), dtype=bool)
    if model is not None:
        profile = _with_categories(week.table(FEATURE_SETS[family].profile), customers)
        places = _places(profile["customer_id"], customers["customer_id"])
        for block, rows in _blocks(profile, places, week.settings.block_rows):
            assigned = model.assign(block)
            for name, values in found.items():
                values[rows] = to_numpy(assigned[name])
        absent[places] = False
        if all_filled:
            check_segments_filled(model, found["segment"][places])
    return {f"{family}_{name}": pa.array(values, mask=absent) for name, values in found.items()}


def _band_columns(week: Week, customer_ids: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
    """Return the rule bands of every customer, null without a deposit profile."""
    if not week.offers(DEPOSIT.profile):
        nothing = pa.nulls(len(customer_ids), pa.int32())
        return {"balance_band": nothing, "account_band": nothing}
    columns = ["customer_id", "avg_balance_3m", "account_count"]
    profile = week.table(DEPOSIT.profile, columns)
    rows = pc.index_in(customer_ids, value_set=profile["customer_id"])
    return {
        "balance_band": balance_band(profile["avg_balance_3m"]).take(rows),
        "account_band": account_band(profile["account_count"]).take(rows),
    }


def _places(ids: pa.ChunkedArray, among: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    return to_numpy(pc.index_in(ids, value_set=among)).astype(np.int64)


def _blocks(
    table: pa.Table, places: npt.NDArray[np.int64], rows: int
) -> Iterator[tuple[pa.Table, npt.NDArray[np.int64]]]:
    for start in range(0, len(table), rows):
        yield table.slice(start, rows), places[start : start + rows]


def _batches(name: str, table: pa.Table, week: Week) -> Iterator[pa.RecordBatch]:
    """Yield the table's blocks under contract, the base date put in front."""
    schema = MART_TABLES[name].schema
    for batch in table.to_batches(max_chunksize=week.settings.block_rows):
        base_date = pa.repeat(pa.scalar(week.base_date, pa.date32()), len(batch))
        yield pa.RecordBatch.from_arrays([base_date, *batch.columns], schema=schema)


def _sorted(table: pa.Table, name: str) -> pa.Table:
    return table.sort_by([(column, "ascending") for column in MART_TABLES[name].key[1:]])


def _without_base_date(name: str) -> pa.Schema:
    return pa.schema(list(MART_TABLES[name].schema)[1:])
