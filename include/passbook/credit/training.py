"""Training of the credit models: compared, judged out of time, fitted once more on everything."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np
from scipy.special import expit

from passbook.contracts import STYLES
from passbook.credit import (
    default_risk,
    evaluation,
    figures,
    risk_models,
    scorecard,
    scoring,
    styles,
)
from passbook.credit.boosting import TreeSettings
from passbook.credit.calibration import Method as Calibrated
from passbook.credit.calibration import reliability
from passbook.credit.default_risk import DefaultRisk
from passbook.credit.fairness import audit
from passbook.credit.index import BANDS, IndexScale, band_table, bands
from passbook.credit.risk_models import BOOSTED_TREES, SCORECARD
from passbook.credit.scorecard import Scorecard, ScorecardSettings
from passbook.credit.search import Method, Trial, best, search
from passbook.credit.style_classifiers import StyleModel

EVALUATION_FILE: Final = "evaluation.json"
SEARCH_ROWS: Final = 20_000
"""Most rows that a search looks at: settings, not trees, are what it decides."""
SEARCH_FOLDS: Final = 3


@dataclass(frozen=True)
class Sample:
    """Customers with a known outcome at an observation date.

    Attributes
    ----------
    matrix : numpy.ndarray of float32, shape (rows, features)
        Features as of the observation date; missing is NaN.
    defaulted : numpy.ndarray of bool, shape (rows,)
    style : numpy.ndarray of int, shape (rows,)
        Position in `contracts.STYLES`; -1 where the bank knows none.
    protected : Mapping[str, numpy.ndarray]
        Group of each protected attribute, empty where unknown: for the fairness audit alone.
    observed : str
        The observation date.
    default_day : numpy.ndarray, optional, shape (rows,)
        Days from the observation date to the default; NaN where there was none. None where the
        bank does not know the days.
    impossible : Mapping[str, int]
        Values that were made missing because they cannot be, by feature, over all customers.
    without_outcome : numpy.ndarray of float32, optional, shape (others, features)
        Customers of the date that have no outcome, where one is to be inferred for them.
    """

    matrix: np.ndarray
    defaulted: np.ndarray
    style: np.ndarray
    protected: Mapping[str, np.ndarray]
    observed: str = ""
    default_day: np.ndarray | None = None
    impossible: Mapping[str, int] = field(default_factory=dict)
    without_outcome: np.ndarray | None = None


@dataclass(frozen=True)
class Trained:
    """A trained model's files, parameters and figures."""

    files: dict[str, bytes]
    parameters: dict[str, Any]
    metrics: dict[str, float]
    trials: tuple[tuple[Mapping[str, Any], Mapping[str, float], float], ...]
    """Parameters, figures and seconds of what was tried."""
    figures: tuple[tuple[str, str, str, float], ...]
    """Section, item, name and value of what ``ops.model_figure`` keeps."""


@dataclass(frozen=True)
class RiskPlan:
    """How a default-risk model is trained.

    Attributes
    ----------
    scale : IndexScale
    search : {"optuna", "grid", "random"}
    trials : int
        Settings tried by the search.
    scorecard_distance : float
        Gini that the scorecard may lack and still be published.
    seed, threads : int
    calibrated : {"platt", "isotonic"}
    reject_inference : float, optional
        Odds of default of customers without an outcome, as a multiple of those that the model gives
        to equal ones with an outcome; None infers nothing.
    """

    scale: IndexScale
    search: Method
    trials: int
    scorecard_distance: float
    seed: int
    threads: int
    calibrated: Calibrated = "platt"
    reject_inference: float | None = None


@dataclass(frozen=True)
class Candidates:
    """Both kinds of default-risk model, fitted on the same rows."""

    trees: DefaultRisk
    scorecard: Scorecard


def train_style(
    earlier: Sample, later: Sample, names: Sequence[str], seed: int
) -> tuple[StyleModel, Trained]:
    """Train the style classifier on the bank's labels, or by rule where it has none.

    Raises
    ------
    OutcomeError
        E501 when a style has too few labels.
    """
    matrix, label, source = _labelled(earlier, later, names, seed)
    model, comparison = styles.fit(matrix, label, names=names, seed=seed)
    evaluated = {
        "labels": source,
        "labelled": len(label),
        "chosen": comparison.chosen,
        "styles": STYLES,
        "test": comparison.test,
    }
    numbers = {name: _numbers(found) for name, found in comparison.test.items()}
    files = model.to_files() | {EVALUATION_FILE: _json(evaluated)}
    parameters = {"labels": source, "classifier": comparison.chosen}
    trials = tuple(({"classifier": name}, found, 0.0) for name, found in numbers.items())
    return model, Trained(
        files, parameters, numbers[comparison.chosen], trials, tuple(figures.of_styles(evaluated))
    )


