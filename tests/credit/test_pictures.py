"""Pictures are SVG, show the figures, and are the same each time."""

from __future__ import annotations

from xml.etree import ElementTree

from passbook.credit.pictures import calibration_and_lift, confusion

JUDGED = {
    "reliability": [{"predicted": 0.01, "observed": 0.02}, {"predicted": 0.2, "observed": 0.18}],
    "lift": [{"tenth": 1.0, "captured": 0.7}, {"tenth": 2.0, "captured": 1.0}],
}


def test_pictures_are_well_formed_and_repeatable() -> None:
    for draw in (
        lambda: calibration_and_lift(JUDGED),
        lambda: confusion([[5, 1], [0, 0]], ["loose", "tight"]),
    ):
        picture = draw()
        assert ElementTree.fromstring(picture).tag.endswith("svg")  # noqa: S314
        assert picture == draw()


def test_counts_and_names_are_written_out() -> None:
    picture = confusion([[417, 1], [0, 9]], ["loose", "tight"]).decode()
    assert "417" in picture
    assert "tight" in picture
    assert "Calibration" in calibration_and_lift(JUDGED).decode()
