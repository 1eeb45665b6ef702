"""The stage ``retrain_models``: drift of every model, challengers where there is a reason.

A decision for a base date looks at the champions of the weeks *before* it, so running the same
base date again decides the same and, models being content-addressed, ends in the same versions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, replace
from datetime import date, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from passbook import artifacts, ledger
from passbook.base_date import observation_dates
from passbook.contracts import OPS_TABLES
from passbook.credit import style_classifiers
from passbook.credit.scoring import CreditModels
from passbook.errors import ArtifactError, NoAcquisitionsError
from passbook.mart.past_offers import published_fingerprints
from passbook.recommend.als_model import AlsParameters
from passbook.recommend.model import RecommendModel
from passbook.recommend.scenarios import offered_scenarios
from passbook.segments import SegmentModel
from passbook.segments.feature_sets import FEATURE_SETS
from passbook.segments.number_of_clusters import SILHOUETTE_ROWS, silhouettes
from passbook.steps import (
    drift_report,
    model_drift,
    recommend_products,
    score_credit,
    segment_customers,
)
from passbook.steps.judging import Judged, champion_row, decide_awaiting, judge_all, store
from passbook.steps.model_files import read_model, read_version
from passbook.steps.stage import NONE_IN_FORCE
from passbook.steps.trial_book import trial_book

if TYPE_CHECKING:
    from passbook.artifacts import Artifact
    from passbook.steps.challenger import Challenger
    from passbook.steps.stage import Stage
    from passbook.steps.week import Week

log = logging.getLogger(__name__)

READERS: Final[dict[str, Callable[[Mapping[str, bytes]], Any]]] = {
    "segments": SegmentModel.from_files,
    "recommend": RecommendModel.from_files,
    score_credit.STYLE_MODEL: style_classifiers.from_files,
    score_credit.DEFAULT_MODEL: lambda files: CreditModels.from_files(files, files),
}
"""How a champion's files are read, by model or domain."""


class KnownSegments(NamedTuple):
    """Customers' segments, as ``segment_customers.assign`` gives them."""

    now: pa.Table
    before_holdout: pa.Table


def measure_drift(stage: Stage, *, force: bool = False) -> dict[str, Any]:
    """Compare the week with every champion's reference and name what is due for training.

    Returns
    -------
    dict
        ``due`` maps a domain to the reason in words; empty when nothing is. ``paused`` has the
        reasons of models whose last challenger was refused a short while ago. ``max_psi`` and
        ``models`` say how far the worst feature was and how many champions were compared.
    """
    due: dict[str, str] = {}
    paused: dict[str, str] = {}
    measured: list[model_drift.Measured] = []
    _keep_inputs(stage)
    hopeless = _untrainable_before(stage)
    for domain, models in offered_models(stage.week).items():
        reasons = ["forced by the form"] if force and models else []
        for model in models:
            champion = _champion_before(stage, model)
            reason = "" if model in hopeless else f"{model} has no champion"
            if champion is not None and (unreadable := _unreadable(champion)):
                reason = unreadable
            elif champion is not None:
                found = model_drift.measure(stage, model, champion)
                measured.append(found)
                old = f"{model} is of {champion.base_date}" if _too_old(stage, champion) else ""
                reason = found.reason or old
            if reason and (refused := _refused_lately(stage, model)):
                paused[model] = f"{reason}; a challenger of {refused} was refused"
            elif reason:
                reasons.append(reason)
        if reasons:
            due[domain] = "; ".join(reasons)
    max_psi = max((found.max_psi for found in measured), default=0.0)
    log.info("Due for training: %s; largest PSI %.3f", due or "nothing", max_psi)
    figures = {
        "due": due,
        "paused": paused,
        "max_psi": round(max_psi, 4),
        "models": len(measured),
    }
    if not measured:
        return figures
    ledger.append(stage.mart, stage.fence, "drift", model_drift.rows(stage.base_date, measured))
    report = drift_report.report_path(stage.settings, stage.base_date)
    drift_report.write_report(report, stage.base_date, measured, stage.settings)
    return {**figures, "report": str(report)}


