"""The code that counts is what a stage needs, and no page of the UI."""

from __future__ import annotations

from pathlib import Path

import pytest

from passbook.contracts import STAGES
from passbook.mart import code_version

PACKAGE = Path(code_version.__file__).parents[1]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_counts_what_it_imports(stage: str) -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in code_version.imported_modules(PACKAGE / "steps" / f"{stage}.py")
    }
    assert {f"steps/{stage}.py", "steps/stage.py", "mart/wire.py", "contracts.py"} <= found
    assert not {path.split("/")[0] for path in found} & {"pages", "commands", "demo", "embedded"}


def test_stages_have_versions_of_their_own() -> None:
    segments = code_version.imported_modules(PACKAGE / "steps" / "segment_customers.py")
    assert PACKAGE / "segments" / "lloyd.py" in segments  # imported by what it imports
    assert PACKAGE / "recommend" / "offers.py" not in segments
    versions = {code_version.stage_code(stage) for stage in STAGES}
    assert len(versions) == len(STAGES)
    assert code_version.code_version() not in versions
    assert code_version.stage_code("no such step") == code_version.code_version()
