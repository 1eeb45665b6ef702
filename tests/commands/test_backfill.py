"""``passbook backfill`` refuses a range that means nothing before it starts anything."""

from datetime import date
from pathlib import Path

import pytest

from passbook import cli, settings
from passbook.commands.backfill import weeks_between


def test_the_weeks_are_the_sundays_of_the_range_oldest_first() -> None:
    found = weeks_between(date(2022, 11, 21), date(2022, 12, 4))
    assert found == [date(2022, 11, 27), date(2022, 12, 4)]


@pytest.mark.parametrize(
    ("days", "code"),
    [
        ("2022-12-05 2022-12-06", "E803"),
        ("2022-12-05 2022-11-01", "E803"),
        ("2022-12-05 2099-12-31", "E802"),
    ],
)
def test_an_empty_or_future_range_is_refused(
    days: str,
    code: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PASSBOOK_HOME", str(tmp_path))
    settings.load.cache_clear()
    assert cli.main(["backfill", *days.split()]) == 1
    assert capsys.readouterr().err.startswith(code)
    assert not list(tmp_path.iterdir())
