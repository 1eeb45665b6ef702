"""Pictures of segments as SVG: how their number was chosen, and what separates them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from passbook.segments.feature_words import LABELS

BLUE, ORANGE, GREEN, GREY = "#2b6cb0", "#c05621", "#2f855a", "#a0aec0"
_STYLE: Final[Any] = {"svg.hashsalt": "passbook", "svg.fonttype": "path", "font.size": 9.0}

Trials = Sequence[Mapping[str, Any]]
"""One mapping a k: ``clusters`` and a trial's metrics."""


def cluster_count_picture(trials: Trials, chosen: int) -> str:
    """Draw the curves of cost, silhouette and stability over k, the chosen k marked."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 3.2))
        panels = figure.subplots(1, 3)
        counts = [trial["clusters"] for trial in trials]
        _curve(panels[0], trials, "cost", BLUE, "")
        _chord(panels[0], trials)
        panels[0].set(title="Elbow", ylabel="mean distance to the prototype")
        _curve(panels[1], trials, "silhouette", ORANGE, "")
        panels[1].set(title="Silhouette", ylabel="of 1, on a stratified sample")
        panels[1].set_ylim(bottom=min(0.0, panels[1].get_ylim()[0]))
        _curve(panels[2], trials, "across_starts", GREEN, "two random starts")
        _curve(panels[2], trials, "across_halves", BLUE, "two halves of the customers")
        panels[2].set(title="Stability", ylabel="adjusted Rand index of", ylim=(-0.03, 1.05))
        for axes in panels:
            axes.axvline(chosen, color=GREY, linestyle="--", zorder=0)
            axes.set_xlabel("segments")
            axes.set_xticks(counts)
            axes.spines[["top", "right"]].set_visible(False)
        for axes in (panels[0], panels[2]):
            axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=8)
        figure.tight_layout()
        return _svg(figure)


def separation_picture(separations: pa.Table) -> str:
    """Draw a bar a feature of ``mart.segment_separation``: what it explains of the segments.

    η² is a share of variance; so is the square of Cramér's V, which makes both comparable.
    """
    rows = separations.sort_by("place").to_pylist()
    numbers = [row["statistic"] == "eta_squared" for row in rows]
    shares = [
        row["separation"] if number else row["separation"] ** 2
        for row, number in zip(rows, numbers, strict=True)
    ]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 0.27 * len(rows) + 1.2))
        axes = figure.subplots()
        colors = [BLUE if number else ORANGE for number in numbers]
        bars = axes.barh(np.arange(len(rows)), shares, color=colors)
        values = [
            f"{'η²' if number else 'V'} {row['separation']:.2f}"
            for row, number in zip(rows, numbers, strict=True)
        ]
        axes.bar_label(bars, values, padding=3, fontsize=8)
        labels = [LABELS.get(row["feature"], (row["feature"],))[0] for row in rows]
        axes.set_yticks(np.arange(len(rows)), labels)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.1)
        axes.set_xticks(np.linspace(0, 1, 6))
        axes.set_xlabel("share of the feature's variation that the segments explain")
        kinds = [Patch(color=BLUE, label="number, η²"), Patch(color=ORANGE, label="category, V²")]
        axes.legend(handles=kinds, frameon=False, loc="lower right")
        axes.spines[["top", "right"]].set_visible(False)
        return _svg(figure)


def _curve(axes: Axes, trials: Trials, figure: str, color: str, label: str) -> None:
    counts = [trial["clusters"] for trial in trials]
    axes.plot(counts, [trial[figure] for trial in trials], "o-", color=color, label=label)


def _chord(axes: Axes, trials: Trials) -> None:
    """Draw what the cost curve's bend is measured against."""
    ends = [trials[0], trials[-1]]
    axes.plot(
        [trial["clusters"] for trial in ends], [trial["cost"] for trial in ends],
        color=GREY, linewidth=1, label="chord: farthest below it is the elbow",
    )  # fmt: skip


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    return buffer.getvalue()[buffer.getvalue().index("<svg") :]
