"""Pictures of a credit model's figures, as SVG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure


def calibration_and_lift(judged: Mapping[str, Any]) -> bytes:
    """Draw predicted against observed default rates, and the defaults caught by tenths.

    Parameters
    ----------
    judged : Mapping
        ``reliability`` and ``lift`` as `training.judge` gives them.
    """
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    predicted = [row["predicted"] for row in judged["reliability"]]
    observed = [row["observed"] for row in judged["reliability"]]
    top = max([*predicted, *observed])
    left.plot([0, top], [0, top], linestyle=":", color="grey")
    left.plot(predicted, observed, marker="o")
    left.set(xlabel="predicted default rate", ylabel="observed default rate", title="Calibration")
    tenths = [0.0, *(row["tenth"] for row in judged["lift"])]
    captured = [0.0, *(row["captured"] for row in judged["lift"])]
    right.plot([0, tenths[-1]], [0, 1], linestyle=":", color="grey")
    right.plot(tenths, captured, marker="o")
    right.set(
        xlabel="tenths of the customers, riskiest first",
        ylabel="share of the defaults",
        title="Defaults caught",
    )
    return _svg(figure)


def roc_and_ks(judged: Mapping[str, Any]) -> bytes:
    """Draw the ROC curve with its Gini, and the shares of good and bad with their widest gap.

    Parameters
    ----------
    judged : Mapping
        ``curve`` and ``out_of_time`` as `training.judge` gives them.
    """
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    curve = judged["curve"]
    good, bad = ([row[name] for row in curve] for name in ("good", "bad"))
    figures = judged["out_of_time"]
    left.plot([0, 1], [0, 1], linestyle=":", color="grey")
    left.plot(good, bad)
    left.set(
        xlabel="share of good customers at or above the threshold",
        ylabel="share of defaults",
        title=f"ROC curve: AUC {figures['roc_auc']:.3f}, Gini {figures['gini']:.3f}",
    )
    tenths = [10 * row["customers"] for row in curve]
    right.plot(tenths, bad, label="defaults", color="tab:red")
    right.plot(tenths, good, label="good customers", color="tab:blue")
    widest = int(np.argmax(np.array(bad) - np.array(good)))
    right.plot([tenths[widest]] * 2, [good[widest], bad[widest]], color="black", linestyle="--")
    right.set(
        xlabel="tenths of the customers, riskiest first",
        ylabel="cumulative share",
        title=f"Kolmogorov–Smirnov {figures['ks']:.3f}",
    )
    right.legend(frameon=False, loc="lower right")
    return _svg(figure)


def vintages(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw cumulative default rates by month since the observation date, a line a cohort.

    Parameters
    ----------
    rows : sequence of Mapping
        As `evaluation.vintage` gives them: whole dates on the left, bands of one on the right.
    """
    figure = Figure(figsize=(9, 4), layout="constrained")
    sides = figure.subplots(1, 2)
    cohorts: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        cohorts.setdefault(row["cohort"], []).append(row)
    for name, line in cohorts.items():
        side = sides[int("band" in name)]
        months = [0.0, *(row["month"] for row in line)]
        rates = [0.0, *(100 * row["defaulted"] for row in line)]
        words = f"{name.partition(' ')[2] or name} ({line[0]['customers']:,.0f})"
        side.plot(months, rates, marker="o", label=words)
    for side, title in zip(sides, ("Observation dates", "Bands of the later date"), strict=True):
        side.set(
            xlabel="months since the observation date",
            ylabel="defaulted so far, %",
            title=title,
            ylim=(0, None),
        )
        if side.lines:
            side.legend(frameon=False, title="cohort (customers)")
    return _svg(figure)


def fairness(audited: Mapping[str, Any], least: float) -> bytes:
    """Draw each group's approval rate, of all and of those who did not default.

    Parameters
    ----------
    audited : Mapping
        As `fairness.audit` gives it.
    least : float
        Share of the highest approval rate that every group should have; drawn as a dashed line.
    """
    figure = Figure(figsize=(9, 4), layout="constrained")
    sides = figure.subplots(1, max(len(audited), 1), squeeze=False)[0]
    for side, (attribute, found) in zip(sides, audited.items(), strict=False):
        groups = found["groups"]
        places = np.arange(len(groups))
        side.bar(places - 0.2, [row["approved"] for row in groups], 0.4, label="all")
        side.bar(places + 0.2, [row["good_approved"] for row in groups], 0.4, label="good ones")
        best = max((row["approved"] for row in groups), default=0.0)
        words = f"{least:.0%} of the highest"
        side.axhline(least * best, color="black", linestyle="--", label=words)
        names = [f"{row['group']}\n({row['rows']:,})" for row in groups]
        side.set_xticks(places, names, fontsize=8)
        side.set(ylabel="share approved", title=attribute.replace("_", " "), ylim=(0, 1.2))
        side.legend(frameon=False, ncols=3, loc="upper left", fontsize=8)
    return _svg(figure)


def confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> bytes:
    """Draw a confusion matrix, true classes as rows."""
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    counts = np.array(matrix)
    axes.imshow(counts / counts.sum(axis=1, keepdims=True).clip(1), cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        dark = counts[row, column] > counts[row].sum() / 2
        axes.text(
            column, row, str(counts[row, column]), ha="center", va="center",
            color="white" if dark else "black",
        )  # fmt: skip
    right = np.trace(counts) / max(counts.sum(), 1)
    axes.set_title(f"Styles of {counts.sum():,} test customers, {right:.1%} right")
    places = range(len(classes))
    axes.set_xticks(places, classes, rotation=20)
    axes.set_yticks(places, classes)
    axes.set(xlabel="predicted style", ylabel="true style")
    return _svg(figure)


def _svg(figure: Figure) -> bytes:
    content = io.BytesIO()
    # The same figures give the same bytes.
    with mpl.rc_context({"svg.hashsalt": "passbook", "svg.fonttype": "none"}):
        figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()