def judge_style(
    model: StyleModel, earlier: Sample, later: Sample, names: Sequence[str], seed: int
) -> dict[str, float]:
    """Return a style classifier's figures on the rows that `train_style` judges on."""
    matrix, label, _ = _labelled(earlier, later, names, seed)
    rows = styles.judged_rows(label, seed)
    probability = model.probabilities(matrix[rows])
    return _numbers(evaluation.class_metrics(probability, label[rows], len(STYLES)))


def _labelled(
    earlier: Sample, later: Sample, names: Sequence[str], seed: int
) -> tuple[np.ndarray, np.ndarray, str]:
    """Return the rows with a style label, the labels, and who gave them."""
    matrix = np.vstack([earlier.matrix, later.matrix])
    label = np.concatenate([earlier.style, later.style])
    source = "bank"
    if (label < 0).all():
        label, source = styles.labels_by_rule(matrix, names, seed), "rule"
    known = label >= 0
    return matrix[known], label[known], source


def train_default(
    earlier: Sample, later: Sample, names: Sequence[str], style: StyleModel, plan: RiskPlan
) -> Trained:
    """Train the default-risk model.

    Trees and scorecard are fitted on the earlier observation date and judged on the later one,
    which they have not seen. The chosen kind is published after a last fit on both dates.

    Raises
    ------
    OutcomeError
        E501 when one of the outcomes is too rare at either date.
    """
    earlier, later = (_with_style(sample, style) for sample in (earlier, later))
    columns = (*names, *(feature.name for feature in scoring.STYLE_FEATURES))
    evaluation.check_outcomes(later.defaulted)
    tried = _search(earlier, columns, plan)
    settings = replace(best(tried), folds=TreeSettings.folds)
    seen = with_inferred([earlier], columns, settings, plan)
    validated = _fit_both(*seen, columns, settings, plan)
    judged = {
        name: judge(model.log_odds(later.matrix), later, plan.scale)
        for name, model in (
            (BOOSTED_TREES, validated.trees),
            (SCORECARD, validated.scorecard),
        )
    }
    gini = {name: found["out_of_time"]["gini"] for name, found in judged.items()}
    chosen = risk_models.choose(gini, plan.scorecard_distance)
    everything = with_inferred([earlier, later], columns, settings, plan)
    final = _fit_both(*everything, columns, settings, plan)
    files = risk_models.to_files(final.trees, final.scorecard, chosen) | style.to_files()
    evaluated = {
        "chosen": chosen,
        **judged,
        "vintage": _vintages(earlier, later, judged[chosen]["index"]),
        "cleaning": [
            {"date": sample.observed, **row}
            for sample in (earlier, later)
            for row in _cleaning(sample, columns, validated.trees)
        ],
    }
    for found in judged.values():
        del found["index"]
    files[EVALUATION_FILE] = _json(evaluated)
    parameters = {"kind": chosen, "calibrated": plan.calibrated, **asdict(settings)}
    if plan.reject_inference is not None:
        parameters["reject_inference"] = plan.reject_inference
    return Trained(
        files,
        parameters,
        judged[chosen]["out_of_time"],
        _trials(tried, judged),
        tuple(figures.of_risk(evaluated)),
    )


def judge(log_odds: np.ndarray, sample: Sample, scale: IndexScale) -> dict[str, Any]:
    """Return all figures of log-odds of default on customers with known outcomes, and the index.

    Customers from the base index on count as approved.
    """
    probability, index = expit(log_odds), scale.index(log_odds)
    low, high = evaluation.roc_auc_interval(log_odds, sample.defaulted)
    fairness = audit(sample.protected, index >= scale.base, sample.defaulted, probability)
    ratios = {f"approval_ratio_{name}": found["approval_ratio"] for name, found in fairness.items()}
    return {
        "out_of_time": evaluation.risk_metrics(probability, sample.defaulted)
        | {"roc_auc_low": low, "roc_auc_high": high}
        | ratios
        | {"approval_ratio": min(ratios.values(), default=1.0)},
        "reliability": reliability(probability, sample.defaulted),
        "lift": evaluation.lift_table(log_odds, sample.defaulted),
        "curve": evaluation.risk_curve(log_odds, sample.defaulted),
        "index": index,
        "bands": band_table(index, sample.defaulted),
        "fairness": fairness,
    }


def _vintages(earlier: Sample, later: Sample, index: np.ndarray) -> list[dict[str, Any]]:
    """Return cumulative default rates of both dates' customers, and of the later one's bands."""
    found = []
    for sample in (earlier, later):
        if sample.default_day is not None:
            found += evaluation.vintage(sample.observed, sample.default_day)
    if later.default_day is not None:
        place = bands(index)
        for number, band in reversed(list(enumerate(BANDS))):
            days = later.default_day[place == number]
            found += evaluation.vintage(f"{later.observed} band {band}", days)
    return found


