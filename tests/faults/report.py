"""The table of docs/reliability.md: what each fault came to.

``PASSBOOK_RELIABILITY_REPORT`` names the document. It is written when every fault has passed; that
of an interrupted or failed session stays as it is.
"""

from __future__ import annotations

from pathlib import Path

import pytest

DONE: dict[str, str] = {}
"""What the faults of the present test came to."""

BEGIN, END = "<!-- faults -->\n", "<!-- /faults -->"


class Report:
    """Collects what the tests have recorded, in whichever process they ran."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[tuple[str, str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            file = report.location[0]
            self._rows += [(file, name, str(told)) for name, told in report.user_properties]

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        if self._rows and exitstatus == pytest.ExitCode.OK:
            by_file = sorted(self._rows, key=lambda row: row[0])
            write_report(self._path, {fault: result for _, fault, result in by_file})


def write_report(path: Path, done: dict[str, str]) -> None:
    """Write the table between the marks of the document."""
    before, rest = path.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    lines = ["| fault | result |\n|---|---|\n", *(f"| {f} | {r} |\n" for f, r in done.items())]
    path.write_text(f"{before}{BEGIN}{''.join(lines)}{END}{after}", encoding="utf-8")
