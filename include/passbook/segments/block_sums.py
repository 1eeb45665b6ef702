"""Lloyd's iterations of k-prototypes over blocks of rows: from a stream, or on a cluster's nodes.

What a block adds to the next prototypes depends on the block and the present prototypes alone, and
sums of blocks add up. So a node computes `sum_block` of its rows and nothing else travels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from passbook.errors import InputError, TooFewCustomersError
from passbook.segments.checked_rows import CheckedRows, Moments
from passbook.segments.initial_prototypes import Prototypes
from passbook.segments.lloyd import Farthest, Rows, State, means_and_modes, reseed

_OTHERS: Final = "The blocks must be the same each time they are read."


@dataclass(frozen=True)
class BlockSums:
    """What rows add to the next prototypes.

    Attributes
    ----------
    members : (k,) int64
    sums : (k, p) float64
    counts : (k, codes) int64
        Codes of all columns, one column after the other.
    cost : float
    farthest : Farthest
        Where prototypes without members go.
    """

    members: npt.NDArray[np.int64]
    sums: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    cost: float
    farthest: Farthest

    def __add__(self, later: BlockSums) -> BlockSums:
        """Return the sums of both sets of rows, `later` being those that come after."""
        return BlockSums(
            self.members + later.members,
            self.sums + later.sums,
            self.counts + later.counts,
            self.cost + later.cost,
            self.farthest.followed_by(later.farthest),
        )


@dataclass(frozen=True)
class Survey:
    """What a first look at all blocks tells: moments, codes of each column, a sample of rows."""

    moments: Moments
    code_counts: npt.NDArray[np.int64]
    sample: tuple[npt.NDArray[np.float32], npt.NDArray[Any]]


@dataclass(frozen=True)
class BlocksSolution:
    """Where the iterations ended."""

    prototypes: Prototypes
    cost: float
    iterations: int


def survey(blocks: Iterable[CheckedRows], size: int, rng: np.random.Generator) -> Survey:
    """Look at all blocks; every row is as likely as any other to be among the `size` sampled.

    Raises
    ------
    TooFewCustomersError
        E302: no blocks.
    InputError
        E803: blocks of different columns.
    """
    moments, counts, keys = None, None, np.empty(0)
    sample: tuple[Any, ...] = ()
    for block in blocks:
        if sample:
            _check_columns(block, sample[0].shape[1], sample[1].shape[1])
        moments = block.moments if moments is None else moments + block.moments
        found = block.code_counts()
        counts = found if counts is None else np.maximum(counts, found)
        keys = np.concatenate([keys, rng.random(len(block.X))])
        kept = np.sort(np.argsort(keys, kind="stable")[:size])
        both = zip(sample or (block.X[:0], block.codes[:0]), (block.X, block.codes), strict=True)
        keys, sample = keys[kept], tuple(np.concatenate(pair)[kept] for pair in both)
    if moments is None or counts is None:
        raise TooFewCustomersError("There are no rows.")
    return Survey(moments, counts, (sample[0], sample[1]))


def _check_columns(block: CheckedRows, numbers: int, categories: int) -> None:
    if (block.X.shape[1], block.codes.shape[1]) != (numbers, categories):
        raise InputError("Blocks must all have the same columns.")


def sum_block(
    block: CheckedRows,
    prototypes: Prototypes,
    gamma: npt.NDArray[np.float32],
    code_counts: npt.NDArray[np.int64],
) -> BlockSums:
    """Return what a block adds to the next prototypes.

    Raises
    ------
    InputError
        E803: the block has other columns or larger codes than `code_counts` tells.
    """
    # Compiled loops would read and count beside the arrays.
    _check_columns(block, prototypes[0].shape[1], len(code_counts))
    if (block.code_counts() > code_counts).any():
        raise InputError(_OTHERS)
    rows = Rows.of(block.X, block.codes, code_counts)
    state = State(rows, len(prototypes[0]))
    state.assign(prototypes, gamma)
    distances, cost = state.distances(prototypes, gamma)
    return BlockSums(
        state.sizes.sum(axis=0),
        state.sums.sum(axis=0),
        state.counts.sum(axis=0),
        cost,
        Farthest.of(distances, rows, len(prototypes[0])),
    )


def iterate_blocks(
    read: Callable[[], Iterable[CheckedRows]],
    known: Survey,
    start: Prototypes,
    gamma: npt.NDArray[np.float32],
    max_iter: int,
) -> BlocksSolution:
    """Alternate between reading all blocks and moving prototypes until none moves.

    Raises
    ------
    InputError
        E803: the blocks have other rows than when they were surveyed.
    """
    first_code = np.cumsum(known.code_counts) - known.code_counts
    prototypes, iteration = start, 0
    while True:
        iteration += 1
        sums = (sum_block(block, prototypes, gamma, known.code_counts) for block in read())
        total = next(sums, None)
        total = total and reduce(add, sums, total)
        if total is None or total.members.sum() != known.moments.rows:
            raise InputError(_OTHERS)
        moved = means_and_modes(total.members, total.sums, total.counts, first_code, prototypes)
        if not total.members.all():
            moved = reseed(moved, total.members, total.farthest)
        settled = all(np.array_equal(*pair) for pair in zip(moved, prototypes, strict=True))
        if settled or iteration > max_iter:
            return BlocksSolution(prototypes, total.cost, iteration)
        prototypes = moved
