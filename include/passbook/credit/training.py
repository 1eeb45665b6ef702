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
    """

    matrix: np.ndarray
    defaulted: np.ndarray
    style: np.ndarray
    protected: Mapping[str, np.ndarray]
    observed: str = ""
    default_day: np.ndarray | None = None
    impossible: Mapping[str, int] = field(default_factory=dict)


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
    """

    scale: IndexScale
    search: Method
    trials: int
    scorecard_distance: float
    seed: int
    threads: int


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
    validated = _fit_both(earlier.matrix, earlier.defaulted, columns, settings, plan)
    judged = {
        name: judge(model.log_odds(later.matrix), later, plan.scale)
        for name, model in (
            (BOOSTED_TREES, validated.trees),
            (SCORECARD, validated.scorecard),
        )
    }
    gini = {name: found["out_of_time"]["gini"] for name, found in judged.items()}
    chosen = risk_models.choose(gini, plan.scorecard_distance)
    final = _fit_both(
        np.vstack([earlier.matrix, later.matrix]),
        np.concatenate([earlier.defaulted, later.defaulted]),
        columns,
        settings,
        plan,
    )
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
    parameters = {"kind": chosen, **asdict(settings)}
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
    matrix = scoring.with_style(sample.matrix, style.probabilities(sample.matrix))
    return replace(sample, matrix=matrix)


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


def _fit_both(
    matrix: np.ndarray,
    defaulted: np.ndarray,
    columns: Sequence[str],
    settings: TreeSettings,
    plan: RiskPlan,
) -> Candidates:
    trees = default_risk.fit(
        matrix,
        defaulted,
        names=columns,
        risk=_signs(columns),
        settings=settings,
        scale=plan.scale,
        seed=plan.seed,
        threads=plan.threads,
    )
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
