"""Segment numbers that last: a retrained cluster keeps the number of the one it continues."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

SMALLEST_OVERLAP: Final = 0.3
"""Customers in both clusters, of those in either, below which a cluster is a new segment."""


def continue_ids(
    labels: npt.NDArray[Any], before: npt.NDArray[Any], clusters: int, next_id: int
) -> tuple[npt.NDArray[np.int32], int]:
    """Give each cluster the number of the segment that it continues, or one never used.

    The pairs are those with the largest overlap in total, each cluster and segment in one.

    Parameters
    ----------
    labels : (n,) int
        New cluster of each customer, 0 to `clusters` - 1.
    before : (n,) int
        Segment of the same customers by the model before.
    clusters : int
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
    segments, places = np.unique(before, return_inverse=True)
    overlaps = overlap(labels, places, clusters, len(segments))
    ids = np.full(clusters, -1, dtype=np.int32)
    for cluster, place in zip(*linear_sum_assignment(overlaps, maximize=True), strict=True):
        if overlaps[cluster, place] >= SMALLEST_OVERLAP:
            ids[cluster] = segments[place]
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
