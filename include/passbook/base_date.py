"""From a run to its base date, and from a base date to the windows that it speaks of.

This is the only module that reads the clock. Everything else is told its base date.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from passbook.errors import BaseDateError

BANK_TIMEZONE = ZoneInfo("Asia/Seoul")
"""The bank's business days are days in Seoul, wherever Airflow runs."""

SUNDAY = 6
OUTCOME_WEEKS = 26
"""Length of the credit outcome window. A multiple of weeks, so that an observation date is a
Sunday, and in steady operation an earlier base date whose work tables exist already."""


@dataclass(frozen=True)
class HoldoutWindow:
    """Time split of the grid search: train up to `train_end`, test inside the month after it."""

    train_end: date
    test_start: date
    test_end: date


def now() -> datetime:
    """Return the present moment, in UTC."""
    return datetime.now(UTC)


def last_sunday_before(moment: date | datetime) -> date:
    """Return the last Sunday strictly before the bank's day of `moment`.

    A naive `datetime` is refused: without a timezone the bank's day isn't known.
    """
    day = moment
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise BaseDateError(f"The moment {moment.isoformat()} carries no timezone.")
        day = moment.astimezone(BANK_TIMEZONE).date()
    return day - timedelta(days=(day.weekday() - SUNDAY) % 7 or 7)


def newest_base_date(at: datetime | None = None, *, until: date | None = None) -> date:
    """Return the base date a run started at `at` (default: now) speaks for.

    `until` is the last day that a source which gets no new data can speak for.
    """
    newest = last_sunday_before(at or now())
    return min(newest, last_sunday_before(until + timedelta(days=1))) if until else newest


def check_base_date(base_date: date, *, at: datetime | None = None) -> date:
    """Return `base_date` when it is a Sunday and not in the future.

    Raises
    ------
    BaseDateError
        E802, naming what is wrong.
    """
    if base_date.weekday() != SUNDAY:
        nearest = last_sunday_before(base_date)
        raise BaseDateError(f"{base_date} is a {base_date:%A}, not a Sunday; nearest: {nearest}.")
    today = (at or now()).astimezone(BANK_TIMEZONE).date()
    if base_date > today:
        raise BaseDateError(f"{base_date} is in the future (today in Seoul: {today}).")
    return base_date


def parse_base_date(text: str, *, at: datetime | None = None) -> date:
    """Parse an ISO date and check that it is a base date."""
    try:
        parsed = date.fromisoformat(text)
    except ValueError:
        raise BaseDateError(f"{text!r} is not a date of the form YYYY-MM-DD.") from None
    return check_base_date(parsed, at=at)


def base_date_of_run(
    *,
    run_type: str,
    data_interval_end: datetime | None,
    run_after: datetime,
    requested: str | None = None,
) -> date:
    """Return the base date of an Airflow run.

    Parameters
    ----------
    run_type : str
        Airflow's: ``manual``, ``scheduled``, ``backfill`` or ``asset_triggered``.
    data_interval_end : datetime, optional
        Absent for a manual run without a logical date; `run_after` stands in.
    run_after : datetime
    requested : str, optional
        The form's `base_date`. Only a manual run may carry one: a backfill's configuration is
        the same for all of its runs, so it would give every one of them the same base date.
    """
    if requested:
        if run_type != "manual":
            raise BaseDateError(
                f"A {run_type} run takes its base date from its interval; it was given {requested}."
            )
        return parse_base_date(requested)
    return last_sunday_before(data_interval_end or run_after)


def schedule_moment(base_date: date) -> datetime:
    """Return the moment of the weekly schedule (Monday 01:00 in Seoul) that speaks for it."""
    monday = base_date + timedelta(days=1)
    return datetime(monday.year, monday.month, monday.day, 1, tzinfo=BANK_TIMEZONE)


def holdout_window(base_date: date) -> HoldoutWindow:
    """Return the time split for `base_date`: the calendar month before it is the test month.

    >>> holdout_window(date(2022, 12, 4)).train_end
    datetime.date(2022, 10, 31)
    """
    test_end = base_date.replace(day=1) - timedelta(days=1)
    test_start = test_end.replace(day=1)
    return HoldoutWindow(test_start - timedelta(days=1), test_start, test_end)


def observation_dates(base_date: date) -> tuple[date, date]:
    """Return the two credit observation dates, the earlier one first.

    Their outcome windows, `OUTCOME_WEEKS` long, end by the base date. Models train on the
    earlier one's customers too and are validated out of time on the later one's.
    """
    window = timedelta(weeks=OUTCOME_WEEKS)
    return base_date - 2 * window, base_date - window


def base_dates_reading(work_tables: date) -> tuple[date, date, date]:
    """Return the base dates that read the work tables of a date, as their own or as observed."""
    window = timedelta(weeks=OUTCOME_WEEKS)
    return work_tables, work_tables + window, work_tables + 2 * window


def base_dates_between(first: date, last: date) -> list[date]:
    """Return every base date from `first` to `last`, both included when they are Sundays."""
    start = first + timedelta(days=(SUNDAY - first.weekday()) % 7)
    return [start + timedelta(weeks=w) for w in range(((last - start).days // 7) + 1)]
