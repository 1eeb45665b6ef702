"""The page about a week's segments: tables, heat maps and flows as HTML that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

import pyarrow as pa

from passbook.segments.feature_words import LABELS, Text
from passbook.segments.names import SegmentName, value_words

Names = Mapping[int, SegmentName]

MOST_COLOUR: Final = 2.0
"""Standard deviations, or doublings of a share, of the darkest colour."""

_STYLE: Final = (
    "body{font:15px/1.4 sans-serif;max-width:72em;margin:2em auto;padding:0 1em}"
    "svg{max-width:100%;height:auto}small,.ko{color:#555}"
    "table{border-collapse:collapse;margin:.5em 0}td,th{padding:.25em .6em;text-align:left}"
    "th{font-weight:600;vertical-align:bottom}td{border-top:1px solid #ddd}"
    ".n,.figures th:not(:first-child){text-align:right;font-variant-numeric:tabular-nums}"
    ".chosen{background:#fefcbf}"
    ".heat td.n{border:1px solid #fff;text-align:center;font-size:13px}"
    ".heat th{font-size:12px;font-weight:400;max-width:7em}"
)


def page(title: str, sections: Sequence[tuple[str, str]]) -> bytes:
    """Return one HTML page of headings and contents."""
    body = "".join(f"<h2>{escape(heading)}</h2>{content}" for heading, content in sections)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style><h1>{escape(title)}</h1>{body}</html>"
    ).encode()


def segment_list(segments: pa.Table) -> str:
    """Return a table of number, customers, share, names and descriptions of ``mart.segment``."""
    rows = [
        f"<tr><td class=n>{row['segment']}<td class=n>{row['customers']:,}"
        f"<td class=n>{row['share']:.1%}"
        f"<td>{_both(row['name'], row['name_ko'])}"
        f"<td>{_both(row['description'], row['description_ko'])}"
        for row in segments.to_pylist()
    ]
    return _table(("", "customers", "share", "name", "what it is"), rows)


def trial_table(trials: Sequence[Mapping[str, Any]], chosen: int) -> str:
    """Return a table of what each number of segments gave, the chosen one marked."""
    figures = {
        "cost": "mean distance",
        "elbow": "bend of that curve",
        "silhouette": "silhouette",
        "across_starts": "agreement of starts",
        "across_halves": "agreement of halves",
    }
    rows = []
    for trial in trials:
        mark = " class=chosen" if trial["clusters"] == chosen else ""
        cells = "".join(f"<td class=n>{trial[name]:.3f}" for name in figures)
        smallest = f"<td class=n>{trial['smallest_share']:.1%}"
        rows.append(f"<tr{mark}><td class=n>{trial['clusters']}{cells}{smallest}")
    return _table(("segments", *figures.values(), "smallest segment"), rows, "figures")


def number_heat(features: pa.Table, names: Names) -> str:
    """Return segments by numeric features of ``mart.segment_feature``, coloured by effect."""
    rows = [row for row in features.to_pylist() if row["effect"] is not None]
    cells = {
        (row["segment"], (row["feature"], "")): _Cell(
            f"{row['effect']:+.1f}",
            row["effect"],
            f"mean {_amount(row['mean'])}, median {_amount(row['median'])}; "
            f"all: {_amount(row['overall_mean'])}, {_amount(row['overall_median'])}; "
            f"lift {_amount(row['lift'])}",
        )
        for row in rows
    }
    note = (
        f"Standard deviations from all customers, on the feature's tamed scale, "
        f"{_scale('below', 'above')}. Point at a cell for mean, median and lift."
    )
    return _heat(cells, names, note)


def category_heat(features: pa.Table, names: Names) -> str:
    """Return segments by values of categories, coloured by lift."""
    rows = [row for row in features.to_pylist() if row["share"] is not None]
    cells = {
        (row["segment"], (row["feature"], row["value"])): _Cell(
            f"{row['share']:.0%}",
            math.log2(row["lift"]) if row["lift"] else -MOST_COLOUR,
            f"all: {row['overall_share']:.1%}; lift {_amount(row['lift'])}",
        )
        for row in rows
    }
    note = f"Share of the segment, coloured by lift against all, {_scale('quarter', 'fourfold')}."
    return _heat(cells, names, note)


def migration_table(migration: pa.Table, names: Names) -> str:
    """Return the migration matrix: customers, and their share of the segment they were in."""
    moves = {
        (row["previous_segment"], row["segment"]): row["customers"] for row in migration.to_pylist()
    }
    before, now = (sorted({move[side] for move in moves}, key=_order) for side in (0, 1))
    rows = []
    for left in before:
        total = sum(customers for move, customers in moves.items() if move[0] == left)
        cells = "".join(
            f"<td class=n>{moves.get((left, right), 0):,}"
            f"<br><small>{moves.get((left, right), 0) / total:.1%}</small>"
            for right in now
        )
        rows.append(f"<tr><td>{_named(left, names)}{cells}")
    head = ("from ↓ to →", *("none" if right is None else str(right) for right in now))
    return _table(head, rows, "figures")


@dataclass(frozen=True)
class _Cell:
    text: str
    colour: float
    hint: str


def _heat(cells: Mapping[tuple[int, tuple[str, str]], _Cell], names: Names, note: str) -> str:
    columns = list(dict.fromkeys(column for _, column in cells))
    head = ("", *(_both(*_column_words(*column)) for column in columns))
    rows = []
    for segment in sorted(names):
        found = [cells.get((segment, column)) for column in columns]
        row = "".join(
            f'<td class=n style="{_paint(cell.colour)}" title="{escape(cell.hint)}">{cell.text}'
            if cell
            else "<td class=n>"
            for cell in found
        )
        rows.append(f"<tr><td>{_named(segment, names)}{row}")
    return f"<p><small>{note}</small></p>{_table(head, rows, 'heat', markup=True)}"


def _column_words(feature: str, value: str) -> Text:
    if value:
        return value_words(value)
    words = feature.replace("_", " ")
    return LABELS.get(feature, (words, words))


def _paint(amount: float) -> str:
    """Return red above zero, blue below, the darker the farther."""
    far = min(1.0, abs(amount) / MOST_COLOUR)
    text = "#fff" if far > 0.75 else "#000"
    return f"background:hsl({12 if amount > 0 else 212} 65% {97 - 50 * far:.0f}%);color:{text}"


def _scale(low: str, high: str) -> str:
    steps = [-MOST_COLOUR, -MOST_COLOUR / 2, 0.0, MOST_COLOUR / 2, MOST_COLOUR]
    boxes = "".join(f'<span style="{_paint(step)};padding:0 .7em">&nbsp;</span>' for step in steps)
    return f"{low} {boxes} {high}"


def _named(segment: int | None, names: Names) -> str:
    if segment is None:
        return "none"
    if segment not in names:
        return f"{segment} <small>ended</small>"
    return f"{segment} · {_both(names[segment].name, names[segment].name_ko)}"


def _both(english: str, korean: str) -> str:
    second = f'<br><span class=ko lang="ko">{escape(korean)}</span>' if korean != english else ""
    return f"{escape(english)}{second}"


def _table(
    head: Sequence[str], rows: Sequence[str], kind: str = "", *, markup: bool = False
) -> str:
    titles = "".join(f"<th>{title if markup else escape(title)}" for title in head)
    return f'<table class="{kind}"><tr>{titles}{"".join(rows)}</table>'


def _amount(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"


def _order(segment: int | None) -> int:
    return -1 if segment is None else segment
