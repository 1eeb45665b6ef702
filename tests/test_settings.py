"""Settings come from stack.env and the environment, and wrong ones are named, not shown."""

from datetime import date
from pathlib import Path

import pytest

from passbook import settings
from passbook.errors import SettingsError, StorageError


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings.load.cache_clear()
    monkeypatch.setenv("PASSBOOK_HOME", str(tmp_path))


def test_the_environment_wins_against_the_running_stack(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "stack.env").write_text("PASSBOOK_SOURCE=insurer\nPASSBOOK_THREADS=3\n")
    monkeypatch.setenv("PASSBOOK_THREADS", "4")
    loaded = settings.load()
    assert (loaded.source, loaded.threads, loaded.home) == ("insurer", 4, tmp_path)
    assert loaded.work_database == "work_insurer"


def test_every_wrong_setting_is_named_and_no_value_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PASSBOOK_THREADS", "many-secret-threads")
    monkeypatch.setenv("PASSBOOK_SEED", "-1")
    with pytest.raises(SettingsError) as caught:
        settings.load()
    message = str(caught.value)
    assert "PASSBOOK_THREADS" in message
    assert "PASSBOOK_SEED" in message
    assert "secret" not in message


def test_secrets_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSBOOK_MART_URL", "postgresql://loader:hunter2@db/mart")
    assert "hunter2" not in repr(settings.load())


def test_a_home_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSBOOK_HOME", "x" * 300)
    with pytest.raises(StorageError, match=r"E805 .*xxx/stack.env: File name too long"):
        settings.load()


def test_the_last_date_of_another_source_does_not_count_unless_the_environment_says_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "stack.env").write_text("PASSBOOK_SOURCE=old\nPASSBOOK_SCHEDULE_UNTIL=2020-08-30\n")
    assert settings.schedule_until("old") == date(2020, 8, 30)
    assert settings.schedule_until("insurer") is None
    settings.load.cache_clear()
    monkeypatch.setenv("PASSBOOK_SCHEDULE_UNTIL", "2022-12-04")
    assert settings.schedule_until("insurer") == date(2022, 12, 4)
