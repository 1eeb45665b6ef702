"""Pictures of segments as SVG: how k was chosen, what separates, what each is like, who moved."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

BLUE, ORANGE, GREEN, GREY = "#2b6cb0", "#c05621", "#2f855a", "#a0aec0"
_STYLE: Final[Any] = {"svg.hashsalt": "passbook", "svg.fonttype": "path", "font.size": 9.0}

Trials = Sequence[Mapping[str, Any]]
"""One mapping a k: ``clusters`` and a trial's metrics."""


def cluster_count_picture(trials: Trials, chosen: int) -> str:
    """Draw cost, silhouette and stability over k, the chosen one marked."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7, 3))
        cost, rates = figure.subplots(1, 2)
        counts = [trial["clusters"] for trial in trials]
        cost.plot(counts, [trial["cost"] for trial in trials], "o-", color=BLUE)
        cost.set_ylabel("mean distance to the prototype")
        for name, color, label in (
            ("silhouette", ORANGE, "silhouette"),
            ("across_starts", GREEN, "same from another start (adjusted Rand)"),
            ("across_halves", BLUE, "same from half of the customers (adjusted Rand)"),
        ):
            rates.plot(counts, [trial[name] for trial in trials], "o-", color=color, label=label)
        rates.set_ylim(min(0.0, rates.get_ylim()[0]), 1.05)
        rates.legend(frameon=False)
        for axes in (cost, rates):
            axes.axvline(chosen, color=GREY, linestyle="--")
            axes.set_xlabel("segments")
            axes.set_xticks(counts)
            _plain(axes)
        return _svg(figure)


def separation_picture(separations: pa.Table) -> str:
    """Draw a bar a feature of ``mart.segment_separation``: how much it separates the segments."""
    table = separations.sort_by("place")
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7, 0.26 * len(table) + 0.8))
        axes = figure.subplots()
        numbers = [statistic == "eta_squared" for statistic in table["statistic"].to_pylist()]
        places = np.arange(len(table))
        colors = [BLUE if number else ORANGE for number in numbers]
        axes.barh(places, table["separation"].to_numpy(), color=colors)
        axes.set_yticks(places, table["feature"].to_pylist())
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.set_xlabel("η² of numbers (blue), Cramér's V of categories (orange)")
        _plain(axes)
        return _svg(figure)


def profile_picture(features: pa.Table, names: Mapping[int, str]) -> str:
    """Draw segments by numeric features, coloured by the distance from all customers."""
    segments = sorted(names)
    rows = [row for row in features.to_pylist() if row["effect"] is not None]
    columns = list(dict.fromkeys(row["feature"] for row in rows))
    effects = np.full((len(segments), len(columns)), np.nan)
    for row in rows:
        effects[segments.index(row["segment"]), columns.index(row["feature"])] = row["effect"]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(0.55 * len(columns) + 3.5, 0.4 * len(segments) + 1.6))
        axes = figure.subplots()
        image = axes.imshow(effects, cmap="RdBu_r", vmin=-2, vmax=2, aspect="auto")
        axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right")
        axes.set_yticks(range(len(segments)), [_label(s, names) for s in segments])
        for place, effect in np.ndenumerate(effects):
            if np.isfinite(effect):
                axes.text(place[1], place[0], f"{effect:.1f}", ha="center", va="center", size=7)
        figure.colorbar(image, label="standard deviations from all customers")
        return _svg(figure)


def migration_picture(migration: pa.Table, names: Mapping[int, str]) -> str:
    """Draw who moved from which segment of the week before to which one of this week.

    `migration` has ``previous_segment``, ``segment`` (null: none) and ``customers``.
    """
    flows = sorted(
        (
            (row["previous_segment"], row["segment"], row["customers"])
            for row in migration.to_pylist()
        ),
        key=lambda flow: (_order(flow[0]), _order(flow[1])),
    )
    total = sum(customers for *_, customers in flows)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7, 4))
        axes = figure.subplots()
        left = _stack(axes, [(before, size) for before, _, size in flows], total, 0.0, names)
        by_now = sorted(flows, key=lambda flow: (_order(flow[1]), _order(flow[0])))
        right = _stack(axes, [(now, size) for _, now, size in by_now], total, 1.0, names)
        for before, now, customers in flows:
            _band(axes, left[before], right[now], customers / total, moved=before != now)
            left[before] += customers / total
            right[now] += customers / total
        axes.set(xlim=(-0.75, 1.75), ylim=(1.15, -0.05))
        axes.axis("off")
        return _svg(figure)


def page(title: str, sections: Sequence[tuple[str, str]]) -> bytes:
    """Return one HTML page of headings and pictures that needs nothing else."""
    body = "".join(f"<h2>{escape(heading)}</h2>{content}" for heading, content in sections)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        "<style>body{font:15px sans-serif;max-width:60em;margin:2em auto}svg{max-width:100%}"
        "table{border-collapse:collapse}td,th{padding:.2em .7em;text-align:left}</style>"
        f"<h1>{escape(title)}</h1>{body}</html>"
    ).encode()


def segment_list(segments: pa.Table) -> str:
    """Return an HTML table of number, customers, share, names and description."""
    rows = "".join(
        f"<tr><td>{row['segment']}</td><td>{row['customers']:,}</td><td>{row['share']:.1%}</td>"
        f"<td>{escape(row['name'])}<br>{escape(row['name_ko'])}</td>"
        f"<td>{escape(row['description'])}</td></tr>"
        for row in segments.to_pylist()
    )
    head = "".join(f"<th>{name}</th>" for name in ("", "customers", "share", "name", "what it is"))
    return f"<table><tr>{head}</tr>{rows}</table>"


def _stack(
    axes: Axes,
    sizes: Sequence[tuple[int | None, int]],
    total: int,
    x: float,
    names: Mapping[int, str],
) -> dict[int | None, float]:
    """Draw one side's segments above each other; return where each begins."""
    tops: dict[int | None, float] = {}
    heights: dict[int | None, float] = {}
    for segment, size in sizes:
        heights[segment] = heights.get(segment, 0.0) + size / total
    top = 0.0
    for segment, height in heights.items():
        tops[segment] = top
        axes.plot([x, x], [top, top + height], color="black", linewidth=3, solid_capstyle="butt")
        place = x + (0.03 if x else -0.03), top + height / 2
        side = "left" if x else "right"
        axes.text(*place, _label(segment, names), ha=side, va="center", size=7)
        top += height + 0.02
    return tops


def _band(axes: Axes, left: float, right: float, height: float, *, moved: bool) -> None:
    top = [(0, left), (0.5, left), (0.5, right), (1, right)]
    bottom = [(x, y + height) for x, y in reversed(top)]
    corners = [*top, *bottom, (0, left)]
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    color = ORANGE if moved else GREY
    axes.add_patch(PathPatch(Path(corners, codes), facecolor=color, alpha=0.5, linewidth=0))


def _order(segment: int | None) -> int:
    return -1 if segment is None else segment


def _label(segment: int | None, names: Mapping[int, str]) -> str:
    if segment is None:
        return "none"
    name = names.get(segment, "ended")
    return f"{segment}: {name if len(name) <= 40 else name[:39] + '…'}"


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    return buffer.getvalue()[buffer.getvalue().index("<svg") :]
