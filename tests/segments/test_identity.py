"""Numbers last across retrains, and are never used again for something else."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from passbook.segments.identity import continue_ids, overlap


def numbered(
    labels: npt.NDArray[np.int64], before: npt.NDArray[np.int64], clusters: int, next_id: int
) -> tuple[list[int], int]:
    """Number clusters whose centres are as near as their customers are shared."""
    segments, places = np.unique(before, return_inverse=True)
    apart = 1 - overlap(labels, places, clusters, len(segments))
    ids, following = continue_ids(labels, before, apart, segments.astype(np.int32), next_id)
    return ids.tolist(), following


def test_the_same_clusters_in_another_order_keep_their_numbers() -> None:
    before = np.array([4, 4, 4, 7, 7, 9, 9])
    labels = np.array([1, 1, 1, 2, 2, 0, 0])
    ids, next_id = numbered(labels, before, 3, next_id=10)
    assert ids == [9, 4, 7]
    assert next_id == 10


def test_a_split_keeps_the_number_on_the_larger_part() -> None:
    before = np.repeat([0, 1], 10)
    labels = np.array([0] * 7 + [2] * 3 + [1] * 10)
    ids, next_id = numbered(labels, before, 3, next_id=2)
    assert ids == [0, 1, 2]
    assert next_id == 3


def test_a_cluster_unlike_any_before_is_new_and_numbers_are_not_used_again() -> None:
    # Segment 1 ended: its customers are spread evenly over four clusters of others.
    before = np.repeat([0, 1, 3], [40, 40, 40])
    labels = np.concatenate([np.tile([0, 1], 20), np.tile([0, 1, 2, 3], 10), np.tile([2, 3], 20)])
    ids, next_id = numbered(labels, before, 4, next_id=4)
    assert sorted(ids) == [0, 3, 4, 5]
    assert next_id == 6


def test_pairs_are_chosen_for_their_total() -> None:
    # Taking the best pair first (cluster 0 with segment 0) would leave cluster 1 without any.
    before = np.array([0] * 20 + [1] * 9)
    labels = np.array([0] * 10 + [1] * 10 + [0] * 9)
    ids, _ = numbered(labels, before, 2, next_id=2)
    assert ids == [1, 0]


def test_of_equal_halves_the_one_with_the_nearer_centre_keeps_the_number() -> None:
    before = np.repeat([5], 10)
    labels = np.repeat([0, 1], 5)
    for near, far in ((0, 1), (1, 0)):
        apart = np.empty((2, 1))
        apart[near], apart[far] = 0.1, 0.6
        ids, _ = continue_ids(labels, before, apart, np.array([5], np.int32), 9)
        assert (ids[near], ids[far]) == (5, 9)


def test_a_segment_that_nobody_is_in_any_more_may_still_be_continued_by_its_centre() -> None:
    before = np.repeat([8, 3], [10, 0])
    apart = np.array([[0.0, 2.0], [2.0, 0.2]])
    ids, _ = continue_ids(np.repeat([0, 1], [8, 2]), before, apart, np.array([8, 3], np.int32), 9)
    assert ids.tolist() == [8, 3]


def test_overlap_by_hand() -> None:
    found = overlap(np.array([0, 0, 1]), np.array([0, 1, 1]), 2, 2)
    assert found.ravel().tolist() == pytest.approx([1 / 2, 1 / 3, 0, 1 / 2])
