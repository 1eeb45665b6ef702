"""The number of clusters: figures against their definitions, and the rule."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from passbook.errors import TooFewCustomersError
from passbook.segments.number_of_clusters import (
    Trial,
    choose_cluster_count,
    elbow_sags,
    silhouette,
    stratified_sample,
    try_cluster_counts,
)
from segments.planted import mixed_rows


def trial(k: int, *, elbow: float, silhouette: float, starts: float = 1.0, halves: float = 1.0,
          smallest: float = 0.1) -> Trial:  # fmt: skip
    none = np.empty((k, 0), np.float32), np.empty((k, 0), np.int32)
    return Trial(k, 1.0, elbow, silhouette, starts, halves, smallest, 0.1, none)


def test_finds_the_planted_number() -> None:
    X, codes, _ = mixed_rows(3000, 4, seed=3, apart=3.0)
    gamma = np.full(4, 0.5, dtype=np.float32)
    trials = try_cluster_counts(X, codes, gamma, (2, 3, 4, 5, 6), seed=0)
    assert choose_cluster_count(trials, smallest_share=0.02).clusters == 4
    planted = next(t for t in trials if t.clusters == 4)
    assert planted.stability > 0.95
    again = try_cluster_counts(X, codes, gamma, (4,), seed=0)[0]
    assert again.metrics == {**planted.metrics, "elbow": 0.0}
    assert set(planted.metrics) == {
        "cost", "elbow", "silhouette", "across_starts", "across_halves", "smallest_share"
    }  # fmt: skip


def test_elbow_by_hand() -> None:
    # 1, 0.2, 0.1, 0: fallen 0, 0.8, 0.9, 1 against a chord of 0, 1/3, 2/3, 1.
    assert elbow_sags([1, 0.2, 0.1, 0]) == pytest.approx([0, 0.8 - 1 / 3, 0.9 - 2 / 3, 0])


@pytest.mark.parametrize("costs", [[1.0], [2.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.1, 1.2]])
def test_a_curve_without_a_bend_has_no_elbow(costs: list[float]) -> None:
    assert elbow_sags(costs) == [0.0] * len(costs)


def test_silhouette_is_scikit_learns() -> None:
    X, codes, _ = mixed_rows(400, 3, seed=1)
    labels = np.random.default_rng(0).integers(0, 3, 400)
    labels[7] = 3  # alone in its cluster
    gamma = np.array([0.3, 0.5, 1.0, 2.0], dtype=np.float32)
    squares = np.square(X[:, None].astype(float) - X).sum(axis=2)
    squares += ((codes[:, None] != codes) * gamma).sum(axis=2)
    expected = silhouette_score(np.sqrt(squares), labels, metric="precomputed")
    assert silhouette(X, codes, gamma, labels) == pytest.approx(expected, abs=1e-5)


def test_one_cluster_has_no_silhouette() -> None:
    X, codes, _ = mixed_rows(10, 1, seed=1)
    assert silhouette(X, codes, np.ones(4, np.float32), np.zeros(10, int)) == 0


def test_stratified_sample_keeps_small_clusters() -> None:
    labels = np.repeat([0, 1], [9990, 10])
    rows = stratified_sample(labels, 100, np.random.default_rng(0))
    assert np.bincount(labels[rows]).tolist() == [100, 2]
    assert (np.diff(rows) > 0).all()


def test_the_elbow_wins_when_its_silhouette_is_near_the_best() -> None:
    trials = [trial(3, elbow=0.1, silhouette=0.40), trial(4, elbow=0.3, silhouette=0.39)]
    choice = choose_cluster_count(trials, smallest_share=0.02)
    assert (choice.clusters, choice.reason) == (4, "the cost curve bends most at 4")


def test_the_silhouette_wins_when_the_elbow_is_far_from_it() -> None:
    trials = [trial(3, elbow=0.1, silhouette=0.40), trial(4, elbow=0.3, silhouette=0.29)]
    choice = choose_cluster_count(trials, smallest_share=0.02)
    assert (choice.clusters, choice.reason) == (3, "the silhouette is best at 3")


def test_tiny_clusters_and_chance_results_are_left_out() -> None:
    trials = [
        trial(3, elbow=0.1, silhouette=0.3),
        trial(4, elbow=0.3, silhouette=0.5, halves=0.4),
        trial(5, elbow=0.2, silhouette=0.6, smallest=0.001),
    ]
    choice = choose_cluster_count(trials, smallest_share=0.02)
    assert choice.clusters == 3
    assert "1 left out for a cluster under 2.0%; 1 of 2 do not repeat" in choice.reason


def test_when_nothing_repeats_the_most_stable_is_taken() -> None:
    trials = [
        trial(3, elbow=0.3, silhouette=0.9, starts=0.3),
        trial(4, elbow=0.1, silhouette=0.1, halves=0.5),
    ]
    assert choose_cluster_count(trials, smallest_share=0.02).clusters == 4


def test_counts_above_the_distinct_rows_are_left_out() -> None:
    X = np.repeat([[0.0], [5.0], [9.0]], 20, axis=0).astype(np.float32)
    codes = np.zeros((60, 1), np.int32)
    gamma = np.ones(1, np.float32)
    trials = try_cluster_counts(X, codes, gamma, (2, 3, 8), seed=0)
    assert [t.clusters for t in trials] == [2, 3]
    with pytest.raises(TooFewCustomersError, match="3 distinct customers"):
        try_cluster_counts(X, codes, gamma, (8,), seed=0)
