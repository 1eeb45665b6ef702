"""``passbook backfill`` refuses what means nothing before it starts anything."""

from datetime import date
from pathlib import Path

import pytest

from passbook import cli, settings
from passbook.commands.backfill import weeks_between


def test_the_weeks_are_the_sundays_of_the_range_oldest_first() -> None:
    found = weeks_between(date(2022, 11, 21), date(2022, 12, 4))
    assert found == [date(2022, 11, 27), date(2022, 12, 4)]


@pytest.mark.parametrize(
    ("days", "told"),
    [
        ("2022-12-05 2022-12-06", "E803"),
        ("2022-12-05 2022-11-01", "E803"),
        ("2022-12-05 2099-12-31", "E802"),
        ("2022-12-04 2022-12-04", "E803 The input cannot be used. No Airflow was started in /"),
    ],
)
def test_what_cannot_be_backfilled_is_refused(
    days: str,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PASSBOOK_HOME", str(tmp_path))
    settings.load.cache_clear()
    assert cli.main(["backfill", *days.split()]) == 1
    assert capsys.readouterr().err.startswith(told)
    assert not list(tmp_path.iterdir())
