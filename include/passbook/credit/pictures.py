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
