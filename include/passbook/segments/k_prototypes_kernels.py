"""The compiled inner loops of k-prototypes.

Rows lie in tiles of 256, one feature after the other inside a tile, so that a vector register
holds the same feature of many rows and every inner loop runs over rows. Only rows whose label
changed touch the sums, and only rows whose label may have changed are measured at all: the square
root of the mixed distance is a metric (a differing category is a step of the root of its price),
so a row keeps its label until the prototypes have travelled as far as its second nearest one was
farther away than its nearest (Hamerly 2010). A margin for rounding makes that exact: the labels
are those of measuring everything.

Tiles are cut into at most 128 slices whose bounds depend on the number of rows alone. A slice is
summed by one thread in row order and slices are added in order: the result is the same for any
number of threads. Kernels release the GIL and threads are Python's, which compiles in a fraction
of the time that numba's own parallel loops take.

References
----------
G. Hamerly, "Making k-means even faster", SIAM International Conference on Data Mining, 2010.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from numba import njit

TILE: Final = 256
SLICES: Final = 128
ROWS_OF_A_THREAD: Final = 50_000
DENSE: Final = 192
"""Rows of a tile from which on measuring all of them is cheaper than collecting those."""


def slice_bounds(tiles: int) -> npt.NDArray[np.int64]:
    """Return where the slices of `tiles` tiles begin and end, (slices + 1,)."""
    return np.linspace(0, tiles, min(SLICES, tiles) + 1).astype(np.int64)


def on_threads(kernel: Callable[..., None], rows: int, *arguments: Any) -> None:
    """Call ``kernel(first, last, *arguments)`` for all slices of so many rows.

    As many threads as so many rows keep busy, at most numba's number of them, share the slices;
    few rows are done sooner than a second thread wakes up.
    """
    slices = min(SLICES, tiles_of(rows))
    threads = min(numba.get_num_threads(), 1 + rows // ROWS_OF_A_THREAD)
    if threads == 1:
        kernel(0, slices, *arguments)
        return
    # Several parts a thread, so that one which is held up does not hold up all.
    edges = np.linspace(0, slices, min(slices, 4 * threads) + 1).astype(int).tolist()
    with ThreadPoolExecutor(threads) as pool:
        parts = [pool.submit(kernel, first, last, *arguments) for first, last in pairwise(edges)]
        for part in parts:
            part.result()


def tiles_of(rows: int) -> int:
    """Return how many tiles so many rows fill."""
    return -(-rows // TILE)


@njit(cache=True, nogil=True, boundscheck=False)
def describe_numbers(first, last, X, bounds, largest, origin, wrong, moments):  # type: ignore[no-untyped-def]  # noqa: PLR0917
    """Count by slice the numbers of each column that are NaN or above `largest` (slices, p); sum
    their differences from `origin` (p,) and the squares of those (slices, 2, p)."""
    n, p = X.shape
    for s in range(first, last):
        for r in range(bounds[s] * TILE, min(n, bounds[s + 1] * TILE)):
            for j in range(p):
                difference = np.float64(X[r, j]) - np.float64(origin[j])
                wrong[s, j] += not abs(X[r, j]) <= largest
                moments[s, 0, j] += difference
                moments[s, 1, j] += difference * difference


@njit(cache=True, nogil=True, boundscheck=False)
def describe_codes(first, last, codes, bounds, ranges):  # type: ignore[no-untyped-def]
    """Widen by slice the smallest and the largest code of each column, (slices, 2, q)."""
    n, q = codes.shape
    for s in range(first, last):
        for r in range(bounds[s] * TILE, min(n, bounds[s + 1] * TILE)):
            for j in range(q):
                ranges[s, 0, j] = min(ranges[s, 0, j], codes[r, j])
                ranges[s, 1, j] = max(ranges[s, 1, j], codes[r, j])


@njit(cache=True, nogil=True, boundscheck=False)
def lay_in_tiles(first, last, X, codes, bounds, tiled_X, tiled_codes):  # type: ignore[no-untyped-def]  # noqa: PLR0917
    """Lay (n, p) numbers and (n, q) codes out as (tiles, p or q, 256), zeros at the end."""
    n, p = X.shape
    for i in range(bounds[first], bounds[last]):
        inside = min(TILE, n - i * TILE)
        if inside < TILE:
            tiled_X[i] = 0
            tiled_codes[i] = 0
        for t in range(inside):
            for j in range(p):
                tiled_X[i, j, t] = X[i * TILE + t, j]
            for j in range(codes.shape[1]):
                tiled_codes[i, j, t] = codes[i * TILE + t, j]


@njit(cache=True, nogil=True, fastmath={"contract"}, boundscheck=False)
def _distances(x, code, count, centroid, mode, gamma, differing, distance):  # type: ignore[no-untyped-def]  # noqa: PLR0917
    """Write the distances of the first `count` rows of x (p, 256) and code (q, 256) to one
    prototype into `distance` (256,)."""
    p, q = x.shape[0], code.shape[0]
    for t in range(count):
        distance[t] = 0
    # Four features at a time, so that the sums are loaded and stored a quarter as often.
    for j in range(0, p - p % 4, 4):
        c0, c1, c2, c3 = centroid[j], centroid[j + 1], centroid[j + 2], centroid[j + 3]
        for t in range(count):
            d0 = x[j, t] - c0
            d1 = x[j + 1, t] - c1
            d2 = x[j + 2, t] - c2
            d3 = x[j + 3, t] - c3
            distance[t] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)
    for j in range(p - p % 4, p):
        last = centroid[j]
        for t in range(count):
            d0 = x[j, t] - last
            distance[t] += d0 * d0
    # Columns of one price in a row are counted in bytes, which are many to a register.
    begin = 0
    while begin < q:
        end = begin + 1
        while end < q and end - begin < 255 and gamma[end] == gamma[begin]:
            end += 1
        for t in range(count):
            differing[t] = 0
        for j in range(begin, end):
            usual = mode[j]
            for t in range(count):
                differing[t] += np.uint8(code[j, t] != usual)
        price = gamma[begin]
        for t in range(count):
            distance[t] += price * np.float32(differing[t])
        begin = end


@njit(cache=True, nogil=True, fastmath={"contract"}, boundscheck=False)
def _nearest_two(  # type: ignore[no-untyped-def]  # noqa: PLR0917
    x, code, count, centroids, modes, gamma, differing, distance, near, far, who, next_
):
    """Write the nearest and second nearest prototype of the first `count` rows (`who`, `next_`)
    and their distances (`near`, `far`). Of two equally near ones the first wins."""
    for t in range(count):
        near[t] = np.inf
        far[t] = np.inf
        who[t] = -1
        next_[t] = -1
    for c in range(centroids.shape[0]):
        _distances(x, code, count, centroids[c], modes[c], gamma, differing, distance)
        for t in range(count):
            d, first, second = distance[t], near[t], far[t]
            nearer = d < first
            next_[t] = who[t] if nearer else (np.int32(c) if d < second else next_[t])
            far[t] = first if nearer else (d if d < second else second)
            who[t] = np.int32(c) if nearer else who[t]
            near[t] = d if nearer else first


@njit(cache=True, nogil=True, boundscheck=False)
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


@njit(cache=True, nogil=True, boundscheck=False)
def _open_rows(labels, limits, travelled, begin, end, rows):  # type: ignore[no-untyped-def]  # noqa: PLR0917
    """Write the places of rows `begin` to `end` whose label may have changed; return how many."""
    count = 0
    for row in range(begin, end):
        rows[count] = row - begin
        label = labels[row]
        count += label < 0 or travelled[label] >= limits[row]
    return count


@njit(cache=True, nogil=True, boundscheck=False)
def _collect(table, rows, count, collected):  # type: ignore[no-untyped-def]
    for j in range(table.shape[0]):
        for r in range(count):
            collected[j, r] = table[j, rows[r]]


@njit(cache=True, nogil=True, boundscheck=False)
def lloyd_pass(  # type: ignore[no-untyped-def]  # noqa: PLR0917
    first, last, X, codes, bounds, centroids, modes, gamma, travelled, first_code,
    labels, limits, sizes, sums, counts, changed,
):  # fmt: skip
    """Assign every row to its nearest prototype and move the sums of rows that changed theirs.

    `travelled` (k,) is how far, in all, a prototype and the fastest of the others have moved;
    a row keeps its label while that of its own is below its limit. Updates `labels` and `limits`
    (n,), and by slice `sizes` (slices, k), `sums` (slices, k, p) and `counts` (slices, k, codes);
    writes by slice how many rows changed, (slices,).
    """
    p, q = X.shape[1], codes.shape[1]
    doubt = rounding_doubt(p + q)
    x, code = np.empty((p, TILE), X.dtype), np.empty((q, TILE), codes.dtype)
    differing = np.empty(TILE, np.uint8)
    distance, near = np.empty(TILE, np.float32), np.empty(TILE, np.float32)
    far = np.empty(TILE, np.float32)
    who, next_ = np.empty(TILE, np.int32), np.empty(TILE, np.int32)
    rows, moved = np.empty(TILE + 1, np.int64), np.empty(TILE, np.int64)
    old, new = np.empty(TILE, np.int32), np.empty(TILE, np.int32)
    for s in range(first, last):
        changed[s] = 0
        for i in range(bounds[s], bounds[s + 1]):
            begin, end = i * TILE, min((i + 1) * TILE, labels.shape[0])
            count = _open_rows(labels, limits, travelled, begin, end, rows)
            if count == 0:
                continue
            block, block_codes = X[i], codes[i]
            if count >= DENSE:
                count = end - begin
                for t in range(count):
                    rows[t] = t
            else:
                _collect(X[i], rows, count, x)
                _collect(codes[i], rows, count, code)
                block, block_codes = x, code
            _nearest_two(
                block, block_codes, count, centroids, modes, gamma,
                differing, distance, near, far, who, next_,
            )  # fmt: skip
            moves = 0
            for r in range(count):
                row = begin + rows[r]
                gap = np.sqrt(far[r]) * (1 - doubt) - np.sqrt(near[r]) * (1 + doubt)
                limits[row] = (gap + travelled[who[r]]) * (1 - doubt)
                if who[r] != labels[row]:
                    moved[moves], old[moves], new[moves] = rows[r], labels[row], who[r]
                    labels[row] = who[r]
                    moves += 1
            changed[s] += moves
            if moves:
                _move_rows(X, codes, i, moved[:moves], old[:moves], new[:moves], first_code,
                           sizes[s], sums[s], counts[s])  # fmt: skip


@njit(cache=True, nogil=True)
def rounding_doubt(features: int) -> float:
    """Return a share of a distance over so many features that rounding surely does not reach."""
    return 8 * (features + 4) * 2.0**-23


@njit(cache=True, nogil=True, boundscheck=False)
def own_distances(  # type: ignore[no-untyped-def]  # noqa: PLR0917
    first, last, X, codes, bounds, centroids, modes, gamma, labels, distances, cost
):
    """Write the distance of every row to its prototype, (n,), and their sums by slice (slices,)."""
    p, q = X.shape[1], codes.shape[1]
    x, code = np.empty((p, TILE), X.dtype), np.empty((q, TILE), codes.dtype)
    differing, distance = np.empty(TILE, np.uint8), np.empty(TILE, np.float32)
    rows = np.empty(TILE + 1, np.int64)
    for s in range(first, last):
        cost[s] = 0
        for i in range(bounds[s], bounds[s + 1]):
            begin, end = i * TILE, min((i + 1) * TILE, labels.shape[0])
            for c in range(centroids.shape[0]):
                count = 0
                for row in range(begin, end):
                    rows[count] = row - begin
                    count += labels[row] == c
                _collect(X[i], rows, count, x)
                _collect(codes[i], rows, count, code)
                _distances(x, code, count, centroids[c], modes[c], gamma, differing, distance)
                for r in range(count):
                    distances[begin + rows[r]] = distance[r]
            for row in range(begin, end):
                cost[s] += distances[row]


@njit(cache=True, nogil=True, boundscheck=False)
def two_nearest(  # type: ignore[no-untyped-def]  # noqa: PLR0917
    first, last, X, codes, bounds, like, centroids, modes, gamma, labels, distances
):
    """Write the nearest and second nearest prototype of every row and their distances, (n, 2).

    `codes` may hold any integers; those of `like`'s type count, which holds the modes and one
    code more that stands for all others. With a single prototype the second one is -1,
    infinitely far.
    """
    n, p = X.shape
    q = codes.shape[1]
    most = modes.max() if q else 0
    x, code = np.empty((p, TILE), X.dtype), np.empty((q, TILE), like.dtype)
    differing = np.empty(TILE, np.uint8)
    distance, near = np.empty(TILE, np.float32), np.empty(TILE, np.float32)
    far = np.empty(TILE, np.float32)
    who, next_ = np.empty(TILE, np.int32), np.empty(TILE, np.int32)
    for i in range(bounds[first], bounds[last]):
        begin, end = i * TILE, min((i + 1) * TILE, n)
        count = end - begin
        for j in range(p):
            for t in range(count):
                x[j, t] = X[begin + t, j]
        for j in range(q):
            for t in range(count):
                value = codes[begin + t, j]
                code[j, t] = value if 0 <= value <= most else most + 1
        _nearest_two(x, code, count, centroids, modes, gamma,
                     differing, distance, near, far, who, next_)  # fmt: skip
        for t in range(count):
            labels[begin + t, 0], labels[begin + t, 1] = who[t], next_[t]
            distances[begin + t, 0], distances[begin + t, 1] = near[t], far[t]
