"""A new adapter's files hold the contract, and nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlglot

from passbook import source_template, sources
from passbook.contracts import WORK_TABLES
from passbook.errors import AdapterError, InputError, StorageError


@pytest.mark.parametrize("dialect", ["hive", "spark"])
@pytest.mark.parametrize("table", WORK_TABLES)
def test_a_template_selects_the_contracts_columns(table: str, dialect: str) -> None:
    text = source_template.select_template(WORK_TABLES[table])
    for name in sources.PARAMETERS:
        text = text.replace(
            f"${{{name}}}", "x" if name in ("bank", "work") else "DATE '2022-12-04'"
        )
    select = sqlglot.parse_one(text, dialect=dialect)
    assert tuple(select.named_selects) == WORK_TABLES[table].column_names


def test_a_new_adapter_is_a_source_at_once(tmp_path: Path) -> None:
    source_template.write(tmp_path / "mine")
    assert set(sources.find("mine", tmp_path).tables) == set(WORK_TABLES)


def test_an_adapter_that_exists_is_not_touched(tmp_path: Path) -> None:
    source_template.write(tmp_path / "mine")
    (tmp_path / "mine" / "customer.sql").write_text("SELECT 1")
    with pytest.raises(InputError, match="exists already"):
        source_template.write(tmp_path / "mine")
    assert (tmp_path / "mine" / "customer.sql").read_text() == "SELECT 1"


def test_a_folder_that_cannot_be_made_is_e805(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        source_template.write(tmp_path / "file" / "mine")


@pytest.mark.parametrize("name", ["Mine", "../mine", "my bank", ""])
def test_a_source_has_a_plain_name(name: str) -> None:
    with pytest.raises(AdapterError, match="no name of a source"):
        sources.check_name(name)
