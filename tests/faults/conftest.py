"""Writes the suite's table when every fault has passed.

``PASSBOOK_RELIABILITY_REPORT`` names the document.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .report import DONE, write_report


def pytest_sessionfinish(exitstatus: int) -> None:
    """Leave the table of an interrupted or failed session as it is."""
    report = os.environ.get("PASSBOOK_RELIABILITY_REPORT")
    if report and DONE and exitstatus == pytest.ExitCode.OK:
        write_report(Path(report))
