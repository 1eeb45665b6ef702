"""Pictures are SVG, show the figures, and are the same each time."""

from __future__ import annotations

from xml.etree import ElementTree

from passbook.credit.pictures import (
    calibration_and_lift,
    confusion,
    fairness,
    roc_and_ks,
    vintages,
)

JUDGED = {
    "reliability": [{"predicted": 0.01, "observed": 0.02}, {"predicted": 0.2, "observed": 0.18}],
    "lift": [{"tenth": 1.0, "captured": 0.7}, {"tenth": 2.0, "captured": 1.0}],
    "curve": [
        {"customers": 0.0, "good": 0.0, "bad": 0.0},
        {"customers": 0.5, "good": 0.25, "bad": 0.75},
        {"customers": 1.0, "good": 1.0, "bad": 1.0},
    ],
    "out_of_time": {"roc_auc": 0.75, "gini": 0.5, "ks": 0.512},
}
COHORTS = [
    {"cohort": name, "month": 1.0, "customers": 1200.0, "defaulted": 0.01}
    for name in ("2022-06-05", "2022-06-05 band A")
]
AUDITED = {
    "sex": {"groups": [{"group": "90+", "rows": 120, "approved": 0.7, "good_approved": 0.8}]}
}


def test_pictures_are_well_formed_and_repeatable() -> None:
    for draw in (
        lambda: calibration_and_lift(JUDGED),
        lambda: confusion([[5, 1], [0, 0]], ["loose", "tight"]),
        lambda: roc_and_ks(JUDGED),
        lambda: vintages(COHORTS),
        lambda: vintages([]),
        lambda: fairness(AUDITED, 0.8),
        lambda: fairness({}, 0.8),
    ):
        picture = draw()
        assert ElementTree.fromstring(picture).tag.endswith("svg")  # noqa: S314
        assert picture == draw()


def test_counts_and_names_are_written_out() -> None:
    picture = confusion([[417, 1], [0, 9]], ["loose", "tight"]).decode()
    assert "417" in picture
    assert "tight" in picture
    assert "Calibration" in calibration_and_lift(JUDGED).decode()
    assert "0.512" in roc_and_ks(JUDGED).decode()
    assert "band A (1,200)" in vintages(COHORTS).decode()
    assert "90+" in fairness(AUDITED, 0.8).decode()
