"""The stage ``retrain_models``: drift of every model, challengers where there is a reason.

A decision for a base date looks at the champions of the weeks *before* it, so running the same
base date again decides the same and, models being content-addressed, ends in the same versions.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from passbook import artifacts, drift, ledger
from passbook.base_date import observation_dates
from passbook.contracts import FAMILIES
from passbook.errors import NoAcquisitionsError
from passbook.promotion import decide
from passbook.recommend.als_model import AlsParameters
from passbook.recommend.scenarios import offered_scenarios
from passbook.segments import SegmentModel
from passbook.segments.feature_sets import FEATURE_SETS
from passbook.segments.number_of_clusters import SILHOUETTE_ROWS, silhouette
from passbook.steps import (
    drift_report,
    model_drift,
    recommend_products,
    score_credit,
    segment_customers,
)

if TYPE_CHECKING:
    from passbook.artifacts import Artifact
    from passbook.steps.challenger import Challenger
    from passbook.steps.stage import Stage
    from passbook.steps.week import Week

log = logging.getLogger(__name__)

DOMAINS: Final = ("segments", "recommend", "credit")


class KnownSegments(NamedTuple):
    """Customers' segments, as ``segment_customers.assign`` gives them."""

    now: pa.Table
    before_holdout: pa.Table


def measure_drift(stage: Stage, *, force: bool = False) -> dict[str, Any]:
    """Compare the week with every champion's reference and name what is due for training.

    Returns
    -------
    dict
        ``due`` maps a domain to the reason in words; empty when nothing is. ``max_psi`` and
        ``models`` say how far the worst feature was and how many champions were compared.
    """
    due: dict[str, str] = {}
    measured: list[model_drift.Measured] = []
    hopeless = _untrainable_before(stage)
    for domain, models in offered_models(stage.week).items():
        reasons = ["forced by the form"] if force and models else []
        for model in models:
            champion = _champion_before(stage, model)
            if champion is not None:
                found = model_drift.measure(stage, model, champion)
                measured.append(found)
                if found.drifted:
                    reasons.append(found.reason)
                elif _too_old(stage, champion):
                    reasons.append(f"{model} is of {champion.base_date}")
            elif model not in hopeless:
                reasons.append(f"{model} has no champion")
        if reasons:
            due[domain] = "; ".join(reasons)
    max_psi = max((found.max_psi for found in measured), default=0.0)
    log.info("Due for training: %s; largest PSI %.3f", due or "nothing", max_psi)
    figures = {"due": due, "max_psi": round(max_psi, 4), "models": len(measured)}
    if not measured:
        return figures
    ledger.append(stage.mart, stage.fence, "drift", model_drift.rows(stage.base_date, measured))
    report = drift_report.report_path(stage.settings, stage.base_date)
    drift_report.write_report(report, stage.base_date, measured, stage.settings)
    return {**figures, "report": str(report)}


def train_challengers(stage: Stage, due: Collection[str]) -> dict[str, Any]:
    """Train what is due, compare with the champions, promote what is better.

    New segments make the recommenders due as well, since those are learnt per segment.
    """
    outcome: dict[str, str] = {}
    if "segments" in due:
        outcome |= _train_segments(stage)
    segments = known_segments(stage)
    boards = champion_leaderboards(stage, segments)
    if "recommend" in due or any(outcome.values()):
        before = {model: _metrics(board) for model, board in boards.items()}
        outcome |= _judge_all(stage, _train_recommenders(stage, segments), before)
    else:
        _store(stage, "leaderboard", list(boards.values()))
    if "credit" in due:
        outcome |= _judge_all(stage, score_credit.train(stage.week), {})
    return {
        "promoted": {model: version for model, version in outcome.items() if version},
        "kept": sorted(model for model, version in outcome.items() if not version),
        "untrainable": _untrainable(stage.week, due, outcome),
    }


def evaluate_champions(stage: Stage) -> dict[str, Any]:
    """Measure the recommenders on this week's holdout without training any for publication."""
    boards = champion_leaderboards(stage, known_segments(stage))
    _store(stage, "leaderboard", list(boards.values()))
    rows = sum(board.num_rows for board in boards.values())
    return {"promoted": {}, "leaderboard_rows": rows, "untrainable": _untrainable_before(stage)}