def train_challengers(stage: Stage, due: Collection[str]) -> dict[str, Any]:
    """Train what is due, compare with the champions, promote what is better.

    New segments make the recommenders due as well, since those are learnt per segment. Where the
    settings ask for a person's approval nothing is promoted: what the rules would promote is
    ``awaiting``.
    """
    judged: dict[str, Judged] = {}
    if "segments" in due:
        judged |= judge_all(stage, _train_segments(stage))
    new = {model: found.version for model, found in judged.items() if found.outcome != "kept"}
    segments = known_segments(stage, new)
    boards = champion_leaderboards(stage, segments)
    if "recommend" in due or new:
        trained = [
            replace(c, champion=champion_row(boards[c.model]) if c.model in boards else None)
            for c in _train_recommenders(stage, segments)
        ]
        judged |= judge_all(stage, trained)
    else:
        store(stage, "leaderboard", list(boards.values()))
    if "credit" in due:
        judged |= judge_all(stage, _train_credit(stage))
    by_outcome = {
        outcome: {model: found for model, found in judged.items() if found.outcome == outcome}
        for outcome in ("promoted", "kept", "awaiting")
    }
    return {
        "promoted": {model: found.version for model, found in by_outcome["promoted"].items()},
        "kept": sorted(by_outcome["kept"]),
        "refused": {model: found.reason for model, found in sorted(by_outcome["kept"].items())},
        "awaiting": [asdict(found) for found in by_outcome["awaiting"].values()],
        "untrainable": _untrainable(stage.week, due, judged),
    }


def _train_credit(stage: Stage) -> list[Challenger]:
    champions = {
        model: found.files
        for model in offered_models(stage.week)["credit"]
        if (found := _readable_champion_before(stage, model)) is not None
    }
    return score_credit.train(stage.week, champions)


def record_decision(
    stage: Stage, trained: Mapping[str, Any], *, approved: bool, by: str, why: str
) -> dict[str, Any]:
    """Record a person's word on what `train_challengers` left ``awaiting``."""
    awaiting = trained["awaiting"]
    promoted = decide_awaiting(stage, awaiting, approved=approved, by=by, why=why)
    refused = {} if approved else {f["model"]: f"rejected by {by}" for f in awaiting}
    return {
        "promoted": {**trained["promoted"], **promoted},
        "kept": sorted({*trained["kept"], *refused}),
        "refused": {**trained["refused"], **refused},
        "awaiting": [],
    }


def evaluate_champions(stage: Stage) -> dict[str, Any]:
    """Measure the recommenders on this week's holdout without training any for publication."""
    boards = champion_leaderboards(stage, known_segments(stage))
    store(stage, "leaderboard", list(boards.values()))
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


def offered_models(week: Week) -> dict[str, list[str]]:
    """Return the models that the bank's work tables call for, by domain."""
    return {
        "segments": [
            segment_customers.model_name(family)
            for family, features in FEATURE_SETS.items()
            if week.offers(features.profile)
        ],
        "recommend": [
            f"recommend.{s.name}" for s in offered_scenarios(recommend_products.families(week))
        ],
        "credit": [score_credit.STYLE_MODEL, score_credit.DEFAULT_MODEL]
        if score_credit.offered(week)
        else [],
    }


def known_segments(stage: Stage, new: Mapping[str, str] | None = None) -> KnownSegments:
    """Assign customers by the segment models in force, today and before the holdout month.

    `new` are versions of this week by model, which a person may still have to approve of.

    Today's segments know what was bought in the holdout month and would flatter whatever
    recommends by segment. The later credit observation date is the newest earlier one with work
    tables; a bank without it has no segments on the holdout.
    """
    models = {}
    for family in FEATURE_SETS:
        model = segment_customers.model_name(family)
        if new and model in new:
            champion: Artifact | None = artifacts.read(stage.settings.artifacts, model, new[model])
        else:
            champion = stage.champion(model)
        if champion is not None:
            models[family] = read_model(SegmentModel.from_files, champion)
    week = stage.week
    now = segment_customers.assign(week, models)
    _, observed = observation_dates(week.base_date)
    if ("customer", observed) not in week.fingerprints:
        return KnownSegments(now, now.slice(0, 0))
    earlier = replace(week, base_date=observed, used={})
    return KnownSegments(now, segment_customers.assign(earlier, models, all_filled=False))


