"""The compiled inner loops of k-prototypes.

Rows lie in tiles of 256, one feature after the other inside a tile, so that a vector register
holds the same feature of many rows and every inner loop runs over rows. Only rows whose label
changed touch the sums, which late iterations hardly do.

Tiles are cut into at most 128 slices whose bounds depend on the number of rows alone. A slice is
summed by one thread in row order and slices are added in order: the result is the same for any
number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from numba import njit, prange

TILE: Final = 256
SLICES: Final = 128
ROWS_OF_A_THREAD: Final = 50_000


@contextmanager
def threads_for(rows: int) -> Iterator[None]:
    """Let the kernels use as many threads as so many rows keep busy; few rows are done sooner than
    a second thread wakes up."""
    before = numba.get_num_threads()
    numba.set_num_threads(min(before, 1 + rows // ROWS_OF_A_THREAD))
    try:
        yield
    finally:
        numba.set_num_threads(before)


def slice_bounds(tiles: int) -> npt.NDArray[np.int64]:
    """Return where the slices of `tiles` tiles begin and end, (slices + 1,)."""
    return np.linspace(0, tiles, min(SLICES, tiles) + 1).astype(np.int64)


@njit(parallel=True, cache=True)
def in_tiles(table: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Lay an (n, m) table out as (tiles, m, 256); the last tile is filled up with zeros."""
    n, m = table.shape
    tiles = (n + TILE - 1) // TILE
    tiled = np.zeros((tiles, m, TILE), table.dtype)
    for i in prange(tiles):
        for t in range(min(TILE, n - i * TILE)):
            for j in range(m):
                tiled[i, j, t] = table[i * TILE + t, j]
    return tiled


@njit(cache=True, fastmath={"contract"}, boundscheck=False)
def _tile_distances(X, codes, i, centroid, mode, gamma, distance):  # type: ignore[no-untyped-def]  # noqa: PLR0917
    """Write the distances of the rows of tile i to one prototype into `distance` (256,)."""
    p = X.shape[1]
    for t in range(TILE):
        distance[t] = 0
    # Four features at a time, so that the sums are loaded and stored a quarter as often.
    for j in range(0, p - p % 4, 4):
        c0, c1, c2, c3 = centroid[j], centroid[j + 1], centroid[j + 2], centroid[j + 3]
        for t in range(TILE):
            d0 = X[i, j, t] - c0
            d1 = X[i, j + 1, t] - c1
            d2 = X[i, j + 2, t] - c2
            d3 = X[i, j + 3, t] - c3
            distance[t] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)
    for j in range(p - p % 4, p):
        last = centroid[j]
        for t in range(TILE):
            d0 = X[i, j, t] - last
            distance[t] += d0 * d0
    for j in range(codes.shape[1]):
        code, weight = mode[j], gamma[j]
        for t in range(TILE):
            distance[t] += weight if codes[i, j, t] != code else np.float32(0)


@njit(cache=True, boundscheck=False)
def _move_rows(X, codes, i, rows, old, new, first_code, sizes, sums, counts):  # type: ignore[no-untyped-def]  # noqa: PLR0917
    """Take rows of tile i out of their prototypes (negative: none) and add them to the new ones."""
    for r in range(rows.shape[0]):
        sizes[new[r]] += 1
        if old[r] >= 0:
            sizes[old[r]] -= 1
    for j in range(X.shape[1]):
        for r in range(rows.shape[0]):
            x = X[i, j, rows[r]]
            sums[new[r], j] += x
            if old[r] >= 0:
                sums[old[r], j] -= x
    for j in range(codes.shape[1]):
        for r in range(rows.shape[0]):
            code = first_code[j] + codes[i, j, rows[r]]
            counts[new[r], code] += 1
            if old[r] >= 0:
                counts[old[r], code] -= 1


@njit(parallel=True, cache=True, boundscheck=False)
def lloyd_pass(  # type: ignore[no-untyped-def]  # noqa: PLR0917
    X, codes, centroids, modes, gamma, first_code, bounds, labels, distances, sizes, sums, counts
):
    """Assign every row to its nearest prototype and move the sums of rows that changed theirs.

    Updates `labels` and `distances` (n,), and by slice `sizes` (slices, k), `sums`
    (slices, k, p) and `counts` (slices, k, codes); returns the rows that changed and the cost,
    both by slice. Of two prototypes equally near the first one wins.
    """
    slices = bounds.shape[0] - 1
    changed = np.zeros(slices, np.int64)
    cost = np.zeros(slices, np.float64)
    for s in prange(slices):
        distance = np.empty(TILE, np.float32)
        best = np.empty(TILE, np.float32)
        nearest = np.empty(TILE, np.int32)
        rows = np.empty(TILE, np.int64)
        old = np.empty(TILE, np.int32)
        new = np.empty(TILE, np.int32)
        slice_changed, slice_cost = 0, 0.0
        for i in range(bounds[s], bounds[s + 1]):
            for t in range(TILE):
                best[t] = np.inf
                nearest[t] = 0
            for c in range(centroids.shape[0]):
                _tile_distances(X, codes, i, centroids[c], modes[c], gamma, distance)
                for t in range(TILE):
                    if distance[t] < best[t]:
                        best[t] = distance[t]
                        nearest[t] = c
            moved = 0
            for t in range(min(TILE, labels.shape[0] - i * TILE)):
                row = i * TILE + t
                slice_cost += best[t]
                distances[row] = best[t]
                if nearest[t] != labels[row]:
                    rows[moved], old[moved], new[moved] = t, labels[row], nearest[t]
                    labels[row] = nearest[t]
                    moved += 1
            slice_changed += moved
            if moved:
                _move_rows(
                    X, codes, i, rows[:moved], old[:moved], new[:moved], first_code,
                    sizes[s], sums[s], counts[s],
                )  # fmt: skip
        changed[s], cost[s] = slice_changed, slice_cost
    return changed, cost


@njit(parallel=True, cache=True, boundscheck=False)
def two_nearest(X, codes, centroids, modes, gamma, labels, distances):  # type: ignore[no-untyped-def]  # noqa: PLR0917
    """Write the nearest and second nearest prototype of every row and their distances, (n, 2).

    With a single prototype the second one is -1, infinitely far.
    """
    for i in prange(X.shape[0]):
        distance = np.empty(TILE, np.float32)
        best = np.full((2, TILE), np.inf, np.float32)
        nearest = np.full((2, TILE), -1, np.int32)
        for c in range(centroids.shape[0]):
            _tile_distances(X, codes, i, centroids[c], modes[c], gamma, distance)
            for t in range(TILE):
                if distance[t] < best[0, t]:
                    best[1, t] = best[0, t]
                    nearest[1, t] = nearest[0, t]
                    best[0, t] = distance[t]
                    nearest[0, t] = c
                elif distance[t] < best[1, t]:
                    best[1, t] = distance[t]
                    nearest[1, t] = c
        for t in range(min(TILE, labels.shape[0] - i * TILE)):
            for r in range(2):
                labels[i * TILE + t, r] = nearest[r, t]
                distances[i * TILE + t, r] = best[r, t]
