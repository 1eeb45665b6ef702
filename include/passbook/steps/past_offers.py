"""What the stage reads of earlier weeks' offers: the cool-off, and what became of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from passbook.recommend.eligibility import RecentOffers, no_recent_offers
from passbook.recommend.past_offers import add_recent, count_outcomes, outcome_batches

if TYPE_CHECKING:
    from passbook.recommend.interactions import Interactions
    from passbook.steps.stage import Stage

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PastOffers:
    """Earlier weeks' offers, as far as this week goes by them.

    Attributes
    ----------
    recent : RecentOffers
        What was offered in the weeks of the cool-off.
    outcomes : iterator of pyarrow.RecordBatch
        Rows of ``mart.offer_outcome``.
    fingerprints : Mapping[str, str]
        Hashes of all offers that were asked for, also of weeks that have none.
    """

    recent: RecentOffers
    outcomes: Iterator[pa.RecordBatch]
    fingerprints: Mapping[str, str]


def read_past_offers(stage: Stage, interactions: Interactions) -> PastOffers:
    """Read the published offers of the weeks before; a later week is never looked at."""
    from passbook.mart.past_offers import offer_fingerprints, past_offers  # noqa: PLC0415

    settings, base_date = stage.settings, stage.base_date
    cool_off = [base_date - timedelta(weeks=n + 1) for n in range(settings.offer_cool_off_weeks)]
    looked_back = base_date - timedelta(weeks=settings.offer_outcome_weeks)
    fingerprints = offer_fingerprints(stage.mart, sorted({*cool_off, looked_back}))
    customers, products = interactions.customers, interactions.products
    recent = no_recent_offers(len(customers))
    counted = []
    for day in sorted({*cool_off, looked_back}):
        for block in past_offers(stage.mart, day):
            if day in cool_off:
                if not recent.bits.size:
                    recent = no_recent_offers(len(customers), len(products))
                add_recent(recent, block, customers, products)
            if day == looked_back:
                counted.append(count_outcomes(block, interactions, day))
    log.info("Earlier offers: cool-off %d weeks, outcomes of %s", len(cool_off), looked_back)
    return PastOffers(recent, outcome_batches(counted, base_date, looked_back), fingerprints)
