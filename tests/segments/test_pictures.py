"""Pictures are whole SVG, the same for the same figures, and say what they show."""

from __future__ import annotations

from xml.etree import ElementTree

import pyarrow as pa
import pytest

from passbook.segments import pictures

NAMES = {0: "high balance", 1: "many payments <out>", 3: "average"}
TRIALS = [
    {
        "clusters": k,
        "cost": 1 / k,
        "elbow": 0.1,
        "silhouette": 0.3,
        "across_starts": 0.9,
        "across_halves": 0.8,
        "smallest_share": 0.1,
    }
    for k in (3, 4, 5)
]
SEPARATION = pa.table(
    {
        "feature": ["sex", "balance"],
        "statistic": ["cramers_v", "eta_squared"],
        "separation": [0.1, 0.8],
        "place": [2, 1],
    }
)
FEATURES = pa.table(
    {
        "segment": [0, 1, 3, 0],
        "feature": ["balance", "balance", "balance", "sex"],
        "effect": [1.2, -0.3, 0.0, None],
    }
)
MIGRATION = pa.table(
    {
        "previous_segment": [0, 0, 1, None, 7],
        "segment": [0, 1, 1, 0, None],
        "customers": [90, 10, 50, 5, 1],
    }
)
DRAWN = {
    "count": lambda: pictures.cluster_count_picture(TRIALS, 4),
    "separation": lambda: pictures.separation_picture(SEPARATION),
    "profile": lambda: pictures.profile_picture(FEATURES, NAMES),
    "migration": lambda: pictures.migration_picture(MIGRATION, NAMES),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_is_whole_and_repeats(name: str) -> None:
    drawn = DRAWN[name]()
    root = ElementTree.fromstring(drawn)  # noqa: S314 (drawn right here)
    assert root.tag.endswith("svg")
    assert DRAWN[name]() == drawn


def test_the_page_needs_nothing_else_and_escapes() -> None:
    rows = pa.table(
        {
            "segment": [1],
            "customers": [1200],
            "share": [0.25],
            "name": [NAMES[1]],
            "name_ko": ["많은 출금"],
            "description": ["a & b"],
        }
    )
    found = pictures.page("Segments", [("Deposit", pictures.segment_list(rows))]).decode()
    assert "1,200" in found
    assert "25.0%" in found
    assert "많은 출금" in found
    assert "&lt;out&gt;" in found
    assert "a &amp; b" in found
    assert "src=" not in found
