"""The page of a week: what each stage came to, its checks, its reports, what it published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook.mart.connection import transaction
from passbook.pages.layout import Row, link, page, section, table

_VERDICTS = """
    SELECT stage, verdict, code, reason, run_id,
           to_char(started_at AT TIME ZONE 'Asia/Seoul', 'YYYY-MM-DD HH24:MI'),
           date_trunc('second', finished_at - started_at)::text
    FROM mart.verdict WHERE base_date = %(day)s ORDER BY started_at"""
_CHECKS = """
    SELECT work_table, count(*), count(*) FILTER (WHERE NOT passed AND severity = 'fail'),
           count(*) FILTER (WHERE NOT passed AND severity = 'warn'), max(rows)
    FROM ops.quality_result WHERE base_date = %(day)s GROUP BY 1 ORDER BY 1"""
_BROKEN = """
    SELECT work_table, rule, severity, unexpected, rows, overridden, example_shape
    FROM ops.quality_result WHERE base_date = %(day)s AND NOT passed ORDER BY 3, 1, 2"""
_DRIFT = """
    SELECT model, drifted, max_psi, farthest_feature, drifted_features, seasonal_features
    FROM mart.drift_verdict WHERE base_date = %(day)s ORDER BY 1"""
_DECISIONS = """
    SELECT model, version, CASE WHEN promoted THEN 'promoted' ELSE 'refused' END, reason, decided_by
    FROM mart.promotion WHERE base_date = %(day)s ORDER BY decided_at, 1"""
_PUBLISHED = """
    SELECT mart_table, rows, left(sha256, 12), left(inputs_sha256, 12), code_version,
           to_char(published_at AT TIME ZONE 'Asia/Seoul', 'YYYY-MM-DD HH24:MI')
    FROM mart.publication WHERE base_date = %(day)s ORDER BY 1"""
_STALE = """
    SELECT stage, reason, string_agg(mart_table, ', ' ORDER BY mart_table), mend
    FROM mart.stale_week WHERE base_date = %(day)s GROUP BY 1, 2, 4 ORDER BY 1, 2"""


@dataclass(frozen=True)
class WeekRecord:
    """What the ledger has of a base date."""

    base_date: date
    verdicts: Sequence[Row]
    checks: Sequence[Row]
    broken: Sequence[Row]
    drift: Sequence[Row]
    decisions: Sequence[Row]
    published: Sequence[Row]
    stale: Sequence[Row]


def base_date_of(connection: Connection, run_id: str) -> date | None:
    """Return the base date that an Airflow run last worked for; None when it never did."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT max(base_date) FROM ops.verdict WHERE run_id = %s", (run_id,))
        row = cursor.fetchone()
    found: date | None = row[0] if row else None
    return found


def read_week(connection: Connection, day: date) -> WeekRecord:
    """Read what the ledger has of a base date, in one transaction."""
    queries = (_VERDICTS, _CHECKS, _BROKEN, _DRIFT, _DECISIONS, _PUBLISHED, _STALE)
    with transaction(connection) as cursor:
        found = []
        for query in queries:
            cursor.execute(query, {"day": day})
            found.append(cursor.fetchall())
    return WeekRecord(day, *found)


def render(week: WeekRecord, reports: Sequence[str]) -> str:
    """Return the page; `reports` are the names of the week's pages of pictures."""
    links = "".join(
        f"<li>{link(f'../report/{week.base_date}/{name}', name.replace('_', ' '))}</li>"
        for name in reports
    )
    body = [
        f'<p class="note">{link("..", "All weeks")}</p>',
        section(
            "Stages",
            table(("stage", "verdict", "code", "reason", "run", "begun", "took"), week.verdicts),
        ),
        section("Reports", f"<ul>{links}</ul>" if links else table((), [])),
        section(
            "Quality of the work tables",
            table(("work table", "rules", "failed", "warned", "rows"), week.checks),
        ),
        section(
            "Rules broken",
            table(("work table", "rule", "severity", "rows that break it", "rows", "overridden",
                   "what a value looks like"),
                  week.broken, empty="None." if week.checks else "Nothing yet."),
        ),
        section(
            "Drift",
            table(("model", "drifted", "largest PSI", "in", "features drifted", "seasonal"),
                  week.drift),
        ),
        section(
            "Decisions on models",
            table(("model", "version", "decision", "reason", "by"), week.decisions),
        ),
        section(
            "Published",
            table(("table", "rows", "content", "inputs", "code", "published"), week.published),
        ),
        section(
            "Changed since",
            table(("stage", "what has changed", "tables", "what mends it"),
                  week.stale, empty="Nothing."),
        ),
    ]  # fmt: skip
    return page(f"Week of {week.base_date}", "\n".join(body))
