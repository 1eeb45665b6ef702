"""Drift of a model in force: its features, what it said last week, and how right it has been.

A feature that is far from the champion's reference is compared with the same week of the year
before as well, so that a season which the reference has not seen asks for no retrain.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from passbook import drift
from passbook.base_date import observation_dates
from passbook.contracts import OPS_TABLES
from passbook.segments.feature_sets import FEATURE_SETS
from passbook.steps import score_credit, segment_customers
from passbook.steps.output_drift import OFFERS, measure_output, outputs_read
from passbook.steps.realised_performance import judged_offers, measure_performance

if TYPE_CHECKING:
    from passbook.artifacts import Artifact
    from passbook.drift import FeatureDrift, Histogram
    from passbook.steps.stage import Stage
    from passbook.steps.week import Week

log = logging.getLogger(__name__)

REFERENCE_FILE: Final = "reference.json"
RECOMMEND_FEATURES: Final = ("sex", "age_band", "occupation_group", "holding_type")
ACQUIRED: Final = "acquired_product"
"""Products bought lately. What is held changes too slowly to tell that customers want others."""
ACQUISITION_WEEKS: Final = 13


@dataclass(frozen=True)
class Measured:
    """Drift of one model, and the distributions behind it."""

    model: str
    features: list[FeatureDrift]
    reference: dict[str, Histogram] = field(default_factory=dict, repr=False)
    current: dict[str, Histogram] = field(default_factory=dict, repr=False)

    @property
    def max_psi(self) -> float:
        """PSI of the feature farthest from its reference."""
        return max((feature.psi or 0.0 for feature in self.features), default=0.0)

    @property
    def drifted(self) -> list[FeatureDrift]:
        """What has drifted, the farthest first."""
        found = [feature for feature in self.features if feature.drifted]
        return sorted(found, key=lambda feature: (feature.psi is None, -(feature.psi or 0.0)))

    @property
    def reason(self) -> str:
        """Why the model drifts, in words and figures; empty when it does not."""
        if not self.drifted:
            return ""
        worst, *others = self.drifted
        more = f" and {len(others)} more" if others else ""
        if worst.psi is not None:
            return f"{self.model} drifted: PSI {worst.psi:.2f} in {worst.feature}{more}"
        return (
            f"{self.model} drifted: {worst.feature} {worst.realised:.3f} against"
            f" {worst.reference:.3f}{more}"
        )


def measure(stage: Stage, model: str, champion: Artifact) -> Measured:
    """Compare the week with a champion's reference: features, output, realised performance."""
    week, settings = stage.week, stage.settings
    thresholds = drift.thresholds_of(settings.drift_thresholds, model)
    reference = drift.from_json(champion.files[REFERENCE_FILE])
    current = _count(week, model, reference)
    features = drift.compare(reference, current, thresholds)
    if any(feature.drifted for feature in features):
        before = _year_before(week, model, reference, champion.base_date)
        features = drift.compare(reference, current, thresholds, year_before=before)
    output = measure_output(stage.mart, model, champion.base_date, stage.base_date, settings)
    others = ([] if output is None else [output]) + measure_performance(stage, model, champion)
    return Measured(model, [*features, *others], reference, current)


def publications_read(stage: Stage, model: str, champion: Artifact) -> set[tuple[str, date]]:
    """Return the tables of the mart, and their base dates, that `measure` looks at."""
    outputs = outputs_read(model, champion.base_date, stage.base_date, stage.settings)
    judged_by = judged_offers(stage, model, champion)
    return outputs | ({(OFFERS, judged_by)} if judged_by else set())


def reference_of(week: Week, model: str) -> dict[str, Histogram]:
    """Return the distributions of a model's features, to be kept with it."""
    found: dict[str, Histogram] = {}
    for table in features_of(week, model):
        found |= drift.reference_histograms(table)
    return found


def features_of(week: Week, model: str, *, at: date | None = None) -> Iterator[pa.Table]:
    """Yield the tables whose columns a model's drift is measured on.

    Parameters
    ----------
    week : Week
    model : str
    at : datetime.date, optional
        An earlier base date, whose work tables the week knows.
    """
    domain, _, rest = model.partition(".")
    then = week if at is None else replace(week, base_date=at, used={})
    if domain == "segments":
        yield segment_customers.read_features(then, rest).drop_columns("customer_id")
    elif domain == "credit":
        yield score_credit.read_features(then).drop_columns("customer_id")
    else:
        holdings = week.holdings(rest, ["product_code", "opened_on"])
        if at is None:
            yield holdings.select(["product_code"])
        yield _acquired(holdings, then.base_date)
        yield then.table("customer", RECOMMEND_FEATURES)


def rows(base_date: date, measured: list[Measured]) -> pa.Table:
    """Return rows of ``ops.drift``."""
    found = [
        {"base_date": base_date, "model": of.model, **asdict(feature)}
        for of in measured
        for feature in of.features
    ]
    return pa.Table.from_pylist(found, schema=OPS_TABLES["drift"].schema)


def _acquired(holdings: pa.Table, base_date: date) -> pa.Table:
    """Return the products bought in the last weeks up to a date."""
    after = pa.scalar(base_date - timedelta(weeks=ACQUISITION_WEEKS), pa.date32())
    lately = pc.and_(
        pc.greater(holdings["opened_on"], after),
        pc.less_equal(holdings["opened_on"], pa.scalar(base_date, pa.date32())),
    )
    return holdings.filter(lately).select(["product_code"]).rename_columns([ACQUIRED])


def _count(
    week: Week, model: str, reference: dict[str, Histogram], *, at: date | None = None
) -> dict[str, Histogram]:
    current: dict[str, Histogram] = {}
    for table in features_of(week, model, at=at):
        bins = {name: reference[name] for name in table.column_names if name in reference}
        batches = table.to_batches(max_chunksize=week.settings.block_rows)
        current |= drift.count(bins, batches, threads=week.settings.threads)
    return current


def _year_before(
    week: Week, model: str, reference: dict[str, Histogram], trained: date
) -> dict[str, Histogram] | None:
    """Count the week a year before, None when it cannot tell a season.

    The observation date a year back has work tables. A champion older than that has seen the
    season itself: what is far from it and near the year before came to stay.
    """
    at, _ = observation_dates(week.base_date)
    needed = {"customer", *_profiles(model)}
    if trained <= at or not all((name, at) in week.fingerprints for name in needed):
        log.info("%s: the year before cannot be compared with", model)
        return None
    return _count(week, model, reference, at=at)


def _profiles(model: str) -> set[str]:
    domain, _, rest = model.partition(".")
    if domain == "segments":
        return {FEATURE_SETS[rest].profile}
    return {"behaviour"} if domain == "credit" else set()
