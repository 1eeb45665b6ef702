"""Who moved from which segment to which, as a flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

import pyarrow as pa

from passbook.segments.names import SegmentName

WIDTH, LEFT, RIGHT = 960, 330, 630
HEIGHT: Final = 380
SLOT: Final = 36
"""Least height of a segment, so that its two lines of name have room."""

MOVED, STAYED = "#c05621", "#a0aec0"
_LONGEST: Final = 46

Move = tuple[int | None, int | None, int]
"""Segment before and now (None: no segment), customers."""


def migration_flow(migration: pa.Table, names: Mapping[int, SegmentName]) -> str:
    """Draw ``mart.segment_migration``: each segment of the week before, flowing into this week's.

    Heights are customers; grey stayed, orange moved.
    """
    moves: list[Move] = sorted(
        (
            (row["previous_segment"], row["segment"], row["customers"])
            for row in migration.to_pylist()
        ),
        key=lambda move: (_order(move[0]), _order(move[1])),
    )
    unit = HEIGHT / max(1, sum(customers for *_, customers in moves))
    before = _tops([(move[0], move[2]) for move in moves], unit)
    now = _tops([(move[1], move[2]) for move in moves], unit)
    drawn = [*_bands(moves, before, now, unit)]
    for side, tops, x in (("end", before, LEFT), ("start", now, RIGHT)):
        for segment, (top, height) in tops.items():
            drawn.append(_bar(top, height, x))
            drawn.append(_label(segment, top + height / 2, x, side, names))
    bottom = max(top + height for tops in (before, now) for top, height in tops.values())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -30 {WIDTH} {bottom + 50:.0f}"'
        f' width="{WIDTH}" font-family="sans-serif" font-size="12">'
        f'<text x="{LEFT}" y="-14" text-anchor="end" font-weight="bold">week before</text>'
        f'<text x="{RIGHT}" y="-14" font-weight="bold">this week</text>{"".join(drawn)}</svg>'
    )


Tops = dict[int | None, tuple[float, float]]


def _tops(sizes: Sequence[tuple[int | None, int]], unit: float) -> Tops:
    """Return where each segment's bar begins and how high it is, one slot below the other."""
    customers: dict[int | None, int] = {}
    for segment, size in sizes:
        customers[segment] = customers.get(segment, 0) + size
    tops: Tops = {}
    y = 0.0
    for segment in sorted(customers, key=_order):
        height = max(1.0, customers[segment] * unit)
        slot = max(SLOT, height + 8)
        tops[segment] = y + (slot - height) / 2, height
        y += slot
    return tops


def _bands(moves: Sequence[Move], before: Tops, now: Tops, unit: float) -> list[str]:
    left, right = ({s: top for s, (top, _) in tops.items()} for tops in (before, now))
    middle = (LEFT + RIGHT) / 2
    bands = []
    for old, new, customers in moves:
        thick, y0, y1 = customers * unit, left[old], right[new]
        left[old] += thick
        right[new] += thick
        path = (
            f"M{LEFT + 6} {y0:.1f}C{middle} {y0:.1f} {middle} {y1:.1f} {RIGHT - 6} {y1:.1f}"
            f"v{thick:.2f}C{middle} {y1 + thick:.1f} {middle} {y0 + thick:.1f} {LEFT + 6}"
            f" {y0 + thick:.1f}z"
        )
        colour = STAYED if old == new else MOVED
        hint = f"{_number(old)} → {_number(new)}: {customers:,} customers"
        bands.append(
            f'<path d="{path}" fill="{colour}" fill-opacity=".5" stroke="{colour}"'
            f' stroke-opacity=".5" stroke-width=".5"><title>{hint}</title></path>'
        )
    return bands


def _bar(top: float, height: float, x: int) -> str:
    place = x if x == LEFT else x - 6
    return f'<rect x="{place}" y="{top:.1f}" width="6" height="{height:.1f}" fill="#1a202c"/>'


def _label(
    segment: int | None, y: float, x: int, anchor: str, names: Mapping[int, SegmentName]
) -> str:
    place = x - 8 if anchor == "end" else x + 8
    name = names.get(segment) if segment is not None else None
    first = _number(segment) if segment is None or name else f"{segment} ended"
    lines = [f"{first} · {_shortened(name.name)}", _shortened(name.name_ko)] if name else [first]
    start = y + 4 - 7 * (len(lines) - 1)
    return "".join(
        f'<text x="{place}" y="{start + 14 * i:.1f}" text-anchor="{anchor}"'
        f' fill="{"#555" if i else "#000"}">{escape(line)}</text>'
        for i, line in enumerate(lines)
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _number(segment: int | None) -> str:
    return "none" if segment is None else str(segment)


def _order(segment: int | None) -> int:
    return -1 if segment is None else segment
