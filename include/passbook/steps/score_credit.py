"""The stage ``score_credit``: behaviour styles and the credit index of every customer."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import expit

from passbook.base_date import OUTCOME_WEEKS, observation_dates
from passbook.contracts import MART_TABLES, OPS_TABLES, STYLES
from passbook.credit import features, records, risk_models, scoring, style_classifiers
from passbook.credit.evaluation import check_outcomes
from passbook.credit.index import IndexScale
from passbook.credit.scoring import CreditModels
from passbook.credit.training import (
    RiskPlan,
    Sample,
    Trained,
    judge,
    judge_style,
    train_default,
    train_style,
)
from passbook.errors import FutureRowError, NoChampionError, OutcomeError
from passbook.steps import privacy
from passbook.steps.challenger import Challenger
from passbook.steps.model_files import read_model
from passbook.steps.set_aside import SetAside

if TYPE_CHECKING:
    from passbook.artifacts import Artifact
    from passbook.credit.records import Sealing
    from passbook.settings import Settings
    from passbook.steps.stage import Stage
    from passbook.steps.week import Week

log = logging.getLogger(__name__)

STYLE_MODEL = "credit.style"
DEFAULT_MODEL = "credit.default"
FAIRNESS_APPROVAL = "fairness_approval"
"""Parameter of a model whose unequal approvals a named person has accepted."""
OUTCOME_DAYS = 7 * OUTCOME_WEEKS
"""Length of the outcome window."""
AUDITED = ("sex", "age_band")
"""Protected attributes that fairness is measured by."""


def offered(week: Week) -> bool:
    """Whether the bank offers what credit scoring needs."""
    return week.offers("behaviour") and week.offers("credit_outcome")


def read_features(week: Week, at: date | None = None) -> pa.Table:
    """Read the work tables of a date and return one row of features a customer.

    Raises
    ------
    CreditInputError
        E502 when a table knows a customer twice, or a column is full of impossible values.
    """
    return _read_features(week, at)[0]


def _read_features(week: Week, at: date | None = None) -> tuple[pa.Table, dict[str, int]]:
    """Return the features of a date, and how many impossible values were made missing."""
    tables = {
        name: week.table(name, features.needed_columns(name), at=at)
        for name in features.FEATURES
        if week.offers(name)
    }
    built, impossible = features.reject_impossible(features.build(tables, at or week.base_date))
    if impossible:
        log.warning("Impossible values made missing: %s", impossible)
    return built, impossible


def train(
    week: Week, champions: Mapping[str, Mapping[str, bytes]] | None = None
) -> list[Challenger]:
    """Train the style classifier and the default-risk model.

    Challengers bring the figures of `champions` (files by model) on the rows that they are judged
    on themselves. A champion of other features cannot be judged and has none.

    Outcomes that cannot be learnt from (none yet, or all alike: E501, kept in the log) give no
    challenger. The champions stay, and the other domains of the retraining go on.

    Raises
    ------
    FutureRowError
        E104 when an outcome was observed after the base date.
    """
    if not offered(week):
        return []
    try:
        return _train(week, champions or {})
    except OutcomeError as error:
        log.warning("Credit models are not trained: %s", error)
        return []


def _train(week: Week, champions: Mapping[str, Mapping[str, bytes]]) -> list[Challenger]:
    names = features.names({name for name in features.FEATURES if week.offers(name)})
    earlier, later = (_sample(week, at, names) for at in observation_dates(week.base_date))
    style, trained_style = train_style(earlier, later, names, week.settings.seed)
    trained_default = train_default(earlier, later, names, style, _plan(week.settings))
    if week.settings.credit_fairness_approval:
        trained_default.parameters[FAIRNESS_APPROVAL] = week.settings.credit_fairness_approval
    judged = {}
    for model, files in champions.items():
        known = style_classifiers.from_files(files)
        if known.names != names:
            log.warning("The champion of %s knows other features; it is not compared", model)
        elif model == STYLE_MODEL:
            judged[model] = judge_style(known, earlier, later, names, week.settings.seed)
        else:
            judged[model] = _judge_default(files, later)
    return [
        replace(_challenger(model, trained, week.base_date), champion=judged.get(model))
        for model, trained in ((STYLE_MODEL, trained_style), (DEFAULT_MODEL, trained_default))
    ]


def judge_in_force(week: Week, files: Mapping[str, bytes]) -> dict[str, float]:
    """Return the figures of a default-risk model on the later observation date's customers.

    A champion of an earlier week has not seen their outcomes; challengers are judged on them too.
    ``predicted_rate`` beside the rest is the default rate that the model expects.

    Raises
    ------
    OutcomeError
        E501 when one of the outcomes is too rare.
    """
    _, at = observation_dates(week.base_date)
    sample = _sample(week, at, style_classifiers.from_files(files).names)
    check_outcomes(sample.defaulted)
    return _judge_default(files, sample)


def _judge_default(files: Mapping[str, bytes], sample: Sample) -> dict[str, float]:
    style, risk = style_classifiers.from_files(files), risk_models.from_files(files)
    log_odds = risk.log_odds(scoring.with_style(sample.matrix, style.probabilities(sample.matrix)))
    figures: dict[str, float] = judge(log_odds, sample, risk.scale)["out_of_time"]
    return {**figures, "predicted_rate": float(expit(log_odds).mean())}


def work(stage: Stage) -> dict[str, Any]:
    """Score every customer of the base date and publish ``mart.credit_score``.

    Raises
    ------
    NoChampionError
        E601 when the bank offers credit data and no model has been promoted yet.
    """
    week = stage.week
    if not offered(week):
        return {"table": "credit_score", "rows": 0, "nothing_to_do": True}
    artifacts = {name: _champion(stage, name) for name in (STYLE_MODEL, DEFAULT_MODEL)}
    models = read_model(
        lambda files: CreditModels.from_files(artifacts[STYLE_MODEL].files, files),
        artifacts[DEFAULT_MODEL],
    )
    sealing = privacy.sealing(week.settings, models.risk.names, week.base_date)
    table, impossible = _read_features(week)
    scored = score(
        table,
        models,
        week.base_date,
        block_rows=week.settings.block_rows,
        threads=week.settings.threads,
        sealing=sealing,
    )
    described = records.feature_rows(
        models.risk.names,
        week.base_date,
        artifacts[DEFAULT_MODEL].version,
        sealing.names if sealing else (),
    )
    # Scores and records of one pass: the records wait until the scores are in.
    waiting = SetAside(scored)
    publication, *_ = stage.publish(
        {
            "credit_score": waiting.first(),
            "credit_score_feature": [described],
            "credit_score_record": waiting.second(),
        },
        inputs=_inputs(week, artifacts),
    )
    return {
        "table": "credit_score",
        "rows": publication.rows,
        "sha256": publication.sha256,
        "impossible_values": sum(impossible.values()),
    }


def score(
    table: pa.Table,
    models: CreditModels,
    base_date: date,
    *,
    block_rows: int,
    threads: int,
    sealing: Sealing | None = None,
) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """Yield rows of ``mart.credit_score`` and ``mart.credit_score_record``, a pair a block."""
    schema = MART_TABLES["credit_score"].schema

    def scored(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        found = scoring.score_block(batch, models)
        dates = pa.repeat(pa.scalar(base_date, pa.date32()), found.num_rows)
        columns = [found[name] for name in scoring.SCORE_COLUMNS]
        record = records.record_block(found, models.risk.names, base_date, sealing)
        return pa.record_batch([dates, *columns], schema=schema), record

    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Future[tuple[pa.RecordBatch, pa.RecordBatch]]] = deque()
        for batch in table.to_batches(max_chunksize=block_rows):
            ahead.append(pool.submit(scored, batch))
            if len(ahead) > threads:  # no more blocks in memory than are worked on
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _outcomes(week: Week, at: date) -> pa.Table:
    outcomes = week.table("credit_outcome")
    newest = pc.max(outcomes["observation_date"]).as_py()
    if newest is not None and newest > week.base_date:
        raise FutureRowError(f"credit_outcome has an observation date of {newest}.")
    found = outcomes.filter(pc.equal(outcomes["observation_date"], pa.scalar(at, pa.date32())))
    if not found.num_rows:
        raise OutcomeError(f"credit_outcome has no outcomes for the observation date {at}.")
    return found


def _sample(week: Week, at: date, names: tuple[str, ...]) -> Sample:
    """Join outcomes to features; a customer who is unknown at the date is left out."""
    outcomes = _outcomes(week, at)
    table, impossible = _read_features(week, at)
    customer = week.table("customer", ["customer_id", *AUDITED], at=at)
    others = None
    if week.settings.credit_reject_inference is not None:
        unknown = pc.is_in(table["customer_id"], value_set=outcomes["customer_id"])
        others = features.as_matrix(table.filter(pc.invert(unknown)), names)
    position = pc.index_in(outcomes["customer_id"], value_set=table["customer_id"])
    known = pc.is_valid(position)
    outcomes = outcomes.filter(known)
    rows = table.take(position.filter(known))
    style = pc.index_in(outcomes["style_label"], value_set=pa.array(STYLES))
    return Sample(
        features.as_matrix(rows, names),
        outcomes["defaulted"].to_numpy(zero_copy_only=False).astype(bool),
        pc.fill_null(style, -1).to_numpy().astype(np.int8),
        _protected(outcomes["customer_id"], customer),
        observed=at.isoformat(),
        default_day=_default_days(outcomes),
        impossible=impossible,
        without_outcome=others,
    )


def _default_days(outcomes: pa.Table) -> np.ndarray | None:
    """Return days from observation to default, NaN without one; None where no day is known."""
    bad = outcomes["defaulted"]
    days = pc.days_between(outcomes["observation_date"], outcomes["defaulted_on"])
    known = pc.and_(bad, pc.is_valid(days))
    if pc.any(bad).as_py() and not pc.any(known).as_py():
        return None
    # A default whose day alone is missing happened by the end of the window.
    last = pc.if_else(bad, pa.scalar(OUTCOME_DAYS, pa.int64()), pa.scalar(None, pa.int64()))
    found = pc.if_else(known, days, last).cast(pa.float64())
    return np.asarray(found.to_numpy(zero_copy_only=False))


def _protected(ids: pa.ChunkedArray, customer: pa.Table) -> dict[str, np.ndarray]:
    found = customer.take(pc.index_in(ids, value_set=customer["customer_id"]))
    return {
        name: pc.fill_null(found[name], "").to_numpy(zero_copy_only=False).astype(str)
        for name in AUDITED
    }


def _plan(settings: Settings) -> RiskPlan:
    return RiskPlan(
        IndexScale(settings.score_base, settings.score_base_odds, settings.score_points_to_double),
        settings.credit_search,
        settings.credit_search_trials,
        settings.credit_scorecard_distance,
        settings.seed,
        settings.threads,
        settings.credit_calibration,
        settings.credit_reject_inference,
    )


def _challenger(model: str, trained: Trained, base_date: date) -> Challenger:
    rows = [
        {
            "base_date": base_date,
            "model": model,
            "trial": number,
            "parameters": json.dumps(parameters),
            "metrics": json.dumps(figures),
            "seconds": seconds,
        }
        for number, (parameters, figures, seconds) in enumerate(trained.trials)
    ]
    trials = pa.Table.from_pylist(rows, schema=OPS_TABLES["trial"].schema)
    figures = pa.Table.from_pylist(
        [
            {
                "base_date": base_date,
                "model": model,
                "section": section,
                "item": item,
                "figure": name,
                "value": value,
            }
            for section, item, name, value in trained.figures
        ],
        schema=OPS_TABLES["model_figure"].schema,
    )
    return Challenger(
        model, trained.files, trained.parameters, trained.metrics, trials=trials, figures=figures
    )


def _champion(stage: Stage, model: str) -> Artifact:
    artifact = stage.champion(model)
    if artifact is None:
        raise NoChampionError(f"{model} has not been promoted for {stage.week.base_date}.")
    return artifact


def _inputs(week: Week, artifacts: Mapping[str, Artifact]) -> dict[str, str]:
    tables = {name: week.fingerprint(name) for name in features.FEATURES if week.offers(name)}
    models = {name: artifact.manifest_sha256 for name, artifact in artifacts.items()}
    return tables | models | {"settings": week.settings.fingerprint("sealed_features")}
