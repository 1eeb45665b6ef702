"""Rows of the mart that tell analysts what a segment is."""

from __future__ import annotations

import json
import math
from typing import Any

from passbook.segments.audit import Audit
from passbook.segments.names import SegmentName
from passbook.segments.profiles import CategoryProfile, NumberProfile, SegmentProfile

Row = dict[str, Any]


def segment_row(family: str, name: SegmentName, segment: int, profile: SegmentProfile) -> Row:
    """Return a row of ``mart.segment``."""
    return {
        "family": family,
        "segment": segment,
        "customers": profile.customers,
        "share": profile.share,
        "profile": _profile_json(profile),
        **vars(name),
    }


def feature_rows(family: str, segment: int, profile: SegmentProfile) -> list[Row]:
    """Return the segment's rows of ``mart.segment_feature``."""
    found = [_number_row(number) for number in profile.numbers]
    found += [_category_row(category) for category in profile.categories]
    return [{"family": family, "segment": segment, **row} for row in found]


def separation_rows(family: str, audit: Audit) -> list[Row]:
    """Return the family's rows of ``mart.segment_separation``."""
    return [
        {
            "family": family,
            "feature": found.feature,
            "feature_group": found.group,
            "place": place,
            "statistic": found.statistic,
            "separation": min(1.0, found.value),
        }
        for place, found in enumerate(audit.separations, 1)
    ]


def _number_row(number: NumberProfile) -> Row:
    lift = number.mean / number.overall_mean if number.overall_mean else math.nan
    return {
        "feature": number.feature,
        "value": "",
        "mean": _known(number.mean),
        "median": _known(number.median),
        "overall_mean": _known(number.overall_mean),
        "overall_median": _known(number.overall_median),
        "effect": _known(number.effect),
        "lift": _known(lift),
    }


def _category_row(category: CategoryProfile) -> Row:
    return {
        "feature": category.feature,
        "value": category.value,
        "share": category.share,
        "overall_share": category.overall_share,
        "lift": category.share / category.overall_share,
    }


def _profile_json(profile: SegmentProfile) -> str:
    """Return feature → mean, and value → share, in the segment and overall, as JSON."""
    content: Row = {
        number.feature: {"mean": _known(number.mean), "overall": _known(number.overall_mean)}
        for number in profile.numbers
    }
    for category in profile.categories:
        content.setdefault(category.feature, {})[category.value] = {
            "share": _known(category.share),
            "overall": _known(category.overall_share),
        }
    return json.dumps(content, ensure_ascii=False)


def _known(value: float) -> float | None:
    """Six digits are what a reader needs; the last bits of a sum are noise. NaN is unknown."""
    return None if math.isnan(value) else float(f"{value:.6g}")
