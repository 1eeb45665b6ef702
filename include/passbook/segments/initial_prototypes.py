"""Rows that k-prototypes starts from, drawn from a sample, so that it costs the same at any n."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

SAMPLE_ROWS: Final = 20_000

Prototypes = tuple[npt.NDArray[np.float32], npt.NDArray[Any]]
"""Numeric centroids (k, p) and categorical modes (k, q)."""


def mixed_distances(
    X: npt.NDArray[np.float32],
    codes: npt.NDArray[Any],
    centroid: npt.NDArray[np.float32],
    mode: npt.NDArray[Any],
    gamma: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """Return the squared Euclidean distance plus weighted mismatches of rows to one prototype."""
    numeric = np.square(X - centroid).sum(axis=1, dtype=np.float32)
    return np.asarray(numeric + (codes != mode) @ gamma, dtype=np.float32)


def draw_huang(
    X: npt.NDArray[np.float32],
    codes: npt.NDArray[Any],
    gamma: npt.NDArray[np.float32],
    k: int,
    rng: np.random.Generator,
) -> Prototypes:
    """Draw prototypes column by column, then put each on its nearest row not taken yet.

    Numbers are normal with a column's mean and deviation, codes are drawn as often as they occur.

    References
    ----------
    Z. Huang, "Clustering large data sets with mixed numeric and categorical values", 1997.
    """
    X, codes = sample_rows(X, codes, SAMPLE_ROWS, rng)
    drawn = rng.standard_normal((k, X.shape[1])) * X.std(axis=0) + X.mean(axis=0)
    modes = np.take_along_axis(codes, rng.integers(len(codes), size=(k, codes.shape[1])), axis=0)
    taken = np.zeros(len(X), dtype=bool)
    chosen = np.zeros(k, dtype=np.int64)
    for c in range(k):
        distance = mixed_distances(X, codes, drawn[c].astype(np.float32), modes[c], gamma)
        distance[taken] = np.inf
        chosen[c] = np.argmin(distance)
        taken |= mixed_distances(X, codes, X[chosen[c]], codes[chosen[c]], gamma) == 0
        taken[chosen[c]] = True
    return X[chosen].copy(), codes[chosen].astype(np.int32)


def draw_plus_plus(
    X: npt.NDArray[np.float32],
    codes: npt.NDArray[Any],
    gamma: npt.NDArray[np.float32],
    k: int,
    rng: np.random.Generator,
) -> Prototypes:
    """Draw rows one after the other, each with a probability that grows with its distance.

    References
    ----------
    D. Arthur, S. Vassilvitskii, "k-means++: the advantages of careful seeding", 2007.
    """
    X, codes = sample_rows(X, codes, SAMPLE_ROWS, rng)
    chosen = [int(rng.integers(len(X)))]
    distance = mixed_distances(X, codes, X[chosen[0]], codes[chosen[0]], gamma).astype(np.float64)
    for _ in range(k - 1):
        total = distance.sum()
        # All rows taken: the surplus prototype stays empty, which the fit notices and names.
        row = int(rng.choice(len(X), p=distance / total)) if total > 0 else 0
        chosen.append(row)
        distance = np.minimum(distance, mixed_distances(X, codes, X[row], codes[row], gamma))
    return X[chosen].copy(), codes[chosen].astype(np.int32)


def sample_rows(
    X: npt.NDArray[np.float32], codes: npt.NDArray[Any], size: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[Any]]:
    """Return `size` of the rows in their order, or all when there are no more."""
    if len(X) <= size:
        return X, codes
    rows = np.sort(rng.choice(len(X), size, replace=False))
    return X[rows], codes[rows]