def _cleaning(
    sample: Sample, columns: Sequence[str], trees: DefaultRisk
) -> list[dict[str, float | str]]:
    """Return, a feature, how many values each step of cleaning touched."""
    missing = np.isnan(sample.matrix).sum(axis=0)
    low = (sample.matrix < trees.low).sum(axis=0)
    high = (sample.matrix > trees.high).sum(axis=0)
    return [
        {
            "feature": name,
            "impossible": float(sample.impossible.get(name, 0)),
            "missing": float(missing[place]),
            "drawn_up": float(low[place]),
            "drawn_down": float(high[place]),
        }
        for place, name in enumerate(columns)
    ]


def _with_style(sample: Sample, style: StyleModel) -> Sample:
    def styled(matrix: np.ndarray) -> np.ndarray:
        return scoring.with_style(matrix, style.probabilities(matrix))

    others = None if sample.without_outcome is None else styled(sample.without_outcome)
    return replace(sample, matrix=styled(sample.matrix), without_outcome=others)


def with_inferred(
    samples: Sequence[Sample], columns: Sequence[str], settings: TreeSettings, plan: RiskPlan
) -> tuple[np.ndarray, np.ndarray]:
    """Return training rows and outcomes, with inferred ones of other customers where asked for.

    Parcelling: trees of the known outcomes give the others their odds, these are multiplied, and
    outcomes are drawn with them. At most as many others as known ones take part. What is judged out
    of time are known outcomes alone.
    """
    matrix = np.vstack([sample.matrix for sample in samples])
    defaulted = np.concatenate([sample.defaulted for sample in samples])
    unknown = [s.without_outcome for s in samples if s.without_outcome is not None]
    if plan.reject_inference is None or not unknown:
        return matrix, defaulted
    rng = np.random.default_rng(plan.seed)
    others = np.vstack(unknown)
    kept = np.sort(rng.permutation(len(others))[: len(matrix)])
    others = others[kept]
    trees = _trees(matrix, defaulted, columns, settings, plan)
    odds = trees.log_odds(others) + np.log(plan.reject_inference)
    drawn = rng.random(len(others)) < expit(odds)
    return np.vstack([matrix, others]), np.concatenate([defaulted, drawn])


def _search(sample: Sample, columns: Sequence[str], plan: RiskPlan) -> list[Trial]:
    rows = np.arange(len(sample.defaulted))
    if len(rows) > SEARCH_ROWS:
        drawn = np.random.default_rng(plan.seed).choice(rows, SEARCH_ROWS, replace=False)
        rows = np.sort(drawn)
    return search(
        sample.matrix[rows],
        evaluation.check_outcomes(sample.defaulted[rows]),
        method=plan.search,
        trials=plan.trials,
        start=replace(TreeSettings(), folds=SEARCH_FOLDS),
        monotone=_signs(columns),
        seed=plan.seed,
        threads=plan.threads,
    )


def _trees(
    matrix: np.ndarray,
    defaulted: np.ndarray,
    columns: Sequence[str],
    settings: TreeSettings,
    plan: RiskPlan,
) -> DefaultRisk:
    return default_risk.fit(
        matrix,
        defaulted,
        names=columns,
        risk=_signs(columns),
        settings=settings,
        scale=plan.scale,
        seed=plan.seed,
        threads=plan.threads,
        calibrated=plan.calibrated,
    )


def _fit_both(
    matrix: np.ndarray,
    defaulted: np.ndarray,
    columns: Sequence[str],
    settings: TreeSettings,
    plan: RiskPlan,
) -> Candidates:
    trees = _trees(matrix, defaulted, columns, settings, plan)
    card = scorecard.fit(
        matrix,
        defaulted,
        names=columns,
        risk=_signs(columns),
        settings=ScorecardSettings(),
        scale=plan.scale,
    )
    return Candidates(trees, card)


def _trials(
    tried: Sequence[Trial], judged: Mapping[str, Mapping[str, Any]]
) -> tuple[tuple[Mapping[str, Any], Mapping[str, float], float], ...]:
    searched = [
        (asdict(trial.settings), {"roc_auc": trial.roc_auc}, trial.seconds) for trial in tried
    ]
    compared = [({"kind": name}, found["out_of_time"], 0.0) for name, found in judged.items()]
    return (*searched, *compared)


def _signs(columns: Sequence[str]) -> list[int]:
    return [scoring.feature(name).risk for name in columns]


def _numbers(found: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in found.items() if isinstance(value, float)}


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode()
