"""Lloyd's iterations of k-prototypes over rows in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from passbook.errors import TooFewCustomersError
from passbook.segments import k_prototypes_kernels as kernels
from passbook.segments.initial_prototypes import Prototypes


@dataclass(frozen=True)
class Rows:
    """Rows in the layout of the kernels."""

    X: npt.NDArray[np.float32]
    codes: npt.NDArray[Any]
    count: int
    first_code: npt.NDArray[np.int64]
    code_count: int
    bounds: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls, X: npt.NDArray[np.float32], codes: npt.NDArray[Any], sizes: npt.NDArray[np.int64]
    ) -> Rows:
        """Lay rows out whose columns have so many codes, (q,)."""
        first = np.cumsum(sizes) - sizes
        tiles = kernels.tiles_of(len(X))
        bounds = kernels.slice_bounds(tiles)
        tiled_X = np.empty((tiles, X.shape[1], kernels.TILE), np.float32)
        tiled_codes = np.empty(
            (tiles, codes.shape[1], kernels.TILE), narrow_type(sizes.max(initial=1))
        )
        kernels.on_threads(kernels.lay_in_tiles, len(X), X, codes, bounds, tiled_X, tiled_codes)
        return cls(tiled_X, tiled_codes, len(X), first, int(sizes.sum()), bounds)

    def take(self, numbers: npt.NDArray[np.int64]) -> Prototypes:
        """Return the rows of these numbers as prototypes."""
        tile, inside = np.divmod(numbers, kernels.TILE)
        return self.X[tile, :, inside], self.codes[tile, :, inside].astype(np.int32)


class Farthest(NamedTuple):
    """Rows farthest from their prototypes, the farthest first, the earlier of equals first."""

    distances: npt.NDArray[np.float32]
    rows: Prototypes

    @classmethod
    def of(cls, distances: npt.NDArray[np.float32], rows: Rows, count: int) -> Farthest:
        """Pick `count` of all rows by their distances, (n,)."""
        count = min(count, len(distances))
        least = np.partition(distances, len(distances) - count)[len(distances) - count]
        candidates = np.flatnonzero(distances >= least)
        chosen = candidates[np.argsort(-distances[candidates], kind="stable")[:count]]
        return cls(distances[chosen], rows.take(chosen))

    def followed_by(self, later: Farthest) -> Farthest:
        """Return as many of these and of rows that come after them."""
        distances = np.concatenate([self.distances, later.distances])
        X, codes = (np.concatenate(pair) for pair in zip(self.rows, later.rows, strict=True))
        count = max(len(self.distances), len(later.distances))
        order = np.argsort(-distances, kind="stable")[:count]
        return Farthest(distances[order], (X[order], codes[order]))


class State:
    """Labels of the rows and what the prototypes are made of, updated by every pass."""

    def __init__(self, rows: Rows, k: int) -> None:
        slices = len(rows.bounds) - 1
        self.rows = rows
        self.labels = np.full(rows.count, -1, dtype=np.int32)
        self.limits = np.empty(rows.count, dtype=np.float32)
        self.travelled = np.zeros(k)
        self.sizes = np.zeros((slices, k), dtype=np.int64)
        self.sums = np.zeros((slices, k, rows.X.shape[1]))
        self.counts = np.zeros((slices, k, rows.code_count), dtype=np.int32)

    def assign(self, prototypes: Prototypes, gamma: npt.NDArray[np.float32]) -> int:
        """Label the rows by their nearest prototypes; return how many changed."""
        rows, changed = self.rows, np.empty(len(self.sizes), dtype=np.int64)
        kernels.on_threads(
            kernels.lloyd_pass, rows.count, rows.X, rows.codes, rows.bounds, *prototypes, gamma,
            self.travelled, rows.first_code, self.labels, self.limits,
            self.sizes, self.sums, self.counts, changed,
        )  # fmt: skip
        return int(changed.sum())

    def distances(
        self, prototypes: Prototypes, gamma: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], float]:
        """Return the distance of each row to its prototype, (n,), and their sum."""
        rows, cost = self.rows, np.empty(len(self.sizes))
        found = np.empty(rows.count, dtype=np.float32)
        kernels.on_threads(
            kernels.own_distances, rows.count, rows.X, rows.codes, rows.bounds, *prototypes, gamma,
            self.labels, found, cost,
        )  # fmt: skip
        return found, float(cost.sum())

    def travel(self, before: Prototypes, after: Prototypes, gamma: npt.NDArray[np.float32]) -> None:
        """Note how far each prototype moved, and the fastest of the others."""
        steps = np.square(after[0].astype(np.float64) - before[0]).sum(axis=1)
        steps = np.sqrt(steps + (after[1] != before[1]) @ gamma.astype(np.float64))
        fastest_other = [np.delete(steps, c).max(initial=0.0) for c in range(len(steps))]
        features = self.rows.X.shape[1] + self.rows.codes.shape[1]
        self.travelled += (steps + fastest_other) * (1 + kernels.rounding_doubt(features))


@dataclass(frozen=True)
class Solution:
    """Where the iterations ended."""

    prototypes: Prototypes
    labels: npt.NDArray[np.int32]
    cost: float
    iterations: int


def iterate(
    rows: Rows, start: Prototypes, gamma: npt.NDArray[np.float32], max_iter: int
) -> Solution:
    """Alternate between assigning rows and moving prototypes until no label changes."""
    state = State(rows, len(start[0]))
    prototypes, iteration = start, 0
    while True:
        iteration += 1
        changed = state.assign(prototypes, gamma)
        members = state.sizes.sum(axis=0)
        # The pass after the last move only labels the rows by the final prototypes.
        if (changed == 0 and members.all()) or iteration > max_iter:
            _, cost = state.distances(prototypes, gamma)
            return Solution(prototypes, state.labels, cost, iteration)
        sums, counts = state.sums.sum(axis=0), state.counts.sum(axis=0)
        moved = means_and_modes(members, sums, counts, rows.first_code, prototypes)
        if not members.all():
            distances, _ = state.distances(prototypes, gamma)
            moved = reseed(moved, members, Farthest.of(distances, rows, len(members)))
        state.travel(prototypes, moved, gamma)
        prototypes = moved


def means_and_modes(
    members: npt.NDArray[np.int64],
    sums: npt.NDArray[np.float64],
    counts: npt.NDArray[np.int64],
    first_code: npt.NDArray[np.int64],
    before: Prototypes,
) -> Prototypes:
    """Return the mean and the most frequent codes (the lowest of equals) of each cluster."""
    filled = members > 0
    centroids, modes = before[0].copy(), before[1].copy()
    centroids[filled] = sums[filled] / members[filled, None]
    edges = [*first_code, counts.shape[1]]
    for j in range(modes.shape[1]):
        modes[filled, j] = counts[filled, edges[j] : edges[j + 1]].argmax(axis=1)
    return centroids, modes


def reseed(
    prototypes: Prototypes, members: npt.NDArray[np.int64], farthest: Farthest
) -> Prototypes:
    """Put prototypes without members on the rows farthest from theirs.

    Raises
    ------
    TooFewCustomersError
        E302 when every row is a prototype already.
    """
    empty = np.flatnonzero(members == 0)
    if farthest.distances[0] == 0:
        distinct = len(members) - len(empty)
        raise TooFewCustomersError(f"{distinct} distinct rows cannot form {len(members)} clusters.")
    centroids, modes = prototypes
    for cluster, centroid, mode in zip(empty, *farthest.rows, strict=False):
        centroids[cluster], modes[cluster] = centroid, mode
    return centroids, modes


def narrow_type(code_count: int) -> type[np.uint8 | np.int32]:
    """Return a type for so many codes: a byte, which is nearly always enough."""
    return np.uint8 if code_count <= 256 else np.int32
