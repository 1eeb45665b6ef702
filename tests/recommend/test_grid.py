from __future__ import annotations

import pytest

from passbook.errors import GridError
from passbook.recommend.als_model import AlsParameters
from passbook.recommend.grid import Grid


def test_every_combination_is_a_setting() -> None:
    grid = Grid((2, 4), (1.0,), (5, 6), (1.0,), (6.0, 12.0, 24.0))
    settings = grid.settings()
    assert len(settings) == 12
    assert settings[0] == AlsParameters(2, 1.0, 5, 1.0, 6.0)
    assert len(set(settings)) == 12


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("factors", 0),
        ("factors", 2.5),
        ("factors", True),
        ("iterations", -1),
        ("regularization", 0.0),
        ("alpha", float("nan")),
        ("half_life", float("inf")),
        ("half_life", "long"),
    ],
)
def test_values_that_make_no_sense_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(GridError, match=f"E405.*{name} is"):
        Grid(**{name: (value,)}).settings()  # type: ignore[arg-type]


def test_a_parameter_without_values_is_refused() -> None:
    with pytest.raises(GridError, match="alpha has no values"):
        Grid(alpha=()).settings()
