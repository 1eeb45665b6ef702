"""Drift of what the models say: last week's published outputs against the champion's first week."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from passbook.drift import FeatureDrift, Histogram, compare, thresholds_of
from passbook.mart.connection import transaction

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812

    from passbook.settings import Settings

OUTPUT: Final = "output"
"""What a model's output is called beside its features."""

OFFERS: Final = "recommendation_list"
_TABLES: Final = {
    "segments": "customer_segment",
    "recommend": OFFERS,
    "credit": "credit_score",
}
"""Where a domain's models are published."""

_SEGMENT = """
    SELECT {family}_segment::text, count(*) FROM mart.customer_segment
    WHERE base_date = %(day)s AND {family}_segment IS NOT NULL GROUP BY 1"""
_OUTPUTS: Final = {
    "segments.deposit": _SEGMENT.format(family="deposit"),
    "segments.insurance": _SEGMENT.format(family="insurance"),
    "credit.style": """
        SELECT style, count(*) FROM mart.credit_score WHERE base_date = %(day)s GROUP BY 1""",
    "credit.default": """
        SELECT width_bucket(credit_index, 300, 851, 11)::text, count(*) FROM mart.credit_score
        WHERE base_date = %(day)s GROUP BY 1""",
}
_FIRST_OFFER: Final = """
    SELECT product_codes[1], count(*) FROM mart.recommendation_list
    WHERE base_date = %(day)s AND scenario = %(scenario)s GROUP BY 1"""


def outputs_read(
    model: str, since: date, base_date: date, settings: Settings
) -> set[tuple[str, date]]:
    """Return the tables of the mart, and their base dates, that `measure_output` compares."""
    before = base_date - timedelta(weeks=1)
    domain = model.split(".", maxsplit=1)[0]
    if before <= since or (domain == "recommend" and settings.offer_cool_off_weeks):
        return set()  # what rests this week is meant to differ from what was offered last week
    return {(_TABLES[domain], day) for day in (since, before)}


def measure_output(
    connection: Connection, model: str, since: date, base_date: date, settings: Settings
) -> FeatureDrift | None:
    """Compare the outputs published last week with those of the week a champion began.

    Parameters
    ----------
    connection : psycopg2 connection
    model : str
    since : datetime.date
        The champion's base date.
    base_date : datetime.date
        The week to judge; its own outputs are not made yet.
    settings : Settings

    Returns
    -------
    FeatureDrift or None
        None when there are no two published weeks to compare, and for offers that rest.
    """
    if not outputs_read(model, since, base_date, settings):
        return None
    before = base_date - timedelta(weeks=1)
    old, new = (count_outputs(connection, model, day) for day in (since, before))
    if not old or not new:
        return None
    codes = tuple(sorted(old.keys() | new.keys()))
    reference, current = (
        {OUTPUT: Histogram((), codes, (*(counts.get(code, 0) for code in codes), 0, 0))}
        for counts in (old, new)
    )
    thresholds = thresholds_of(settings.drift_thresholds, model)
    (found,) = compare(reference, current, replace(thresholds, psi=thresholds.output_psi))
    return found


def count_outputs(connection: Connection, model: str, day: date) -> dict[str, int]:
    """Return how often a model said what in a published week: segments, first offers, bands."""
    scenario = model.removeprefix("recommend.")
    query = _FIRST_OFFER if scenario != model else _OUTPUTS[model]
    with transaction(connection) as cursor:
        cursor.execute(query, {"day": day, "scenario": scenario})
        return dict(cursor.fetchall())
