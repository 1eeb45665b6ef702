"""The index scale: known points, clipped ends, bands on their floors."""

from __future__ import annotations

import numpy as np
import pytest

from passbook.credit.index import BAND_FLOORS, BANDS, IndexScale, band_table, bands


@pytest.mark.parametrize(
    ("odds", "index"), [(19, 600), (38, 640), (9.5, 560), (1e9, 850), (0.001, 300)]
)
def test_points_double_the_odds(odds: float, index: int) -> None:
    assert IndexScale().index(np.array([-np.log(odds)]))[0] == index


def test_index_never_rises_with_risk() -> None:
    points = IndexScale().index(np.linspace(-12, 6, 5000))
    assert (np.diff(points) <= 0).all()
    assert points.dtype == np.int32


def test_scale_follows_its_settings() -> None:
    scale = IndexScale(base=500, base_odds=1, points_to_double=20)
    assert scale.index(np.array([0.0, -np.log(4)])).tolist() == [500, 540]


def test_bands_begin_on_their_floors() -> None:
    assert [BANDS[place] for place in bands(np.array(BAND_FLOORS))] == ["D", "C", "B", "A"]
    assert [BANDS[place] for place in bands(np.array(BAND_FLOORS) - 1)] == ["E", "D", "C", "B"]


def test_band_table_by_hand() -> None:
    table = band_table(np.array([720, 710, 500]), np.array([False, True, True]))
    assert table[0] == {"band": "A", "customers": 2.0, "default_rate": 0.5}
    assert table[1] == {"band": "B", "customers": 0.0, "default_rate": 0.0}
    assert table[4] == {"band": "E", "customers": 1.0, "default_rate": 1.0}
