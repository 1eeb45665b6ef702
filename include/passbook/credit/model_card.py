"""The model card of a version: what it is, what it was measured on, how well, how fairly."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from passbook.credit.features import PROTECTED
from passbook.credit.index import BAND_FLOORS
from passbook.credit.scorecard import Scorecard
from passbook.credit.scoring import feature

_METRICS = {
    "rows": "customers",
    "default_rate": "observed default rate",
    "roc_auc": "ROC-AUC",
    "gini": "Gini",
    "ks": "Kolmogorov–Smirnov",
    "expected_calibration_error": "expected calibration error",
    "brier": "Brier score",
}

_PURPOSE = (
    "It estimates the probability that a customer is 90 days past due or written off within 26"
    " weeks, and turns it into an index from 300 to 850."
)
_METHOD = (
    "Both kinds were fitted on the earlier observation date and judged on the later one, which they"
    " had not seen. The published model was then fitted once more on both dates."
)
_CLEANED = ("impossible", "missing", "drawn_up", "drawn_down")
_CLEANING = (
    "Impossible (negative or infinite) values were made missing, of all customers; missing ones"
    " stay missing; values beyond the 0.1 % and 99.9 % quantiles of training were drawn up or down"
    " to them. Nobody was dropped."
)
_LIMITS = (
    "Customers without credit have no outcome. The model has learnt from those who have one; unless"
    " reject_inference is among the parameters below, no outcome was inferred for the others."
    " Figures hold for the dates above; drift is watched each week. The index describes risk, it"
    " does not decide: a decision is the bank's."
)


def render(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
    """Return the card of a ``credit.default`` version as Markdown.

    Parameters
    ----------
    manifest : Mapping
        The artifact's: ``base_date``, ``parameters``, ``inputs``.
    files : Mapping[str, bytes]
        The artifact's files.
    """
    evaluated = json.loads(files["evaluation.json"])
    chosen = evaluated["chosen"]
    judged = evaluated[chosen]
    kinds = [name for name, part in evaluated.items() if isinstance(part, dict) and "lift" in part]
    sections = [
        f"# Model card: credit.default, trained for {manifest['base_date']}",
        f"Published kind: **{chosen.replace('_', ' ')}**. {_PURPOSE}",
        "## Measured out of time",
        _METHOD,
        _table(
            ["figure", *(kind.replace("_", " ") for kind in kinds)],
            [
                [words, *(_number(evaluated[kind]["out_of_time"][name]) for kind in kinds)]
                for name, words in _METRICS.items()
            ],
        ),
        "## Calibration, tenths of the customers by predicted risk",
        _rows(judged["reliability"]),
        "## Lift, riskiest tenth first",
        _rows(judged["lift"]),
        f"## Bands (floors of D, C, B, A: {', '.join(map(str, BAND_FLOORS))})",
        _rows(judged["bands"]),
        *_vintage(evaluated.get("vintage", [])),
        *_fairness(judged.get("fairness", {})),
        *_cleaning(evaluated.get("cleaning", [])),
        "## Features",
        _features(files),
        f"Protected and never a feature: {', '.join(PROTECTED)}.",
        "## Limits",
        _LIMITS,
        "## Made from",
        _table(
            ["parameter", "value"],
            [[name, value] for name, value in manifest.get("parameters", {}).items()],
        ),
        _table(
            ["work table and date", "fingerprint"],
            [[name, value] for name, value in manifest.get("inputs", {}).items()],
        ),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _fairness(audited: Mapping[str, Any]) -> list[str]:
    sections = []
    for name, found in audited.items():
        sections += [
            f"## Fairness by {name.replace('_', ' ')}, approved at the base index",
            f"Approval ratio {found['approval_ratio']:.3f}; equal-opportunity gap"
            f" {found['equal_opportunity_gap']:.3f}.",
            _rows(found["groups"]),
        ]
    return sections


def _vintage(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a row a cohort, a column a month."""
    cohorts: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        cohorts.setdefault(row["cohort"], []).append(row)
    if not cohorts:
        return []
    months = [f"month {row['month']:.0f}" for row in next(iter(cohorts.values()))]
    lines = [
        [name, _number(line[0]["customers"]), *(f"{row['defaulted']:.2%}" for row in line)]
        for name, line in cohorts.items()
    ]
    return [
        "## Vintages: defaulted so far, by month since the observation date",
        _table(["cohort", "customers", *months], lines),
    ]


def _cleaning(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    touched = [row for row in rows if any(row[name] for name in _CLEANED)]
    if not touched:
        return []
    return ["## Cleaning, values touched by each step", _CLEANING, _rows(touched)]


def _features(files: Mapping[str, bytes]) -> str:
    card = Scorecard.from_files(files)
    informed = {part.name: part for part in card.characteristics}
    return _table(
        ["feature", "in words", "more of it", "information value", "scorecard points"],
        [
            [
                name,
                feature(name).english,
                {1: "never raises the index", -1: "never lowers it", 0: ""}[feature(name).risk],
                f"{informed[name].information:.3f}" if name in informed else "",
                f"{min(informed[name].points)} to {max(informed[name].points)}"
                if name in informed
                else "",
            ]
            for name in card.names
        ],
    )


def _rows(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    return _table(list(rows[0]), [[_number(value) for value in row.values()] for row in rows])


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [" | ".join(map(str, row)) for row in rows]
    if not lines:
        return ""
    return "\n".join(
        [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *(f"| {line} |" for line in lines)]
    )


def _number(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if value.is_integer() and abs(value) >= 1 else f"{value:.4f}"
