"""How right a model in force has been, now that outcomes have arrived.

A recommender: who bought in the weeks after its offers, and whether the product was among them.
Credit: defaults since the later observation date against what the model says of that date.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from passbook import drift
from passbook.errors import OutcomeError
from passbook.mart.offer_hits import count_offer_hits
from passbook.steps import score_credit

if TYPE_CHECKING:
    from passbook.artifacts import Artifact
    from passbook.drift import FeatureDrift
    from passbook.steps.stage import Stage

HIT_RATE, DISCRIMINATION, CALIBRATION = "hit_rate_5", "gini", "default_rate"
OFFER_WEEKS: Final = 4
"""Weeks that an offer is given to be taken: as long as the holdout month."""


def measure_performance(stage: Stage, model: str, champion: Artifact) -> list[FeatureDrift]:
    """Compare a champion's performance since its promotion with the one it was promoted for."""
    if model.startswith("recommend."):
        return _offers_taken(stage, model, champion)
    if model == score_credit.DEFAULT_MODEL:
        return _defaults(stage, champion)
    return []


def judged_offers(stage: Stage, model: str, champion: Artifact) -> date | None:
    """Return the base date of the offers that a recommender is judged by; None: of none."""
    offered_on = stage.base_date - timedelta(weeks=OFFER_WEEKS)
    rests = stage.settings.offer_cool_off_weeks > 0  # then the best offers are not made each week
    known = model.startswith("recommend.") and HIT_RATE in champion.manifest["metrics"]
    return offered_on if known and offered_on >= champion.base_date and not rests else None


def _offers_taken(stage: Stage, model: str, champion: Artifact) -> list[FeatureDrift]:
    """Return the share of buyers who were offered what they bought, when the champion offered."""
    scenario = model.removeprefix("recommend.")
    offered_on = judged_offers(stage, model, champion)
    if offered_on is None:
        return []
    reference = champion.manifest["metrics"][HIT_RATE]
    holdings = stage.week.holdings(scenario, ["customer_id", "product_code", "opened_on"])
    buyers, hits = count_offer_hits(
        stage.mart,
        offered_on,
        scenario,
        _acquired_since(holdings, offered_on),
        model=model,
        manifest_sha256=champion.manifest_sha256,
    )
    if not buyers:
        return []
    thresholds = drift.thresholds_of(stage.settings.drift_thresholds, model)
    return [drift.lost(HIT_RATE, reference, hits / buyers, buyers, thresholds)]


def _defaults(stage: Stage, champion: Artifact) -> list[FeatureDrift]:
    """Return discrimination and calibration on the newest customers with known outcomes."""
    reference = champion.manifest["metrics"].get(DISCRIMINATION)
    if reference is None:
        return []
    try:
        found = score_credit.judge_in_force(stage.week, champion.files)
    except OutcomeError:
        return []  # too few yet: they are not judged by
    thresholds = drift.thresholds_of(stage.settings.drift_thresholds, score_credit.DEFAULT_MODEL)
    outcomes = int(found["rows"] * min(found["default_rate"], 1 - found["default_rate"]))
    return [
        drift.lost(DISCRIMINATION, reference, found[DISCRIMINATION], outcomes, thresholds),
        drift.miscalibrated(
            CALIBRATION, found["predicted_rate"], found[CALIBRATION], outcomes, thresholds
        ),
    ]


def _acquired_since(holdings: pa.Table, day: date) -> pa.Table:
    """Return first purchases of a product by a customer after a day."""
    late = pc.greater(holdings["opened_on"], pa.scalar(day, pa.date32()))
    keys = ["customer_id", "product_code"]
    new = holdings.filter(late).select(keys)
    known = pc.is_in(holdings["customer_id"], value_set=pc.unique(new["customer_id"]))
    before = holdings.filter(pc.and_(pc.invert(late), known)).select(keys)
    return new.join(before, keys, join_type="left anti")