def champion_leaderboards(stage: Stage, segments: KnownSegments) -> dict[str, pa.Table]:
    """Return this week's leaderboard of each scenario that has a champion, with its parameters.

    The champion is the recommender in force, not the one that happens to lead this week. A
    scenario without acquisitions on the holdout has no leaderboard.
    """
    champions = {
        model: found
        for model in offered_models(stage.week)["recommend"]
        if (found := _champion_before(stage, model)) is not None
    }
    if not champions:
        return {}
    parameters = {
        model.removeprefix("recommend."): AlsParameters(**found.manifest["parameters"]["als"])
        for model, found in champions.items()
        if "als" in found.manifest["parameters"]
    }
    try:
        trained = recommend_products.train(
            stage.week, segments.now, holdout_segments=segments.before_holdout, als=parameters
        )
    except NoAcquisitionsError as error:
        log.warning("%s", error)
        return {}
    return {
        c.model: _with_champion(c.leaderboard, champions[c.model].manifest["parameters"])
        for c in trained
        if c.model in champions and c.leaderboard is not None and c.leaderboard.num_rows
    }


def _with_champion(board: pa.Table, parameters: Mapping[str, Any]) -> pa.Table:
    in_force = pc.equal(board["recommender"], parameters["recommender"])
    place = board.schema.get_field_index("champion")
    return board.set_column(place, board.schema.field(place), in_force)


def _metrics(board: pa.Table) -> dict[str, float]:
    """Return the figures of the recommender in force; none where it cannot stand any more."""
    rows = board.filter(board["champion"]).to_pylist()
    return {name: v for row in rows for name, v in row.items() if isinstance(v, float)}


def offered_models(week: Week) -> dict[str, list[str]]:
    """Return the models that the bank's work tables call for, by domain."""
    families = [family for family in FAMILIES if week.offers(f"{family}_holding")]
    return {
        "segments": [
            segment_customers.model_name(family)
            for family, features in FEATURE_SETS.items()
            if week.offers(features.profile)
        ],
        "recommend": [f"recommend.{s.kind}.{s.family}" for s in offered_scenarios(families)],
        "credit": [score_credit.STYLE_MODEL, score_credit.DEFAULT_MODEL]
        if score_credit.offered(week)
        else [],
    }


def known_segments(stage: Stage) -> KnownSegments:
    """Assign customers by the segment models in force, today and before the holdout month.

    Today's segments know what was bought in the holdout month and would flatter whatever
    recommends by segment. The later credit observation date is the newest earlier one with work
    tables; a bank without it has no segments on the holdout.
    """
    models = {}
    for family in FEATURE_SETS:
        champion = stage.champion(segment_customers.model_name(family))
        if champion is not None:
            models[family] = SegmentModel.from_files(champion.files)
    week = stage.week
    now = segment_customers.assign(week, models)
    _, observed = observation_dates(week.base_date)
    if ("customer", observed) not in week.fingerprints:
        return KnownSegments(now, now.slice(0, 0))
    earlier = replace(week, base_date=observed, used={})
    return KnownSegments(now, segment_customers.assign(earlier, models, all_filled=False))


def _too_old(stage: Stage, champion: Artifact) -> bool:
    weeks = stage.settings.retrain_weeks
    return weeks is not None and stage.base_date - champion.base_date >= timedelta(weeks=weeks)


def _train_segments(stage: Stage) -> dict[str, str]:
    """Train segments that keep the champions' numbers, and compare both on this week's rows."""
    champions = {}
    for family in FEATURE_SETS:
        found = _champion_before(stage, segment_customers.model_name(family))
        if found is not None:
            champions[family] = SegmentModel.from_files(found.files)
    challengers = segment_customers.train(stage.week, champions)
    figures: dict[str, dict[str, float]] = {}
    judged = {challenger.model: challenger for challenger in challengers}
    for model, challenger in judged.items():
        champion = champions.get(model.removeprefix("segments."))
        if champion is not None:
            ours, theirs = _silhouettes(stage.week, challenger, champion)
            figures[model] = {"silhouette": theirs}
            judged[model] = replace(challenger, metrics={**challenger.metrics, "silhouette": ours})
    return _judge_all(stage, list(judged.values()), figures)


