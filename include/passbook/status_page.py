"""The status page: weeks and stages as a grid, live models, drift, rows, stale weeks.

Reads the ledger and writes one HTML page without scripts. No row in it is a customer's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import mart, settings
from passbook.contracts import STAGES
from passbook.errors import PassbookError
from passbook.mart.connection import transaction
from passbook.steps.stage import mart_url

WEEKS = 12
REFRESH_SECONDS = 60

Row = tuple[Any, ...]

_VERDICTS = """
    SELECT base_date, stage, verdict, code, reason FROM mart.verdict WHERE base_date IN (
        SELECT DISTINCT base_date FROM mart.verdict ORDER BY 1 DESC LIMIT %(weeks)s)"""
_STALE = (
    "SELECT base_date, stage, string_agg(DISTINCT input, ', ') FROM mart.stale_week GROUP BY 1, 2"
)
_MODELS = """
    SELECT v.model, v.version, v.base_date, p.reason, p.decided_at::date
    FROM (SELECT DISTINCT model FROM ops.promotion) m
    JOIN ops.model_version v ON v.model = m.model AND v.version = ops.champion(m.model, 'infinity')
    CROSS JOIN LATERAL (SELECT * FROM ops.promotion p
        WHERE p.model = v.model AND p.version = v.version AND p.promoted
        ORDER BY p.promotion_id DESC LIMIT 1) p
    ORDER BY 1"""
_DRIFT = """
    SELECT DISTINCT ON (model) model, base_date, feature, psi, jensen_shannon, rows, drifted
    FROM ops.drift WHERE base_date = (SELECT max(base_date) FROM ops.drift)
    ORDER BY model, psi DESC NULLS LAST"""
_ROWS = """
    SELECT mart_table, base_date, rows, lag(rows) OVER (PARTITION BY mart_table ORDER BY base_date),
           left(sha256, 12), published_at::timestamp(0)
    FROM mart.publication ORDER BY base_date DESC, mart_table LIMIT 10"""


@dataclass(frozen=True)
class Status:
    """What the page shows, as the ledger has it."""

    verdicts: dict[tuple[date, str], Row]
    stale: dict[tuple[date, str], str]
    models: Sequence[Row]
    drift: Sequence[Row]
    rows: Sequence[Row]

    @property
    def weeks(self) -> list[date]:
        """Base dates with a verdict, newest first."""
        return sorted({day for day, _ in self.verdicts}, reverse=True)


def answer() -> tuple[int, str]:
    """Return the HTTP status and the page, as the mart of the settings has it now."""
    try:
        with closing(mart.connect(mart_url(settings.load()))) as connection:
            connection.set_session(readonly=True)
            return 200, render(read_status(connection))
    except PassbookError as error:
        return 503, f"<p>{escape(str(error))}</p>"


def read_status(connection: Connection, *, weeks: int = WEEKS) -> Status:
    """Read the ledger in one transaction."""
    with transaction(connection) as cursor:

        def rows(query: str) -> list[Row]:
            cursor.execute(query, {"weeks": weeks})
            return cursor.fetchall()

        return Status(
            {(row[0], row[1]): row[2:] for row in rows(_VERDICTS)},
            {(row[0], row[1]): row[2] for row in rows(_STALE)},
            rows(_MODELS),
            rows(_DRIFT),
            rows(_ROWS),
        )


def render(status: Status) -> str:
    """Return the page as HTML."""
    parts = [
        "<h2>Weeks and stages</h2>",
        _grid(status) if status.weeks else "<p>No stage has run yet.</p>",
        "<h2>Models in force</h2>",
        _table(("model", "version", "base date", "why", "decided"), status.models),
        "<h2>Largest drift of the newest week</h2>",
        _table(("model", "base date", "feature", "PSI", "Jensen–Shannon", "rows", "drifted"),
               status.drift),
        "<h2>Published</h2>",
        _table(("table", "base date", "rows", "rows before", "content", "published"), status.rows),
    ]  # fmt: skip
    return _PAGE.replace("${body}", "\n".join(parts)).replace("${refresh}", str(REFRESH_SECONDS))


def _grid(status: Status) -> str:
    head = "".join(f"<th>{escape(stage)}</th>" for stage in STAGES)
    lines = [f"<tr><th>base date</th>{head}</tr>"]
    for day in status.weeks:
        cells = "".join(_cell(status, day, stage) for stage in STAGES)
        lines.append(f"<tr><th>{day}</th>{cells}</tr>")
    return f"<table>{''.join(lines)}</table>"


def _cell(status: Status, day: date, stage: str) -> str:
    found = status.verdicts.get((day, stage))
    if found is None:
        return '<td class="none">–</td>'
    verdict, code, reason = found
    stale = status.stale.get((day, stage))
    words = " ".join(word for word in (verdict, code, "· stale" if stale else "") if word)
    title = f"{stale} changed since; backfill this stage" if stale else reason
    kind = "stale" if stale and verdict == "pass" else verdict
    return f'<td class="{escape(kind)}" title="{escape(title)}">{escape(words)}</td>'


def _table(head: Iterable[str], rows: Sequence[Row]) -> str:
    if not rows:
        return "<p>Nothing yet.</p>"
    lines = ["".join(f"<th>{escape(name)}</th>" for name in head)]
    lines += ["".join(f"<td>{escape(_text(value))}</td>" for value in row) for row in rows]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Passbook</title>
<meta http-equiv="refresh" content="${refresh}">
<style>
:root { color-scheme: light dark; font-family: system-ui, sans-serif; }
body { margin: 1.5rem; }
table { border-collapse: collapse; margin-bottom: 1.5rem; }
th, td { border: 1px solid #8886; padding: .3rem .6rem; text-align: left; }
.pass { background: #2e7d3240; } .reject { background: #c6282860; }
.running { background: #1565c040; } .stale { background: #f9a82560; } .none { opacity: .5; }
</style></head><body><h1>Passbook</h1>
${body}
</body></html>
"""
