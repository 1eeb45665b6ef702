"""The page of pictures that a week's drift leaves beside the ledger."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from passbook.drift import Histogram, Thresholds, thresholds_of
from passbook.steps.report_file import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from passbook.drift import FeatureDrift
    from passbook.settings import Settings
    from passbook.steps.model_drift import Measured

BLUE, ORANGE, RED, GREY = "#2b6cb0", "#c05621", "#c53030", "#a0aec0"
MOST_FEATURES: Final = 25
DRAWN_DISTRIBUTIONS: Final = 3
_STYLE: Final[Any] = {"svg.hashsalt": "passbook", "svg.fonttype": "path", "font.size": 9.0}


def report_path(settings: Settings, base_date: date) -> Path:
    """Return where the page of a base date is."""
    return settings.reports / base_date.isoformat() / "drift.html"


def write_report(
    path: Path, base_date: date, measured: Sequence[Measured], settings: Settings
) -> None:
    """Write the page in whole: a section a model.

    Raises
    ------
    StorageError
        E805.
    """
    sections = "".join(
        _section(model, thresholds_of(settings.drift_thresholds, model.model)) for model in measured
    )
    content = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Drift of {base_date}</title>'
        "<style>body{font:15px sans-serif;max-width:60em;margin:2em auto}svg{max-width:100%}"
        "table{border-collapse:collapse}td,th{padding:.2em .7em;text-align:left}</style>"
        f"<h1>Drift of {base_date}</h1>{sections}</html>"
    ).encode()
    write_whole(path, content)


def _section(model: Measured, thresholds: Thresholds) -> str:
    distances = [feature for feature in model.features if feature.psi is not None]
    distances.sort(key=lambda feature: -(feature.psi or 0.0))
    drawn = [f.feature for f in distances if f.feature in model.reference][:DRAWN_DISTRIBUTIONS]
    return "".join(
        (
            f"<h2>{escape(model.model)}</h2><p>{escape(model.reason or 'No drift.')}</p>",
            _distance_picture(distances[:MOST_FEATURES], thresholds) if distances else "",
            _performance_table([f for f in model.features if f.psi is None]),
            _distribution_picture(drawn, model.reference, model.current) if drawn else "",
        )
    )


def _distance_picture(features: Sequence[FeatureDrift], thresholds: Thresholds) -> str:
    """Draw a bar a feature, drifted ones in red, seasonal ones in orange, thresholds dashed."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 0.26 * len(features) + 0.9))
        axes = figure.subplots(1, 2, sharey=True)
        places = np.arange(len(features))
        colors = [RED if f.drifted else ORANGE if f.seasonal else BLUE for f in features]
        for side, name, limit, words in (
            (axes[0], "psi", thresholds.psi, "PSI"),
            (axes[1], "jensen_shannon", thresholds.jensen_shannon, "Jensen–Shannon distance"),
        ):
            side.barh(places, [getattr(f, name) for f in features], color=colors)
            side.axvline(limit, color=GREY, linestyle="--")
            side.set_xlabel(words)
            _plain(side)
        axes[0].set_yticks(places, [f.feature for f in features])
        axes[0].invert_yaxis()
        return _svg(figure)


def _distribution_picture(
    features: Sequence[str], reference: Mapping[str, Histogram], current: Mapping[str, Histogram]
) -> str:
    """Draw the shares of the farthest features: the reference's beside this week's."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 2.2 * len(features)))
        for place, name in enumerate(features):
            axes = figure.add_subplot(len(features), 1, place + 1)
            bins = np.arange(len(reference[name].counts))
            for offset, histogram, color, words in (
                (-0.2, reference[name], GREY, "reference"),
                (0.2, current[name], BLUE, "this week"),
            ):
                shares = np.array(histogram.counts) / max(histogram.rows, 1)
                axes.bar(bins + offset, shares, 0.4, color=color, label=words)
            axes.set_title(name, loc="left")
            axes.set_xticks(bins, _bin_names(reference[name]), rotation=45, ha="right")
            axes.legend(frameon=False)
            _plain(axes)
        return _svg(figure)


def _bin_names(histogram: Histogram) -> list[str]:
    if histogram.codes or not histogram.edges:
        return [*histogram.codes, "other", "null"]
    return ["below", *(f"≥ {edge:.4g}" for edge in histogram.edges), "null"]


def _performance_table(features: Sequence[FeatureDrift]) -> str:
    if not features:
        return ""
    rows = "".join(
        f"<tr><td>{escape(f.feature)}</td><td>{f.reference:.4f}</td><td>{f.realised:.4f}</td>"
        f"<td>{f.rows:,}</td><td>{'drifted' if f.drifted else ''}</td></tr>"
        for f in features
    )
    head = "".join(
        f"<th>{name}</th>" for name in ("performance", "reference", "realised", "outcomes", "")
    )
    return f"<table><tr>{head}</tr>{rows}</table>"


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def _svg(figure: Figure) -> str:
    """Return the figure as an SVG element without a date, so that bytes repeat."""
    figure.tight_layout()
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()[drawn.getvalue().index("<svg") :]
