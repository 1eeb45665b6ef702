"""Credentials are made once and kept private."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from passbook.embedded import credentials
from passbook.errors import StorageError


def test_credentials_stay_the_same_and_differ_from_each_other(tmp_path: Path) -> None:
    made = credentials.keep(tmp_path)
    assert credentials.keep(tmp_path) == made
    assert set(made) == set(credentials.MAKERS)
    assert len(set(made.values())) == len(made)
    assert min(map(len, made.values())) >= 24
    assert len(made["airflow_jwt_secret"]) >= 64


def test_only_this_user_reads_them(tmp_path: Path) -> None:
    credentials.keep(tmp_path)
    assert stat.S_IMODE((tmp_path / credentials.FILE).stat().st_mode) == 0o600


def test_one_that_is_missing_is_added(tmp_path: Path) -> None:
    (tmp_path / credentials.FILE).write_text(json.dumps({"mart_owner": "kept"}))
    made = credentials.keep(tmp_path)
    assert made["mart_owner"] == "kept"
    assert set(made) == set(credentials.MAKERS)


def test_a_broken_file_is_named_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / credentials.FILE).write_text("{")
    with pytest.raises(StorageError, match="E805"):
        credentials.keep(tmp_path)
    assert (tmp_path / credentials.FILE).read_text() == "{"
