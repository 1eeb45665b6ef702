"""The rules of time: which Sunday a run speaks for, and which days a base date may look at."""

from datetime import UTC, date, datetime, timedelta

import pytest

from passbook import base_date as bd
from passbook.errors import BaseDateError

SEOUL = bd.BANK_TIMEZONE


def seoul(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=SEOUL)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (seoul(2022, 12, 5, 1), date(2022, 12, 4)),  # the weekly schedule: Monday 01:00
        (seoul(2022, 12, 10, 23, 59), date(2022, 12, 4)),  # Saturday
        (seoul(2022, 12, 11, 0, 0), date(2022, 12, 4)),  # a Sunday speaks for the one before it
        (seoul(2022, 12, 11, 23, 59, 59), date(2022, 12, 4)),
        (seoul(2022, 12, 12, 0, 0), date(2022, 12, 11)),
        (datetime(2022, 12, 4, 14, 59, tzinfo=UTC), date(2022, 11, 27)),  # still Sunday in Seoul
        (datetime(2022, 12, 4, 15, 0, tzinfo=UTC), date(2022, 12, 4)),  # already Monday in Seoul
        (seoul(2024, 3, 1, 9), date(2024, 2, 25)),  # over a leap day
        (date(2023, 1, 1), date(2022, 12, 25)),  # a Sunday, over the year's end
    ],
)
def test_last_sunday_before(moment: date | datetime, expected: date) -> None:
    assert bd.last_sunday_before(moment) == expected


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        (date(2022, 11, 20), date(2022, 11, 20)),
        (date(2022, 11, 26), date(2022, 11, 20)),  # a Saturday
        (date(2023, 1, 1), date(2022, 12, 4)),  # not reached yet
    ],
)
def test_the_newest_base_date_of_a_source_that_gets_no_new_data(
    until: date, expected: date
) -> None:
    assert bd.newest_base_date(seoul(2022, 12, 5, 1), until=until) == expected


def test_a_moment_without_a_timezone_is_refused() -> None:
    with pytest.raises(BaseDateError, match=r"E802.*no timezone"):
        bd.last_sunday_before(datetime(2022, 12, 5, 1))  # noqa: DTZ001


@pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
def test_a_run_with_an_interval_takes_its_base_date_from_it(run_type: str) -> None:
    moment = seoul(2022, 12, 5, 1)
    later = moment + timedelta(days=400)
    assert bd.base_date_of_run(
        run_type=run_type, data_interval_end=moment, run_after=later
    ) == date(2022, 12, 4)


def test_a_manual_run_without_an_interval_uses_run_after() -> None:
    assert bd.base_date_of_run(
        run_type="manual", data_interval_end=None, run_after=seoul(2022, 12, 7, 15)
    ) == date(2022, 12, 4)


def test_a_manual_run_may_name_its_base_date() -> None:
    assert bd.base_date_of_run(
        run_type="manual",
        data_interval_end=None,
        run_after=seoul(2022, 12, 7, 15),
        requested="2022-09-25",
    ) == date(2022, 9, 25)


@pytest.mark.parametrize("run_type", ["scheduled", "backfill", "asset_triggered"])
def test_other_runs_may_not_name_one(run_type: str) -> None:
    with pytest.raises(BaseDateError, match=run_type):
        bd.base_date_of_run(
            run_type=run_type,
            data_interval_end=seoul(2022, 12, 5, 1),
            run_after=seoul(2022, 12, 5, 1),
            requested="2022-09-25",
        )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("2022-12-05", "is a Monday, not a Sunday; nearest: 2022-12-04"),
        ("2022-12-18", "is in the future"),
        ("04.12.2022", "not a date of the form"),
        ("2022-02-30", "not a date of the form"),
    ],
)
def test_a_wrong_base_date_says_what_is_wrong(text: str, complaint: str) -> None:
    with pytest.raises(BaseDateError, match=complaint):
        bd.parse_base_date(text, at=seoul(2022, 12, 7, 12))


def test_the_sunday_that_is_today_in_seoul_is_not_in_the_future() -> None:
    still_saturday_in_utc = datetime(2022, 12, 10, 15, 30, tzinfo=UTC)
    assert bd.check_base_date(date(2022, 12, 11), at=still_saturday_in_utc) == date(2022, 12, 11)


def test_the_schedule_speaks_for_the_base_date_it_was_made_from() -> None:
    for week in range(60):
        base_date = date(2021, 12, 5) + timedelta(weeks=week)
        assert bd.last_sunday_before(bd.schedule_moment(base_date)) == base_date


@pytest.mark.parametrize(
    ("base_date", "train_end", "test_start", "test_end"),
    [
        (date(2022, 12, 4), date(2022, 10, 31), date(2022, 11, 1), date(2022, 11, 30)),
        (date(2022, 1, 2), date(2021, 11, 30), date(2021, 12, 1), date(2021, 12, 31)),
        (date(2024, 3, 31), date(2024, 1, 31), date(2024, 2, 1), date(2024, 2, 29)),
        (date(2022, 5, 1), date(2022, 3, 31), date(2022, 4, 1), date(2022, 4, 30)),
    ],
)
def test_holdout_window(base_date: date, train_end: date, test_start: date, test_end: date) -> None:
    assert bd.holdout_window(base_date) == bd.HoldoutWindow(train_end, test_start, test_end)


def test_observation_dates_are_sundays_and_their_outcomes_end_by_the_base_date() -> None:
    base_date = date(2022, 12, 4)
    earlier, later = bd.observation_dates(base_date)
    assert (earlier, later) == (date(2021, 12, 5), date(2022, 6, 5))
    assert {earlier.weekday(), later.weekday()} == {bd.SUNDAY}
    assert later + timedelta(weeks=bd.OUTCOME_WEEKS) == base_date
    for read in (earlier, later, base_date):
        assert base_date in bd.base_dates_reading(read)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (date(2022, 11, 27), date(2022, 12, 11), [date(2022, 11, 27), date(2022, 12, 4),
                                                  date(2022, 12, 11)]),
        (date(2022, 11, 28), date(2022, 12, 10), [date(2022, 12, 4)]),
        (date(2022, 11, 28), date(2022, 12, 3), []),
        (date(2022, 12, 11), date(2022, 11, 27), []),
    ],
)  # fmt: skip
def test_base_dates_between(first: date, last: date, expected: list[date]) -> None:
    assert bd.base_dates_between(first, last) == expected
