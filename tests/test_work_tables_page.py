"""docs/work-tables.md says what the contract says."""

from __future__ import annotations

from pathlib import Path

import pytest

from passbook.contracts import WORK_TABLES
from passbook.source_template import hive_type

PAGE = Path(__file__).resolve().parent.parent / "docs" / "work-tables.md"


@pytest.mark.parametrize("name", WORK_TABLES)
def test_the_page_lists_every_column_with_its_type(name: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    section = text.split(f"### `{name}`")[1].split("### ")[0]
    listed = [line.split(" | ")[:3] for line in section.splitlines() if line.startswith("| `")]
    assert listed == [
        [f"| `{c.name}`", hive_type(c.type), "may be" if c.nullable else "never"]
        for c in WORK_TABLES[name].columns
    ]
