"""Numbers last across retrains, and are never used again for something else."""

from __future__ import annotations

import numpy as np
import pytest

from passbook.segments.identity import continue_ids, overlap


def test_the_same_clusters_in_another_order_keep_their_numbers() -> None:
    before = np.array([4, 4, 4, 7, 7, 9, 9])
    labels = np.array([1, 1, 1, 2, 2, 0, 0])
    ids, next_id = continue_ids(labels, before, 3, next_id=10)
    assert ids.tolist() == [9, 4, 7]
    assert next_id == 10


def test_a_split_keeps_the_number_on_the_larger_part() -> None:
    before = np.repeat([0, 1], 10)
    labels = np.array([0] * 7 + [2] * 3 + [1] * 10)
    ids, next_id = continue_ids(labels, before, 3, next_id=2)
    assert ids.tolist() == [0, 1, 2]
    assert next_id == 3


def test_a_cluster_unlike_any_before_is_new_and_numbers_are_not_used_again() -> None:
    # Segment 1 ended: its customers are spread evenly over four clusters of others.
    before = np.repeat([0, 1, 3], [40, 40, 40])
    labels = np.concatenate([np.tile([0, 1], 20), np.tile([0, 1, 2, 3], 10), np.tile([2, 3], 20)])
    ids, next_id = continue_ids(labels, before, 4, next_id=4)
    assert sorted(ids.tolist()) == [0, 3, 4, 5]
    assert next_id == 6


def test_pairs_are_chosen_for_their_total() -> None:
    # Taking the best pair first (cluster 0 with segment 0) would leave cluster 1 without any.
    before = np.array([0] * 20 + [1] * 9)
    labels = np.array([0] * 10 + [1] * 10 + [0] * 9)
    ids, _ = continue_ids(labels, before, 2, next_id=2)
    assert ids.tolist() == [1, 0]


def test_overlap_by_hand() -> None:
    found = overlap(np.array([0, 0, 1]), np.array([0, 1, 1]), 2, 2)
    assert found.ravel().tolist() == pytest.approx([1 / 2, 1 / 3, 0, 1 / 2])
