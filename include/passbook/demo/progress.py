"""Live progress of a week in the terminal; a line a change where the output is no terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import date

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from passbook.contracts import STAGES
from passbook.embedded.airflow_api import Run
from passbook.embedded.week_runs import Report

COLOURS = {"success": "green", "failed": "red", "running": "cyan", "upstream_failed": "red"}


@contextmanager
def phase(console: Console, what: str) -> Iterator[None]:
    """Show that `what` goes on, and how long it took."""
    started = time.monotonic()
    with console.status(what) if console.is_terminal else nullcontext():
        yield
    console.print(f"{what}: {time.monotonic() - started:.0f} s", highlight=False)


@contextmanager
def week(console: Console, base_date: date) -> Iterator[Report]:
    """Yield what to report the runs of a week to."""
    started = time.monotonic()
    ended: dict[str, float] = {}
    live = Live(console=console, refresh_per_second=4) if console.is_terminal else None

    def report(runs: dict[str, Run], tasks: dict[str, dict[str, str]]) -> None:
        seconds = time.monotonic() - started
        for dag in STAGES:
            if dag in runs and runs[dag].finished and dag not in ended:
                ended[dag] = seconds
                if live is None:
                    line = f"{dag} {base_date} {runs[dag].state} after {seconds:.0f} s"
                    console.print(line, highlight=False)
        if live is not None:
            live.update(_table(base_date, runs, tasks, ended, seconds))

    with live or nullcontext():
        yield report


def _table(
    base_date: date,
    runs: dict[str, Run],
    tasks: dict[str, dict[str, str]],
    ended: dict[str, float],
    seconds: float,
) -> Table:
    table = Table(title=f"Week of {base_date}, {seconds:.0f} s", title_justify="left")
    for column in ("DAG", "state", "ended after", "tasks"):
        table.add_column(column)
    for dag in STAGES:
        state = runs[dag].state if dag in runs else "none"
        words = Text(", ").join(
            Text(task, style=COLOURS.get(task_state, "dim"))
            for task, task_state in tasks.get(dag, {}).items()
        )
        after = f"{ended[dag]:.0f} s" if dag in ended else ""
        table.add_row(dag, Text(state, style=COLOURS.get(state, "")), after, words)
    return table
