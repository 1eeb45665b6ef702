"""What is left to do when a run has ended: the note on it in Airflow's UI, in a line."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import date
from typing import Any

from passbook import ledger, mart, settings
from passbook.errors import StageLostError
from passbook.steps.stage import mart_url


def conclude(stage: str, base_date: date, run_id: str) -> str:
    """Return the note on a run of a stage that has ended.

    A stage that the run left without a verdict is rejected (E709): its task was lost without its
    own code running, and whoever waits for it must not wait for ever.
    """
    lost = StageLostError()
    with closing(mart.connect(mart_url(settings.load()))) as connection:
        verdict = ledger.reject_open(
            connection, stage, base_date, run_id, code=lost.code, reason=str(lost)
        )
    return note(verdict)


def note(verdict: ledger.Verdict) -> str:
    """Say a verdict in a line: its base date, and the figures that a person asks for first."""
    words = [f"base date {verdict.base_date}", *_figures(verdict.figures)]
    if verdict.verdict == "reject":
        words.append(f"rejected: {verdict.reason or verdict.code}")
    elif verdict.verdict != "pass":
        words.append(verdict.verdict)
    return ", ".join(words)


def _figures(figures: Mapping[str, Any]) -> list[str]:
    words = []
    rows = figures.get("rows")
    if isinstance(rows, Mapping):
        words.append(f"{rows.get('customer', 0):,} customers")
    elif isinstance(rows, int):
        words.append(f"{rows:,} rows")
    if figures.get("warnings"):
        words.append(f"{figures['warnings']} warnings")
    if figures.get("due"):
        words += [f"{domain} trained ({_shortened(why)})" for domain, why in figures["due"].items()]
    elif figures.get("paused"):
        words.append(f"no retrain: {', '.join(figures['paused'])} paused after a refusal")
    elif "max_psi" in figures:
        words.append(f"no drift (max PSI {figures['max_psi']:.2f})")
    if figures.get("promoted"):
        words.append(f"{len(figures['promoted'])} models promoted")
    if figures.get("refused"):
        words.append(f"{len(figures['refused'])} refused")
    return words


def _shortened(reasons: str) -> str:
    first, *others = reasons.split("; ")
    return f"{first}, and {len(others)} more" if others else first
