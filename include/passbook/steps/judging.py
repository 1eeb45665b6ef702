"""Challengers before the rules, and before a person where the settings ask for one."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from passbook import artifacts, drift, ledger
from passbook.mart.code_version import code_version
from passbook.promotion import decide
from passbook.steps import model_drift, score_credit

if TYPE_CHECKING:
    from passbook.artifacts import Artifact
    from passbook.steps.challenger import Challenger
    from passbook.steps.stage import Stage

log = logging.getLogger(__name__)

SEGMENT_POPULARITY: Final = "popularity_by_segment"
MARGIN: Final = "margin_over_segment_popularity"


@dataclass(frozen=True)
class Judged:
    """What became of a challenger."""

    model: str
    version: str
    outcome: Literal["promoted", "kept", "awaiting"]
    reason: str
    figures: Mapping[str, float]


def judge_all(stage: Stage, challengers: Sequence[Challenger]) -> dict[str, Judged]:
    """Keep challengers and their trials, judge each by its model's rule, record the decision.

    Where the settings ask for approval, what the rules would promote awaits a person's word, and
    nothing is recorded of it yet; what a person said of the same version before still holds.
    """
    store(stage, "trial", [challenger.trials for challenger in challengers])
    store(stage, "leaderboard", [challenger.leaderboard for challenger in challengers])
    store(stage, "model_figure", [challenger.figures for challenger in challengers])
    store(stage, "recommender_metric", [c.recommender_metrics for c in challengers])
    return {challenger.model: _judge(stage, challenger) for challenger in challengers}


def decide_awaiting(
    stage: Stage, awaiting: Sequence[Mapping[str, Any]], *, approved: bool, by: str, why: str
) -> dict[str, str]:
    """Record a person's word on what awaits it; return the promoted version by model."""
    for item in awaiting:
        word = "approved" if approved else "rejected"
        reason = f"{item['reason']} Promotion {word} by {by}: {why or 'no reason given'}."
        ledger.record_promotion(
            stage.mart,
            stage.fence,
            item["model"],
            item["version"],
            promoted=approved,
            reason=reason,
            figures=item["figures"],
            decided_by=by,
        )
    return {item["model"]: item["version"] for item in awaiting} if approved else {}


def store(stage: Stage, table: str, parts: Sequence[pa.Table | None]) -> None:
    """Write rows of a ledger's table, as far as there are any."""
    found = [rows for rows in parts if rows is not None]
    if found:
        ledger.append(stage.mart, stage.fence, table, pa.concat_tables(found))


def metrics_of(challenger: Challenger) -> dict[str, float]:
    """Return a challenger's figures; a recommender's margin over segment popularity among them.

    Where the leaderboard knows no segments, or nothing at all, the margin is 0.
    """
    metrics = dict(challenger.metrics)
    if challenger.model.startswith("recommend."):
        board = challenger.leaderboard
        rows = board.to_pylist() if board is not None else []
        popular = [row["mrr"] for row in rows if row["recommender"] == SEGMENT_POPULARITY]
        metrics[MARGIN] = metrics["mrr"] - popular[0] if popular else 0.0
    return metrics


def _judge(stage: Stage, challenger: Challenger) -> Judged:
    model = challenger.model
    metrics = metrics_of(challenger)
    artifact = _keep(stage, challenger, metrics)
    before = ledger.champion(stage.mart, model, stage.base_date - timedelta(weeks=1))
    accepted = challenger.parameters.get(score_credit.FAIRNESS_APPROVAL)
    decision = decide(
        model,
        metrics,
        challenger.champion or (before.metrics if before else None),
        waived=("approval_ratio",) if accepted else (),
    )
    found = Judged(model, artifact.version, "kept", decision.reason, decision.figures)
    said = ledger.persons_word(stage.mart, model, artifact.version, stage.base_date)
    if decision.promoted and said is not None:
        return replace(found, outcome="promoted" if said else "kept")
    if decision.promoted and stage.settings.approval_hours is not None:
        log.info("%s %s awaits approval. %s", model, artifact.version, decision.reason)
        return replace(found, outcome="awaiting")
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
    return replace(found, outcome="promoted" if decision.promoted else "kept")


def _keep(stage: Stage, challenger: Challenger, metrics: Mapping[str, float]) -> Artifact:
    """Write a challenger's files and record its version."""
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
            "metrics": dict(metrics),
            "inputs": inputs,
            "code_version": code_version(),
        },
    )
    version = ledger.ModelVersion(
        model,
        artifact.version,
        stage.base_date,
        artifact.manifest_sha256,
        dict(challenger.parameters),
        dict(metrics),
    )
    ledger.record_model_version(stage.mart, stage.fence, version)
    return artifact


def champion_row(board: pa.Table) -> dict[str, float]:
    """Return the figures of the recommender in force; none where it cannot stand any more."""
    rows = board.filter(pc.field("champion")).to_pylist()
    return {name: v for row in rows for name, v in row.items() if isinstance(v, float)}
