"""Trials of a grid search noted in the ledger one by one, so that a restarted task goes on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from passbook import ledger
from passbook.mart.code_version import code_version
from passbook.recommend.als_model import AlsParameters
from passbook.recommend.grid import Trial, TrialBook

if TYPE_CHECKING:
    from passbook.steps.stage import Stage
    from passbook.steps.week import Week


def trial_book(stage: Stage, model: str) -> TrialBook:
    """Return the trials noted for the same inputs, code and seed, and where to note new ones."""
    fingerprint = trial_fingerprint(stage.week)
    rows = ledger.noted_trials(stage.mart, stage.base_date, model, fingerprint)
    known = [
        Trial(
            AlsParameters(**json.loads(row["parameters"])),
            row["customers"],
            json.loads(row["metrics"]),
            row["seconds"],
        )
        for row in rows
    ]

    def note(trial: Trial) -> None:
        row = {"model": model, "fingerprint": fingerprint, **trial_row(trial)}
        ledger.note_trial(stage.mart, stage.fence, row)

    return TrialBook(known, note)


def trial_row(trial: Trial) -> dict[str, Any]:
    """Return a trial's columns of ``ops.trial``."""
    return {
        "parameters": json.dumps(asdict(trial.parameters)),
        "metrics": json.dumps(trial.metrics),
        "seconds": trial.seconds,
        "customers": trial.customers,
    }


def trial_fingerprint(week: Week) -> str:
    """Return the sha256 of all that decides a trial's figures."""
    inputs = {f"{t} {p}": found for (t, p), found in sorted(week.fingerprints.items())}
    parts = {"inputs": inputs, "code": code_version(), "seed": week.settings.seed}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
