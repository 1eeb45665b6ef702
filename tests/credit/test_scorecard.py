"""The scorecard: ranges that respect banking sense, points that add up, and the same in SQL."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import psycopg2
import pytest
from psycopg2.extras import execute_values

from passbook.credit import scorecard
from passbook.credit.evaluation import discrimination
from passbook.credit.index import IndexScale
from passbook.credit.scorecard import Characteristic, Scorecard, ScorecardSettings
from passbook.credit.scorecard_sql import render
from passbook.errors import OutcomeError

NAMES = ("arrears", "income", "noise")


def _data(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    matrix = np.column_stack(
        [rng.poisson(0.7, rows), np.exp(rng.normal(10, 1, rows)), rng.normal(size=rows)]
    ).astype(np.float32)
    log_odds = -2.5 + 0.9 * matrix[:, 0] - 0.7 * (np.log(matrix[:, 1]) - 10)
    matrix[rng.random(rows) < 0.1, 1] = np.nan
    return matrix, log_odds, rng.random(rows) < 1 / (1 + np.exp(-log_odds))


@pytest.fixture(scope="module")
def card() -> Scorecard:
    """A scorecard of 20,000 customers."""
    matrix, _, bad = _data(20_000, seed=1)
    return scorecard.fit(
        matrix, bad, names=NAMES, risk=(1, -1, 0), settings=ScorecardSettings(), scale=IndexScale()
    )


def test_noise_is_left_out_and_the_oracle_nearly_reached(card: Scorecard) -> None:
    assert [c.name for c in card.characteristics] == ["arrears", "income"]
    matrix, truth, bad = _data(20_000, seed=2)
    found = discrimination(card.log_odds(matrix), bad)["gini"]
    assert found > 0.93 * discrimination(truth, bad)["gini"]


def test_points_are_monotone_where_demanded(card: Scorecard) -> None:
    arrears, income = card.characteristics
    assert list(arrears.points) == sorted(arrears.points, reverse=True)
    assert list(income.points) == sorted(income.points)
    assert arrears.points[0] > arrears.points[-1]


def test_points_are_calibrated(card: Scorecard) -> None:
    matrix, _, bad = _data(40_000, seed=3)
    probability = 1 / (1 + np.exp(-card.log_odds(matrix)))
    assert probability.mean() == pytest.approx(bad.mean(), abs=0.01)
    risky = probability > np.quantile(probability, 0.9)
    assert probability[risky].mean() == pytest.approx(bad[risky].mean(), abs=0.03)


def test_points_by_hand_with_edges_and_missing() -> None:
    part = Characteristic("x", (1.0, 2.0), (10, 20, 30), -5, 15.0, 0.1)
    column = np.array([0.5, 1.0, 1.5, 2.0, 2.5, np.nan], np.float32)
    assert part.of(column).tolist() == [10, 10, 20, 20, 30, -5]


def test_contributions_add_up_and_the_index_is_the_points(card: Scorecard) -> None:
    matrix, _, _ = _data(500, seed=4)
    log_odds = card.log_odds(matrix)
    np.testing.assert_allclose(card.contributions(matrix).sum(axis=1), log_odds, atol=1e-12)
    expected = np.clip(card.points(matrix), 300, 850)
    np.testing.assert_array_equal(card.scale.index(log_odds), expected)
    assert (card.contributions(matrix)[:, NAMES.index("noise")] == 0).all()


def test_files_bring_the_same_card_back(card: Scorecard) -> None:
    assert Scorecard.from_files(card.to_files()) == card


def test_one_kind_of_outcome_is_refused() -> None:
    with pytest.raises(OutcomeError, match="E501"):
        scorecard.fit(
            np.ones((50, 1), np.float32), np.zeros(50, bool), names=("x",), risk=(0,),
            settings=ScorecardSettings(), scale=IndexScale(),
        )  # fmt: skip


def test_column_missing_throughout_is_left_out() -> None:
    matrix, _, bad = _data(5000, seed=5)
    matrix[:, 2] = np.nan
    card = scorecard.fit(
        matrix, bad, names=NAMES, risk=(1, -1, 0), settings=ScorecardSettings(), scale=IndexScale()
    )
    assert "noise" not in [c.name for c in card.characteristics]


@pytest.mark.postgres
def test_sql_gives_the_same_points_row_by_row(card: Scorecard, postgres_database: str) -> None:
    matrix, _, _ = _data(5000, seed=6)
    borders = np.array(
        [[edge, edge, 0.0] for c in card.characteristics for edge in c.edges], np.float32
    )
    near = np.nextafter(borders, np.float32(np.inf))
    matrix = np.vstack([matrix, borders, near, np.nextafter(borders, np.float32(-np.inf))])
    rows = [
        (number, *(None if np.isnan(value) else float(value) for value in row))
        for number, row in enumerate(matrix)
    ]
    with closing(psycopg2.connect(postgres_database)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE features (customer_id int, arrears float8, income float8, noise float8)"
        )
        execute_values(cursor, "INSERT INTO features VALUES %s", rows)
        cursor.execute(render(card, "features") + "ORDER BY customer_id")
        found = [row[1] for row in cursor.fetchall()]
    np.testing.assert_array_equal(found, card.scale.index(card.log_odds(matrix)))
