"""A scorecard as one SQL SELECT, which gives the same points as Python, row by row."""

from __future__ import annotations

from passbook.credit.index import HIGHEST, LOWEST
from passbook.credit.scorecard import Characteristic, Scorecard


def render(scorecard: Scorecard, relation: str, key: str = "customer_id") -> str:
    """Return a SELECT of the key and ``credit_index`` for Postgres.

    Parameters
    ----------
    scorecard : Scorecard
    relation : str
        Table or view with the key and a column of each of the scorecard's features.
    key : str

    Notes
    -----
    Features are scored in single precision, and every edge is a number of single precision written
    out in full, so a value on an edge falls on the same side here as in Python.
    """
    parts = [str(scorecard.start), *(_points(c) for c in scorecard.characteristics)]
    total = "\n    + ".join(parts)
    return (
        f"SELECT\n    {key},\n    LEAST({HIGHEST}, GREATEST({LOWEST},\n    {total}\n    ))"
        f" AS credit_index\nFROM {relation}\n"
    )


def _points(characteristic: Characteristic) -> str:
    value = f'CAST("{characteristic.name}" AS real)'
    lines = [f"CASE\n        WHEN {value} IS NULL THEN {characteristic.missing_points}"]
    for edge, points in zip(characteristic.edges, characteristic.points, strict=False):
        lines.append(f"        WHEN {value} <= CAST({edge!r} AS double precision) THEN {points}")
    return "\n".join([*lines, f"        ELSE {characteristic.points[-1]}\n    END"])
