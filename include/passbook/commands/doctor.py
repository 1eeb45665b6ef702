"""``passbook doctor``: what is missing or wrong here, and how to mend it."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.markup import escape

from passbook import doctor, settings
from passbook.embedded import airflow


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no option."""


def run(_arguments: argparse.Namespace) -> int:
    """Print every finding; return 1 when something is wrong."""
    chosen = settings.load()
    found = [*doctor.examine(chosen), *_embedded_airflow(chosen)]
    console = Console(soft_wrap=True, highlight=False)
    for finding in found:
        mark = "[green]fine [/green]" if finding.fine else "[red]WRONG[/red]"
        console.print(mark, escape(f"{finding.check}: {finding.detail}"))
        if not finding.fine and finding.fix:
            console.print(f"      → {finding.fix}", markup=False)
    wrong = sum(not finding.fine for finding in found)
    console.print(f"{len(found)} checks, {wrong} of them wrong.")
    return 1 if wrong else 0


def _embedded_airflow(chosen: settings.Settings) -> list[doctor.Finding]:
    """Ask the embedded Airflow how its processes are, if one was ever started here."""
    url = airflow.kept_url(chosen.home.absolute())
    if url is None:
        return []
    return [
        doctor.Finding(
            f"airflow: {name.removeprefix('airflow-')}",
            airflow.healthy(url, name),
            f"as Airflow's own monitor at {url} says",
            "Run `passbook start`; it starts what does not run.",
        )
        for name in airflow.COMPONENTS
    ]
