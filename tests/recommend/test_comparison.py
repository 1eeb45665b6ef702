from __future__ import annotations

import pytest

from passbook.recommend.comparison import Standing, mark_champion


def _standing(name: str, mrr: float, gain: tuple[float, float]) -> Standing:
    return Standing(name, 100, {"mrr": mrr}, (mrr - 0.1, mrr + 0.1), gain, 0.1)


@pytest.mark.parametrize(
    ("learned_gain", "expected"), [((0.001, 0.02), "als"), ((-0.001, 0.02), "popularity_90d")]
)
def test_a_learned_recommender_has_to_clear_segment_popularity(
    learned_gain: tuple[float, float], expected: str
) -> None:
    standings = [
        _standing("popularity_by_segment", 0.40, (0.0, 0.0)),
        _standing("popularity_90d", 0.41, (-0.01, 0.03)),
        _standing("als", 0.42, learned_gain),
        _standing("ease", 0.39, (-0.02, 0.01)),
    ]
    (champion,) = [s.recommender for s in mark_champion(standings) if s.champion]
    assert champion == expected


def test_nothing_is_published_that_ranks_below_a_popularity() -> None:
    standings = [
        _standing("popularity_by_segment", 0.40, (0.0, 0.0)),
        _standing("popularity_90d", 0.43, (-0.01, 0.07)),
        _standing("transitions", 0.42, (0.01, 0.03)),
    ]
    (champion,) = [s.recommender for s in mark_champion(standings) if s.champion]
    assert champion == "popularity_90d"
