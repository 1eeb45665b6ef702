"""The table of docs/reliability.md: what each fault came to."""

from __future__ import annotations

from pathlib import Path

DONE: dict[str, str] = {}
"""What the faults done so far came to."""

BEGIN, END = "<!-- faults -->\n", "<!-- /faults -->"


def write_report(path: Path) -> None:
    """Write the table between the marks of the document."""
    before, rest = path.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    lines = ["| fault | result |\n|---|---|\n", *(f"| {f} | {r} |\n" for f, r in DONE.items())]
    path.write_text(f"{before}{BEGIN}{''.join(lines)}{END}{after}", encoding="utf-8")
