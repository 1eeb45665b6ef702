"""Every setting, and the only reader of the environment (``PASSBOOK_*``).

A running embedded stack writes its addresses and generated passwords to ``stack.env`` in
``PASSBOOK_HOME``; it is read before, and loses against, the environment.
"""

from __future__ import annotations

import hashlib
import json
import os
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from passbook.errors import SettingsError, StorageError

STACK_ENVIRONMENT = "stack.env"

DriftFigure = Literal[
    "psi",
    "jensen_shannon",
    "output_psi",
    "performance_loss",
    "calibration",
    "minimum_rows",
    "minimum_outcomes",
]
ANY_MODEL: Final = "*"
DRIFT_THRESHOLDS: Final[dict[DriftFigure, float]] = {
    "psi": 0.2,
    "jensen_shannon": 0.2,
    "output_psi": 0.2,
    "performance_loss": 0.15,
    "calibration": 0.5,
    "minimum_rows": 500,
    "minimum_outcomes": 300,
}
"""What holds for a model that `Settings.drift_thresholds` says nothing else of."""


class Settings(BaseSettings):
    """Settings of one bank's Passbook."""

    model_config = SettingsConfigDict(env_prefix="PASSBOOK_", extra="ignore")

    home: Path = Field(Path(".passbook"), description="Folder of all local state.")
    source: str = Field("demo", description="Name of the source adapter.")
    sources: Path | None = Field(None, description="Folder of adapters outside the repository.")
    source_database: str | None = Field(
        None, description="Hive database of the bank's own tables (default: the source's name)."
    )
    hive_url: SecretStr | None = Field(
        None,
        description="hive://user:password@host:port/?auth=NONE; else Airflow's hive_passbook.",
    )
    mart_url: SecretStr | None = Field(
        None, description="postgresql://… of the mart's loader; else Airflow's mart_passbook."
    )
    mart_owner_url: SecretStr | None = Field(
        None,
        description="postgresql://… of the mart's owner, for `passbook` prepare, migrate and "
        "privacy.",
    )
    mart_admin_url: SecretStr | None = Field(
        None, description="postgresql://… of a superuser, for `passbook prepare` only."
    )
    analyst_url: SecretStr | None = Field(
        None, description="postgresql://… of the mart's analyst, for `passbook` prepare and status."
    )
    schedule_until: date | None = Field(
        None, description="Last base date to schedule, for a source that gets no new data."
    )
    hive_heap: str = Field(
        "2g", pattern=r"^\d+[mg]$", description="Heap of the embedded HiveServer2."
    )
    threads: int = Field(2, ge=1, description="Threads of a computation.")
    memory_limit_gb: float = Field(
        12.0,
        gt=0,
        description="Memory that a fit may need at most, GB, as estimated before it begins.",
    )
    seed: int = Field(0, ge=0, description="Seed of every random choice.")
    hive_concurrency: int = Field(3, ge=1, description="Statements that Hive runs at once for us.")
    block_rows: int = Field(
        250_000, ge=1, description="Rows that are read and computed on at a time."
    )
    drift_thresholds: dict[str, dict[DriftFigure, float]] = Field(
        {},
        validate_default=True,
        description="Drift that requests a retrain, by model, where not the usual.",
    )
    retrain_weeks: int | None = Field(
        None, ge=1, description="Age of a champion, weeks, that requests a retrain without drift."
    )
    retrain_pause_weeks: int = Field(
        4, ge=0, description="Weeks without another try after a challenger was refused."
    )
    approval_hours: float | None = Field(
        None, gt=0, description="Time for a person to approve a promotion; unset: rules decide."
    )
    segment_minimum_customers: int = Field(
        200, ge=2, description="Fewest customers to cluster, or to give a segment a model."
    )
    segment_counts: tuple[int, ...] = Field((3, 4, 5, 6, 7, 8), description="Cluster counts tried.")
    segment_weights: dict[str, dict[str, float]] = Field(
        {}, description="Weights of feature groups by family, where not the usual ones."
    )
    fund_minimum_holders: int = Field(
        2000, ge=1, description="Fewer holders of a family: popularity instead of a factor model."
    )
    offers_per_scenario: int = Field(5, ge=1, le=20, description="Products offered per scenario.")
    offer_cool_off_weeks: int = Field(
        0, ge=0, le=26, description="Weeks before a product is offered to the same customer again."
    )
    offer_outcome_weeks: int = Field(
        4, ge=1, le=52, description="Weeks after which offers are held against what was bought."
    )
    control_group_share: float = Field(
        0.05, ge=0, lt=1, description="Customers kept out of offers, so that lift can be measured."
    )
    control_group_salt: str = Field("1", description="Another value draws another control group.")
    score_base: float = Field(600.0, description="Credit index at the base odds.")
    score_base_odds: float = Field(19.0, gt=0, description="Good:bad odds at the base index.")
    score_points_to_double: float = Field(40.0, gt=0, description="Points that double the odds.")
    credit_search: Literal["optuna", "grid", "random"] = Field(
        "optuna", description="How settings of the default-risk model are searched."
    )
    credit_search_trials: int = Field(4, ge=1, description="Settings tried by that search.")
    credit_scorecard_distance: float = Field(
        0.005, ge=0, description="Gini that a scorecard may lack and still be published."
    )
    credit_calibration: Literal["platt", "isotonic"] = Field(
        "platt", description="How the default-risk model's odds are calibrated."
    )
    credit_reject_inference: float | None = Field(
        None,
        gt=0,
        description="Odds of default of customers without an outcome, as a multiple of equal ones "
        "with one; unset: nothing is inferred.",
    )
    credit_fairness_approval: str | None = Field(
        None,
        description="Who accepts a credit model that approves groups unequally, and why.",
    )
    pseudonym_key: SecretStr | None = Field(
        None, description="Base64 key of customers' pseudonyms; unset: none are kept."
    )
    sealing_keys: SecretStr | None = Field(
        None, description='Base64 keys of sealed values by version, {"1": "…"}; the newest seals.'
    )
    sealed_features: tuple[str, ...] | None = Field(
        None, description="Credit features whose values are sealed in the mart, such as income."
    )
    verdict_wait_hours: float = Field(12.0, gt=0, description="Longest wait for a verdict.")
    run_deadline_hours: float | None = Field(
        None, gt=0, description="An alert tells of a run that takes longer; unset: of none."
    )
    alert_webhook: SecretStr | None = Field(
        None, description="https://… of a chat's incoming webhook that alerts go to."
    )
    alert_mail: SecretStr | None = Field(
        None, description="smtp[s]://user:password@host:port/?from=…&to=… for alerts."
    )
    keep_mart_weeks: int = Field(
        104, ge=1, description="Published weeks, their reports and models that `maintain` keeps."
    )
    keep_partition_weeks: int = Field(
        104, ge=54, description="Weeks of Hive partitions kept; credit looks back 52."
    )
    keep_airflow_weeks: int = Field(
        26, ge=1, description="Weeks of runs and logs kept in Airflow's metadata."
    )
    airflow_metadata_url: SecretStr | None = Field(
        None, description="postgresql://… of Airflow's metadata, for `maintain`; unset: left alone."
    )
    maintain_applies: bool = Field(
        False, description="Whether the DAG `maintain` lets go unasked; else it only tells."
    )
    lock_timeout_seconds: int = Field(30, ge=1, description="Longest wait for a reader's lock.")
    retry_delay_seconds: int = Field(
        30, ge=1, description="Wait before a task's first retry; later ones wait longer."
    )

    @field_validator("drift_thresholds")
    @classmethod
    def _complete(
        cls, given: dict[str, dict[DriftFigure, float]]
    ) -> dict[str, dict[DriftFigure, float]]:
        """Put the usual thresholds below the given ones."""
        if any(not value > 0 for figures in given.values() for value in figures.values()):
            raise ValueError("a threshold must be above 0")
        return {**given, ANY_MODEL: {**DRIFT_THRESHOLDS, **given.get(ANY_MODEL, {})}}

    def fingerprint(self, *names: str) -> str:
        """Return a hash of some settings: one of the inputs of what they shape."""
        values = self.model_dump(mode="json", include=set(names))
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    @property
    def work_database(self) -> str:
        """Hive database of this source's work tables."""
        return f"work_{self.source}"

    @property
    def bank_database(self) -> str:
        """Hive database of the bank's own tables."""
        return self.source_database or self.source

    @property
    def artifacts(self) -> Path:
        """Folder of this source's model artifacts."""
        return self.home / "artifacts" / self.source

    @property
    def reports(self) -> Path:
        """Folder of this source's pages, a folder a base date."""
        return self.home / "reports" / self.source


def environment_with(**changes: str) -> dict[str, str]:
    """Return this process's environment with changes, for a program that it starts."""
    return {**os.environ, **changes}


@lru_cache
def load() -> Settings:
    """Read the settings once from ``stack.env`` and the environment.

    Raises
    ------
    SettingsError
        E801, naming each wrong setting but never its value.
    StorageError
        E805 when ``stack.env`` cannot be read.
    """
    home = Path(os.environ.get("PASSBOOK_HOME", ".passbook"))
    try:
        return Settings(_env_file=home / STACK_ENVIRONMENT)
    except ValidationError as error:
        faults = "; ".join(
            f"PASSBOOK_{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}"
            for fault in error.errors(include_input=False)
        )
        raise SettingsError(faults) from None
    except OSError as error:
        raise StorageError(f"{error.filename}: {error.strerror}.") from error


def schedule_until(source: str) -> date | None:
    """Return the last base date to schedule for a source.

    What ``stack.env`` says of another source, which the stack served before, counts for nothing;
    what the environment says does.
    """
    loaded = load()
    said = "PASSBOOK_SCHEDULE_UNTIL" in os.environ
    return loaded.schedule_until if said or source == loaded.source else None