def _train_recommenders(stage: Stage, segments: KnownSegments) -> list[Challenger]:
    """Train the recommenders; a month without acquisitions leaves the champions in force.

    Raises
    ------
    NoAcquisitionsError
        E401 when there is no champion to go on with.
    """
    try:
        return recommend_products.train(
            stage.week, segments.now, holdout_segments=segments.before_holdout
        )
    except NoAcquisitionsError as error:
        models = offered_models(stage.week)["recommend"]
        if not any(_champion_before(stage, model) for model in models):
            raise
        log.warning("The recommenders in force stay: %s", error)
        return []


def _silhouettes(week: Week, challenger: Challenger, champion: SegmentModel) -> tuple[float, float]:
    """Return the challenger's and the champion's silhouette on the same rows and scale."""
    model = SegmentModel.from_files(challenger.files)
    table = segment_customers.read_features(week, model.family)
    rng = np.random.default_rng(week.settings.seed)
    rows = np.sort(rng.permutation(len(table))[:SILHOUETTE_ROWS])
    table = table.take(pa.array(rows))
    X, codes = model.scaling.transform(table)
    labels = [m.assign(table)["segment"].to_numpy() for m in (model, champion)]
    ours, theirs = (silhouette(X, codes, model.scaling.gamma, found) for found in labels)
    return ours, theirs


def _judge_all(
    stage: Stage, challengers: list[Challenger], champions: Mapping[str, Mapping[str, float]]
) -> dict[str, str]:
    """Keep, judge and record challengers; return the promoted version of each, or "".

    `champions` has the champions' figures on the challengers' holdout, as far as known.
    """
    _store(stage, "trial", [c.trials for c in challengers])
    _store(stage, "leaderboard", [c.leaderboard for c in challengers])
    return {c.model: _judge(stage, c, champions.get(c.model)) for c in challengers}


def _store(stage: Stage, table: str, parts: Sequence[pa.Table | None]) -> None:
    found = [rows for rows in parts if rows is not None]
    if found:
        ledger.append(stage.mart, stage.fence, table, pa.concat_tables(found))


def _judge(stage: Stage, challenger: Challenger, champion: Mapping[str, float] | None) -> str:
    week, model = stage.week, challenger.model
    reference = drift.to_json(model_drift.reference_of(week, model))
    inputs = {
        f"{table} {partition}": fingerprint
        for (table, partition), fingerprint in sorted(week.fingerprints.items())
    }
    artifact = artifacts.write(
        stage.settings.artifacts,
        model,
        stage.base_date,
        {**challenger.files, model_drift.REFERENCE_FILE: reference},
        {
            "parameters": dict(challenger.parameters),
            "metrics": dict(challenger.metrics),
            "inputs": inputs,
        },
    )
    version = ledger.ModelVersion(
        model,
        artifact.version,
        stage.base_date,
        artifact.manifest_sha256,
        dict(challenger.parameters),
        dict(challenger.metrics),
    )
    ledger.record_model_version(stage.mart, stage.fence, version)
    before = ledger.champion(stage.mart, model, stage.base_date - timedelta(weeks=1))
    approved = challenger.parameters.get(score_credit.FAIRNESS_APPROVAL)
    decision = decide(
        model,
        challenger.metrics,
        champion or (before.metrics if before else None),
        waived=("approval_ratio",) if approved else (),
    )
    ledger.record_promotion(
        stage.mart,
        stage.fence,
        model,
        artifact.version,
        promoted=decision.promoted,
        reason=decision.reason,
        figures=decision.figures,
    )
    log.info("%s %s promoted: %s. %s", model, artifact.version, decision.promoted, decision.reason)
    return artifact.version if decision.promoted else ""


def _champion_before(stage: Stage, model: str) -> Artifact | None:
    version = ledger.champion(stage.mart, model, stage.base_date - timedelta(weeks=1))
    return artifacts.read(stage.settings.artifacts, model, version.version) if version else None


def _untrainable(week: Week, due: Collection[str], outcome: Mapping[str, str]) -> list[str]:
    """Return the models that were due and for which training had nothing to offer."""
    return sorted(
        model
        for domain, models in offered_models(week).items()
        if domain in due
        for model in models
        if model not in outcome
    )


def _untrainable_before(stage: Stage) -> list[str]:
    """Return what last week could not train; trying it every week would be a retrain storm."""
    week_before = stage.base_date - timedelta(weeks=1)
    verdict = ledger.latest_verdict(stage.mart, stage.fence.stage, week_before)
    return list(verdict.figures.get("untrainable", [])) if verdict else []
