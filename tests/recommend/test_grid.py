from __future__ import annotations

import numpy as np
import pytest

from passbook.base_date import holdout_window
from passbook.errors import GridError
from passbook.recommend import grid as grid_module
from passbook.recommend.als_model import AlsParameters
from passbook.recommend.context import no_profile
from passbook.recommend.evaluation import test_set
from passbook.recommend.grid import Grid, Trial, TrialBook, search
from passbook.recommend.holdout import split

from .small_banks import PLANTED_BASE_DATE, PLANTED_PRODUCTS, planted


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


def _search(grid: Grid, book: TrialBook | None = None) -> list[Trial]:
    holdout = split(planted(), holdout_window(PLANTED_BASE_DATE))
    customers = holdout.train.shape[0]
    every = np.ones(PLANTED_PRODUCTS, dtype=bool)
    test = test_set(
        holdout.train, holdout.test, np.full(customers, -1, dtype=np.int32), no_profile(customers),
        targets=np.ones(customers, dtype=bool), candidates=every, catalogue=every,
    )  # fmt: skip
    return search(holdout.train, test, grid, random_state=0, memory_limit_gb=1.0, book=book)


SIX = Grid((2, 4), (1.0,), (2,), (2.0, 8.0, 20.0), (12.0,))


def test_the_better_settings_go_on_to_more_customers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid_module, "FEWEST_CUSTOMERS", 500)
    trials = _search(SIX)
    assert [t.customers for t in trials] == [2500, 625, 625] + [500] * 6
    rungs = [{t.parameters for t in trials if t.customers == n} for n in (2500, 625, 500)]
    assert rungs[0] <= rungs[1] <= rungs[2] == set(SIX.settings())
    first = sorted(trials[3:], key=lambda t: -t.metrics["mrr"])
    assert rungs[1] == {t.parameters for t in first[:2]}


def test_a_sample_is_tried_once_where_two_rungs_would_have_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grid_module, "FEWEST_CUSTOMERS", 2000)
    assert [t.customers for t in _search(SIX)] == [2500] + [2000] * 6


def test_a_search_that_broke_off_goes_on_where_it_was() -> None:
    noted: list[Trial] = []

    def break_off(trial: Trial) -> None:
        noted.append(trial)
        if len(noted) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _search(SIX, TrialBook(note=break_off))
    more: list[Trial] = []
    resumed = _search(SIX, TrialBook(noted, more.append))
    assert len(more) == 4
    assert {t.key for t in resumed} == {t.key for t in _search(SIX)}
    assert all(t in resumed for t in noted)
