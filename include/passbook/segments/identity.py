"""Segment numbers that last: a retrained cluster keeps the number of the one it continues."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

SMALLEST_LIKENESS: Final = 0.3
"""Below it a cluster is a new segment. With half of the customers in common and centres half a
customer's average distance apart, it is 0.5."""


def continue_ids(
    labels: npt.NDArray[Any],
    before: npt.NDArray[Any],
    apart: npt.NDArray[np.float64],
    segment_ids: npt.NDArray[np.int32],
    next_id: int,
) -> tuple[npt.NDArray[np.int32], int]:
    """Give each cluster the number of the segment that it continues, or one never used.

    The pairs are those with the largest likeness in total, each cluster and segment in one;
    likeness is the mean of the customers in both of those in either and of the centres' nearness.

    Parameters
    ----------
    labels : (n,) int
        New cluster of each customer.
    before : (n,) int
        Segment of the same customers by the model before.
    apart : (clusters, segments) float64
        Distance of each cluster's centre to each segment's; 1 is what a customer has on average to
        the centre of everybody.
    segment_ids : (segments,) int32
        The segments of the model before.
    next_id : int
        Smallest number that no segment has ever had.

    Returns
    -------
    ids : (clusters,) int32
    next_id : int

    References
    ----------
    H. W. Kuhn, "The Hungarian method for the assignment problem", 1955.
    """
    order = np.argsort(segment_ids)
    places = order[np.searchsorted(segment_ids, before, sorter=order)]
    likeness = (overlap(labels, places, *apart.shape) + np.maximum(0, 1 - apart)) / 2
    ids = np.full(len(apart), -1, dtype=np.int32)
    for cluster, place in zip(*linear_sum_assignment(likeness, maximize=True), strict=True):
        if likeness[cluster, place] >= SMALLEST_LIKENESS:
            ids[cluster] = segment_ids[place]
    for cluster in np.flatnonzero(ids < 0):
        ids[cluster] = next_id
        next_id += 1
    return ids, next_id


def overlap(
    labels: npt.NDArray[Any], places: npt.NDArray[Any], rows: int, columns: int
) -> npt.NDArray[np.float64]:
    """Return the Jaccard index of every pair of clusters, (rows, columns)."""
    both = np.bincount(labels.astype(np.int64) * columns + places, minlength=rows * columns)
    both = both.reshape(rows, columns)
    either = both.sum(axis=1)[:, None] + both.sum(axis=0)[None, :] - both
    return np.asarray(both / np.maximum(either, 1))
