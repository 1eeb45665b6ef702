"""The status page: weeks and stages as a grid, live models, drift, rows, stale weeks.

No row in it is a customer's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from html import escape

from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook.base_date import BANK_TIMEZONE, now
from passbook.contracts import STAGES
from passbook.ledger import StaleWeek, stale_weeks
from passbook.mart.connection import transaction
from passbook.pages.layout import Row, page, section, table

WEEKS = 12
REFRESH_SECONDS = 60

_VERDICTS = """
    SELECT base_date, stage, verdict, code, reason, coalesce(finished_at, started_at)
    FROM mart.verdict WHERE base_date IN (
        SELECT DISTINCT base_date FROM mart.verdict ORDER BY 1 DESC LIMIT %(weeks)s)"""
_MODELS = """
    SELECT v.model, v.version, v.base_date, p.reason, p.decided_by, p.decided_at::date
    FROM (SELECT DISTINCT model FROM ops.promotion) m
    JOIN ops.model_version v ON v.model = m.model AND v.version = ops.champion(m.model, 'infinity')
    CROSS JOIN LATERAL (SELECT * FROM ops.promotion p
        WHERE p.model = v.model AND p.version = v.version AND p.promoted
        ORDER BY p.promotion_id DESC LIMIT 1) p
    ORDER BY 1"""
_DRIFT = """
    SELECT model, drifted, max_psi, farthest_feature, drifted_features, seasonal_features
    FROM mart.drift_verdict WHERE base_date = (SELECT max(base_date) FROM mart.drift_verdict)
    ORDER BY drifted DESC, max_psi DESC NULLS LAST, model"""
_PERFORMANCE = """
    SELECT model, feature, reference, realised, rows, drifted FROM mart.drift
    WHERE realised IS NOT NULL AND base_date = (SELECT max(base_date) FROM mart.drift)
    ORDER BY 1, 2"""
_ROWS = """
    WITH counted AS (
        SELECT base_date, mart_table, rows, published_at,
               lag(rows) OVER (PARTITION BY mart_table ORDER BY base_date) AS rows_before
        FROM mart.publication)
    SELECT mart_table, base_date, rows, rows_before,
           to_char(100.0 * (rows - rows_before) / nullif(rows_before, 0), 'SG990.0 "%%"'),
           to_char(published_at AT TIME ZONE 'Asia/Seoul', 'YYYY-MM-DD HH24:MI')
    FROM counted WHERE base_date = (SELECT max(base_date) FROM counted) ORDER BY 1"""

_OUTCOMES = """
    SELECT scenario, offered_on, sum(offers)::bigint, sum(acquisitions)::bigint,
           to_char(100.0 * sum(acquisitions) / nullif(sum(offers), 0), 'FM990.00 "%%"'),
           to_char(100.0 * sum(control_acquisitions) / nullif(sum(control_offers), 0),
                   'FM990.00 "%%"')
    FROM mart.offer_outcome WHERE base_date = (SELECT max(base_date) FROM mart.offer_outcome)
    GROUP BY 1, 2 ORDER BY 1"""


@dataclass(frozen=True)
class Status:
    """What the page shows, as the ledger has it."""

    verdicts: dict[tuple[date, str], Row]
    stale: Sequence[StaleWeek]
    models: Sequence[Row]
    drift: Sequence[Row]
    performance: Sequence[Row]
    outcomes: Sequence[Row]
    rows: Sequence[Row]

    @property
    def weeks(self) -> list[date]:
        """Base dates with a verdict, newest first."""
        return sorted({day for day, _ in self.verdicts}, reverse=True)


def read_status(connection: Connection, *, weeks: int = WEEKS) -> Status:
    """Read the ledger."""
    stale = stale_weeks(connection)
    with transaction(connection) as cursor:

        def rows(query: str) -> list[Row]:
            cursor.execute(query, {"weeks": weeks})
            return list(cursor.fetchall())

        return Status(
            {(row[0], row[1]): row[2:] for row in rows(_VERDICTS)},
            stale,
            rows(_MODELS),
            rows(_DRIFT),
            rows(_PERFORMANCE),
            rows(_OUTCOMES),
            rows(_ROWS),
        )


def render(status: Status, moment: datetime | None = None) -> str:
    """Return the page as HTML, as of `moment`, by default now."""
    shown = (moment or now()).astimezone(BANK_TIMEZONE)
    body = [
        f'<p class="note">As of {shown:%Y-%m-%d %H:%M} in Seoul; the page refreshes itself every '
        f"minute. A week opens with its checks, reports and hashes.</p>",
        section(
            "Weeks and stages",
            _grid(status) if status.weeks else "<p>No stage has run yet.</p>",
            "What the newest run of each stage came to. Orange: published, but an input has "
            "changed since.",
        ),
        _stale(status),
        section(
            "Models in force",
            table(("model", "version", "base date", "why", "by", "decided"), status.models),
        ),
        section(
            "Drift of the newest week",
            table(("model", "drifted", "largest PSI", "in", "features drifted", "seasonal"),
                  status.drift),
        ),
        section(
            "How right the models have been",
            table(("model", "figure", "promised", "came to", "outcomes", "drifted"),
                  status.performance),
            "Offers of four weeks ago against purchases since, defaults against expectations.",
        ),
        section(
            "What became of offers",
            table(("scenario", "offered on", "offers", "bought", "conversion", "without an offer"),
                  status.outcomes),
            "Against the control group, which was offered nothing.",
        ),
        section(
            "Published last",
            table(("table", "base date", "rows", "the week before", "change", "published"),
                  status.rows),
        ),
    ]  # fmt: skip
    return page("Passbook", "\n".join(body), refresh_seconds=REFRESH_SECONDS)


def _stale(status: Status) -> str:
    """Return the weeks that are stale, or nothing where none is."""
    weeks = status.weeks
    rows = [(w.base_date, w.stage, w.reasons, w.mend) for w in status.stale if w.base_date in weeks]
    if not rows:
        return ""
    return section(
        "Stale weeks",
        table(("base date", "stage", "why", "what mends it"), rows),
        "Published, but from inputs that have changed since. The backfill dialog of the stage's "
        "DAG does the same as the command.",
    )


def _grid(status: Status) -> str:
    head = "".join(f"<th>{escape(stage)}</th>" for stage in STAGES)
    lines = [f"<thead><tr><th>base date</th>{head}</tr></thead>"]
    stale = {(week.base_date, week.stage): week.reasons for week in status.stale}
    for day in status.weeks:
        cells = "".join(
            _cell(day, status.verdicts.get((day, stage)), stale.get((day, stage)))
            for stage in STAGES
        )
        lines.append(f'<tr><th><a href="week/{day}">{day}</a></th>{cells}</tr>')
    return f'<table class="grid">{"".join(lines)}</table>'


def _cell(day: date, found: Row | None, stale: str | None) -> str:
    if found is None:
        return '<td class="none">–</td>'
    verdict, code, reason, moment = found
    words = " ".join(word for word in (verdict, code, "· stale" if stale else "") if word)
    title = stale or reason
    kind = "stale" if stale and verdict == "pass" else verdict
    when = f"{moment.astimezone(BANK_TIMEZONE):%m-%d %H:%M}" if moment else ""
    return (
        f'<td class="{escape(kind)}" title="{escape(title)}"><a href="week/{day}">'
        f"{escape(words)}<small>{when}</small></a></td>"
    )
