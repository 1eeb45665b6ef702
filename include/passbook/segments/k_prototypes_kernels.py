"""The compiled inner loops of k-prototypes.

Rows lie in tiles of 256, one feature after the other inside a tile, so that a vector register
holds the same feature of many rows and every inner loop runs over rows. Only rows whose label
changed touch the sums, which late iterations hardly do.

Tiles are cut into at most 128 slices whose bounds depend on the number of rows alone. A slice is
summed by one thread in row order and slices are added in order: the result is the same for any
number of threads.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit, prange

TILE: Final = 256
SLICES: Final = 128


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
    for j in range(0, p - p % 2, 2):
        first, second = centroid[j], centroid[j + 1]
        for t in range(TILE):
            a = X[i, j, t] - first
            b = X[i, j + 1, t] - second
            distance[t] += a * a + b * b
    if p % 2:
        last = centroid[p - 1]
        for t in range(TILE):
            a = X[i, p - 1, t] - last
            distance[t] += a * a
    for j in range(codes.shape[1]):
        code, weight = mode[j], gamma[j]
        for t in range(TILE):
            distance[t] += weight if codes[i, j, t] != code else np.float32(0)


@njit(cache=True, boundscheck=False)
def _move_row(X, codes, i, t, old, new, first_code, sizes, sums, counts):  # type: ignore[no-untyped-def]  # noqa: PLR0917
    """Take row t of tile i out of prototype `old` (negative: none) and add it to `new`."""
    sizes[new] += 1
    if old >= 0:
        sizes[old] -= 1
    for j in range(X.shape[1]):
        x = X[i, j, t]
        sums[new, j] += x
        if old >= 0:
            sums[old, j] -= x
    for j in range(codes.shape[1]):
        c = first_code[j] + codes[i, j, t]
        counts[new, c] += 1
        if old >= 0:
            counts[old, c] -= 1


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
            for t in range(min(TILE, labels.shape[0] - i * TILE)):
                row = i * TILE + t
                cost[s] += best[t]
                distances[row] = best[t]
                old, new = labels[row], nearest[t]
                if new != old:
                    changed[s] += 1
                    labels[row] = new
                    _move_row(X, codes, i, t, old, new, first_code, sizes[s], sums[s], counts[s])
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