def _keep_inputs(stage: Stage) -> None:
    """Keep what the week's decision goes by, so that it is known when one is another later."""
    week = stage.week
    inputs = {
        table if at == week.base_date else f"{table} {at}": fingerprint
        for (table, at), fingerprint in week.fingerprints.items()
    }
    published: set[tuple[str, date]] = set()
    for model in chain.from_iterable(offered_models(week).values()):
        champion = _champion_before(stage, model)
        inputs[model] = champion.manifest_sha256 if champion else NONE_IN_FORCE
        if champion:
            published |= model_drift.publications_read(stage, model, champion)
    inputs |= published_fingerprints(stage.mart, published)
    rows = [
        {"base_date": week.base_date, "input": name, "fingerprint": fingerprint}
        for name, fingerprint in sorted(inputs.items())
    ]
    schema = OPS_TABLES["decision_input"].schema
    ledger.append(
        stage.mart, stage.fence, "decision_input", pa.Table.from_pylist(rows, schema=schema)
    )


def _refused_lately(stage: Stage, model: str) -> date | None:
    """Return when a challenger was refused: the same data would only be refused once more."""
    since = stage.base_date - timedelta(weeks=stage.settings.retrain_pause_weeks)
    return ledger.last_refusal(stage.mart, model, since, stage.base_date)


def _too_old(stage: Stage, champion: Artifact) -> bool:
    weeks = stage.settings.retrain_weeks
    return weeks is not None and stage.base_date - champion.base_date >= timedelta(weeks=weeks)


def _train_segments(stage: Stage) -> list[Challenger]:
    """Train segments that keep the champions' numbers, and compare both on this week's rows."""
    champions = {}
    for family in FEATURE_SETS:
        found = _readable_champion_before(stage, segment_customers.model_name(family))
        if found is not None:
            champions[family] = SegmentModel.from_files(found.files)
    challengers = []
    free = segment_customers.free_ids(stage.mart, stage.base_date)
    for challenger in segment_customers.train(stage.week, champions, free):
        champion = champions.get(challenger.model.removeprefix("segments."))
        ours, theirs = _silhouettes(stage.week, challenger, champion)
        challengers.append(
            replace(challenger, metrics={**challenger.metrics, **ours}, champion=theirs)
        )
    return challengers


def _train_recommenders(stage: Stage, segments: KnownSegments) -> list[Challenger]:
    """Train the recommenders; a month without acquisitions leaves the champions in force.

    Raises
    ------
    NoAcquisitionsError
        E401 when there is no champion to go on with.
    """
    try:
        return recommend_products.train(
            stage.week,
            segments.now,
            holdout_segments=segments.before_holdout,
            book=lambda model: trial_book(stage, model),
        )
    except NoAcquisitionsError as error:
        models = offered_models(stage.week)["recommend"]
        if not any(_champion_before(stage, model) for model in models):
            raise
        log.warning("The recommenders in force stay: %s", error)
        return []


def _silhouettes(
    week: Week, challenger: Challenger, champion: SegmentModel | None
) -> tuple[dict[str, float], dict[str, float] | None]:
    """Return the silhouette of challenger and champion on the same rows and scale."""
    model = SegmentModel.from_files(challenger.files)
    table = segment_customers.read_features(week, model.family)
    rng = np.random.default_rng(week.settings.seed)
    rows = np.sort(rng.permutation(len(table))[:SILHOUETTE_ROWS])
    table = table.take(pa.array(rows))
    X, codes = model.scaling.transform(table)

    def measured(segments: SegmentModel) -> dict[str, float]:
        labels = segments.assign(table)["segment"].to_numpy()
        values = silhouettes(X, codes, model.scaling.gamma, labels)
        mean, error = float(values.mean()), float(values.std() / np.sqrt(len(values)))
        low, high = mean - 1.96 * error, mean + 1.96 * error
        return {"silhouette": mean, "silhouette_low": low, "silhouette_high": high}

    return measured(model), None if champion is None else measured(champion)


def _champion_before(stage: Stage, model: str) -> Artifact | None:
    version = ledger.champion(stage.mart, model, stage.base_date - timedelta(weeks=1))
    return read_version(stage.settings.artifacts, version) if version else None


def _readable_champion_before(stage: Stage, model: str) -> Artifact | None:
    """Return the champion, None where it is of a form that this code cannot compare with."""
    champion = _champion_before(stage, model)
    if champion is None or _unreadable(champion):
        return None
    return champion


def _unreadable(champion: Artifact) -> str:
    """Return why this code cannot read a champion whose files are sound; empty when it can."""
    model = champion.model
    try:
        read_model(READERS.get(model) or READERS[model.split(".", maxsplit=1)[0]], champion)
    except ArtifactError as error:
        log.warning("%s", error)
        return error.detail
    return ""


def _untrainable(week: Week, due: Collection[str], outcome: Collection[str]) -> list[str]:
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
