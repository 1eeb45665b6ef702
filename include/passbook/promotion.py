"""Whether a challenger takes the champion's place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from passbook.errors import InputError


@dataclass(frozen=True)
class Rule:
    """What a model of a kind has to show.

    Attributes
    ----------
    metric : str
        Figure that decides; larger is better.
    tolerance : float
        How much less than the champion's is still as good. A challenger knows newer data, so a
        draw goes to it.
    least, most : Mapping[str, float]
        Bounds that every model of the kind keeps, champion or not.
    """

    metric: str
    tolerance: float = 0.0
    least: Mapping[str, float] | None = None
    most: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Decision:
    """A decision on a challenger, with its reason in words and figures."""

    promoted: bool
    reason: str
    figures: Mapping[str, float]


RULES: Final[dict[str, Rule]] = {
    "segments": Rule(
        "silhouette",
        tolerance=0.02,
        # Clusters that repeat age and sex are worse than none, so a first model is bound as well.
        most={"demographic_share": 0.4, "required_rank": 5},
    ),
    "recommend": Rule("mrr", tolerance=0.005, least={"margin_over_segment_popularity": 0.0}),
    "credit.style": Rule("roc_auc", tolerance=0.01, least={"roc_auc": 0.5}),
    "credit.default": Rule(
        "roc_auc",
        tolerance=0.01,
        least={"roc_auc": 0.5, "approval_ratio": 0.8},  # the four-fifths rule
        most={"expected_calibration_error": 0.05},
    ),
}
"""By model name or its first part; the longest match counts."""


def rule_for(model: str) -> Rule:
    """Return the rule of a model.

    Raises
    ------
    InputError
        E803 when no rule speaks of it.
    """
    parts = model.split(".")
    for length in range(len(parts), 0, -1):
        rule = RULES.get(".".join(parts[:length]))
        if rule is not None:
            return rule
    raise InputError(f"No promotion rule speaks of {model!r}.")


def decide(
    model: str,
    challenger: Mapping[str, float],
    champion: Mapping[str, float] | None,
    *,
    waived: Collection[str] = (),
) -> Decision:
    """Compare a challenger with the champion on the same holdout.

    Parameters
    ----------
    model : str
    challenger, champion : Mapping[str, float]
        Figures on the same holdout, with the ends of their 95 % intervals as ``<figure>_low`` and
        ``_high``; None when there is no champion yet.
    waived : collection of str
        Figures whose bounds a named person has set aside.

    Raises
    ------
    InputError
        E803 when the deciding figure is missing, so that nothing can be compared.
    """
    rule = rule_for(model)
    _figure(model, challenger, rule.metric)
    figures = _with_interval("challenger", challenger, rule.metric)
    broken = _broken_bound(model, rule, challenger, waived=waived)
    if broken:
        return Decision(False, broken, figures)
    ours = _in_words(challenger, rule.metric)
    if champion is None:
        return Decision(True, f"First model: {rule.metric} {ours}.", figures)
    before = _figure(model, champion, rule.metric)
    figures |= _with_interval("champion", champion, rule.metric)
    better = figures["challenger"] >= before - rule.tolerance
    words = "at least the champion's" if better else "less than the champion's"
    theirs = _in_words(champion, rule.metric)
    return Decision(
        better, f"{rule.metric} {ours} is {words} {theirs} (tolerance {rule.tolerance}).", figures
    )


def _with_interval(whose: str, metrics: Mapping[str, float], name: str) -> dict[str, float]:
    """Return a figure and the ends of its 95 % interval, where there is one."""
    return {
        f"{whose}{end}": float(metrics[f"{name}{end}"])
        for end in ("", "_low", "_high")
        if f"{name}{end}" in metrics
    }


def _in_words(metrics: Mapping[str, float], name: str) -> str:
    found = _with_interval("", metrics, name)
    interval = f" [{found['_low']:.4f}, {found['_high']:.4f}]" if "_low" in found else ""
    return f"{found['']:.4f}{interval}"


def _broken_bound(
    model: str, rule: Rule, metrics: Mapping[str, float], *, waived: Collection[str]
) -> str:
    for name, bound in (rule.least or {}).items():
        if name not in waived and not _figure(model, metrics, name) >= bound:
            return f"{name} {metrics[name]:.4f} is below {bound}."
    for name, bound in (rule.most or {}).items():
        if name not in waived and not _figure(model, metrics, name) <= bound:
            return f"{name} {metrics[name]:.4f} is above {bound}."
    return ""


def _figure(model: str, metrics: Mapping[str, float], name: str) -> float:
    try:
        return float(metrics[name])
    except KeyError:
        raise InputError(f"{model} has no figure {name!r} to be judged by.") from None
