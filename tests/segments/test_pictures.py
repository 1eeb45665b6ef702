"""Pictures and tables are whole, the same for the same figures, and say what they show."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pyarrow as pa
import pytest

from passbook.segments import page, pictures
from passbook.segments.migration_flow import migration_flow
from passbook.segments.names import SegmentName

NAMES = {
    0: SegmentName("high balance", "높은 잔액", "", ""),
    1: SegmentName("many payments <out>", "많은 출금", "", ""),
    3: SegmentName("average", "평균적", "", ""),
}
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
_NOTHING = {"mean": None, "median": None, "overall_mean": 3.0, "overall_median": 2.0,
            "share": None, "overall_share": None, "lift": None, "effect": None}  # fmt: skip
FEATURES = pa.Table.from_pylist(
    [
        {**_NOTHING, "segment": 0, "feature": "balance", "value": "", "effect": 1.2, "mean": 5e6},
        {**_NOTHING, "segment": 1, "feature": "balance", "value": "", "effect": -0.3, "lift": 0.5},
        {**_NOTHING, "segment": 0, "feature": "sex", "value": "F", "share": 0.75,
         "overall_share": 0.5, "lift": 1.5},
        {**_NOTHING, "segment": 1, "feature": "sex", "value": "F", "share": 0.0,
         "overall_share": 0.5, "lift": 0.0},
    ]
)  # fmt: skip
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
    "migration": lambda: migration_flow(MIGRATION, NAMES),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_is_whole_and_repeats(name: str) -> None:
    drawn = DRAWN[name]()
    root = ElementTree.fromstring(drawn)  # noqa: S314 (drawn right here)
    assert root.tag.endswith("svg")
    assert DRAWN[name]() == drawn


def test_one_trial_is_drawn_as_well() -> None:
    assert pictures.cluster_count_picture(TRIALS[:1], 3).startswith("<svg")


def test_the_flow_names_both_sides_and_counts_every_move() -> None:
    drawn = migration_flow(MIGRATION, NAMES)
    for text in ("0 · high balance", "높은 잔액", "many payments &lt;out&gt;", "7 ended", "none"):
        assert text in drawn
    assert "0 → 1: 10 customers" in drawn
    assert drawn.count("<path") == len(MIGRATION)


def test_labels_of_small_segments_do_not_overlap() -> None:
    sizes = [10_000, 1, 1, 1]
    table = pa.table({"previous_segment": range(4), "segment": range(4), "customers": sizes})
    names = {s: SegmentName(f"name {s}", f"이름 {s}", "", "") for s in range(4)}
    texts = ElementTree.fromstring(migration_flow(table, names)).iter(  # noqa: S314
        "{http://www.w3.org/2000/svg}text"
    )
    places = sorted((t.get("x"), float(t.get("y") or 0)) for t in texts)
    for (x, y), (next_x, next_y) in pairwise(places):
        assert x != next_x or next_y - y >= 14


def test_the_migration_matrix_has_every_pair_with_its_share() -> None:
    table = page.migration_table(MIGRATION, NAMES)
    assert "90<br><small>90.0%" in table
    assert "10<br><small>10.0%" in table
    assert "7 <small>ended" in table


def test_heat_maps_speak_bank_words_and_colour_by_side() -> None:
    numbers = page.number_heat(FEATURES, NAMES)
    assert "balance<br>" in numbers
    assert "잔액" in numbers
    assert "mean 5,000,000, median unknown; all: 3, 2" in numbers
    above, below = (numbers.index(text) for text in (">+1.2", ">-0.3"))
    assert "hsl(12 " in numbers[above - 300 : above]
    assert "hsl(212 " in numbers[below - 200 : below]
    categories = page.category_heat(FEATURES, NAMES)
    assert "여성" in categories
    assert "75%" in categories
    assert "lift 1.5" in categories


def test_the_chosen_number_of_segments_is_marked() -> None:
    table = page.trial_table(TRIALS, 4)
    assert table.count("class=chosen") == 1
    assert "<tr class=chosen><td class=n>4<td" in table
    assert "10.0%" in table


def test_the_page_needs_nothing_else_and_escapes() -> None:
    rows = pa.table(
        {
            "segment": [1],
            "customers": [1200],
            "share": [0.25],
            "name": [NAMES[1].name],
            "name_ko": [NAMES[1].name_ko],
            "description": ["a & b"],
            "description_ko": ["가 & 나"],
        }
    )
    found = page.page("Segments", [("Deposit", page.segment_list(rows))]).decode()
    for text in ("1,200", "25.0%", "많은 출금", "&lt;out&gt;", "a &amp; b", "가 &amp; 나"):
        assert text in found
    assert "src=" not in found
