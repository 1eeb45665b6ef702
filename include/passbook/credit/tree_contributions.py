"""Exact additive contributions of boosted trees, many times faster than walking the trees.

The path-dependent SHAP values of a tree (S. Lundberg et al., 2020; XGBoost's ``pred_contribs``)
depend on a customer only through which way each split would send them. So a tree is cut into
groups of at most eight splits, and what a group contributes is tabled once for every one of the
up to 256 outcomes of its splits (after J. Yang, "Fast TreeSHAP", 2021, who tables single leaves).
Scoring a customer is then eight comparisons and a few look-ups a group. Sums are in float64 and a
row's contributions plus the bias equal its margin.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numba
import numpy as np
import xgboost as xgb

from passbook.errors import ModelError

_MOST_SPLITS: Final = 8
_PATTERNS: Final = 1 << _MOST_SPLITS
_TILE: Final = 512


class Splits(NamedTuple):
    """The splits of all groups, one group after the other.

    Attributes
    ----------
    starts : numpy.ndarray of int32, shape (groups + 1,)
        Where a group's splits begin.
    feature, value, missing_left : numpy.ndarray, shape (splits,)
        Left is where ``value`` is above the customer's, or where a missing one goes.
    """

    starts: np.ndarray
    feature: np.ndarray
    value: np.ndarray
    missing_left: np.ndarray


class Slots(NamedTuple):
    """What the features of all groups contribute.

    Attributes
    ----------
    starts : numpy.ndarray of int32, shape (groups + 1,)
        Where a group's features begin.
    feature : numpy.ndarray of int32, shape (slots,)
    tables : numpy.ndarray of float64, shape (slots, 256)
        Contribution by the outcomes of the group's splits.
    """

    starts: np.ndarray
    feature: np.ndarray
    tables: np.ndarray


@dataclass(frozen=True)
class ContributionTables:
    """Trees, compiled for `contributions` and `margins`.

    Attributes
    ----------
    features : int
    bias : float
        What every customer starts with: the mean margin of the training rows.
    splits : Splits
    slots : Slots
    leaves : numpy.ndarray of float64, shape (groups, 256)
        Leaf value reached, or 0 when another group holds the leaf.
    """

    features: int
    bias: float
    splits: Splits
    slots: Slots
    leaves: np.ndarray

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """Return contributions to the margin, shape (rows, features + 1); the last is the bias."""
        found = np.empty((len(matrix), self.features + 1), np.float64)
        found[:, -1] = self.bias
        _contributions(np.ascontiguousarray(matrix, np.float32), self.splits, self.slots, found)
        return found

    def margins(self, matrix: np.ndarray) -> np.ndarray:
        """Return the margin of every row, shape (rows,)."""
        found = np.empty(len(matrix), np.float64)
        _margins(np.ascontiguousarray(matrix, np.float32), self.splits, self.leaves, found)
        return found


@dataclass(frozen=True)
class _Tree:
    left: list[int]
    right: list[int]
    feature: list[int]
    value: list[float]
    missing_left: list[int]
    cover: list[float]

    def is_leaf(self, node: int) -> bool:
        return self.left[node] < 0

    def splits_below(self, node: int) -> list[int]:
        if self.is_leaf(node):
            return []
        below = (self.splits_below(child) for child in (self.left[node], self.right[node]))
        return [node, *(split for part in below for split in part)]


@dataclass(frozen=True)
class _Step:
    """One split on the way to a leaf."""

    node: int
    goes_left: bool
    cover_share: float


_Path = tuple[_Step, ...]


def compile_trees(
    boosters: Sequence[xgb.Booster], *, output: int = 0, explain: bool = True
) -> ContributionTables:
    """Compile the mean of some boosters.

    Parameters
    ----------
    boosters : sequence of xgboost.Booster
    output : int
        Of a model with several classes, the one whose trees are meant.
    explain : bool
        False leaves out what `contributions` needs, for models that are only asked for margins.

    Raises
    ------
    ModelError
        E600 when a tree is deeper than eight splits or splits on categories.
    """
    groups: list[tuple[list[int], _Tree, list[tuple[_Path, float]]]] = []
    features = 0
    for booster in boosters:
        described = json.loads(booster.save_raw("json"))["learner"]
        features = int(described["learner_model_param"]["num_feature"])
        model = described["gradient_booster"]["model"]
        for tree, wanted in zip(model["trees"], model["tree_info"], strict=True):
            if wanted == output:
                groups.extend(_groups(_parsed(tree), 0, ()))
    share = 1.0 / len(boosters)
    splits = [[(tree, node) for node in nodes] for nodes, tree, _ in groups]
    tabled = [_tabled(nodes, tree, leaves, explain) for nodes, tree, leaves in groups]
    flat = [split for group in splits for split in group]
    return ContributionTables(
        features,
        share * sum(bias for *_, bias in tabled),
        Splits(
            _starts(splits),
            np.array([tree.feature[node] for tree, node in flat], np.int32),
            np.array([tree.value[node] for tree, node in flat], np.float32),
            np.array([tree.missing_left[node] for tree, node in flat], np.bool_),
        ),
        Slots(
            _starts([slots for slots, *_ in tabled]),
            np.array([feature for slots, *_ in tabled for feature in slots], np.int32),
            share * np.concatenate([table for _, table, *_ in tabled]),
        ),
        share * np.array([leaf for _, _, leaf, _ in tabled]),
    )


def _starts(parts: Sequence[Sequence[Any]]) -> np.ndarray:
    return np.cumsum([0, *map(len, parts)]).astype(np.int32)


def _parsed(tree: dict[str, Any]) -> _Tree:
    if tree["categories_nodes"]:
        raise ModelError("A tree splits on categories, which cannot be explained exactly.")
    return _Tree(
        tree["left_children"],
        tree["right_children"],
        tree["split_indices"],
        tree["split_conditions"],
        tree["default_left"],
        tree["sum_hessian"],
    )


def _groups(
    tree: _Tree, node: int, path: _Path
) -> Iterator[tuple[list[int], _Tree, list[tuple[_Path, float]]]]:
    """Cut a tree into groups: the splits that a group's leaves depend on, and those leaves."""
    if len(path) > _MOST_SPLITS:
        raise ModelError(f"A tree is deeper than {_MOST_SPLITS} splits.")
    below = tree.splits_below(node)
    if len(path) + len(below) <= _MOST_SPLITS:
        nodes = [step.node for step in path] + below
        yield nodes, tree, list(_leaves(tree, node, path))
        return
    for child, goes_left in ((tree.left[node], True), (tree.right[node], False)):
        share = tree.cover[child] / tree.cover[node]
        yield from _groups(tree, child, (*path, _Step(node, goes_left, share)))


def _leaves(tree: _Tree, node: int, path: _Path) -> Iterator[tuple[_Path, float]]:
    if tree.is_leaf(node):
        yield path, tree.value[node]
        return
    for child, goes_left in ((tree.left[node], True), (tree.right[node], False)):
        share = tree.cover[child] / tree.cover[node]
        yield from _leaves(tree, child, (*path, _Step(node, goes_left, share)))


def _tabled(
    nodes: list[int], tree: _Tree, leaves: list[tuple[_Path, float]], explain: bool
) -> tuple[list[int], np.ndarray, np.ndarray, float]:
    """Table a group: its features, their contributions and the leaf by pattern, and its bias."""
    slots = sorted({tree.feature[node] for node in nodes}) if explain else []
    pattern = np.arange(_PATTERNS)
    left = {node: (pattern >> bit) & 1 == 1 for bit, node in enumerate(nodes)}
    table = np.zeros((len(slots), _PATTERNS))
    reached_value = np.zeros(_PATTERNS)
    bias = 0.0
    for path, value in leaves:
        follows: dict[int, np.ndarray] = {}
        share: dict[int, float] = {}
        for step in path:
            feature = tree.feature[step.node]
            agrees = left[step.node] == step.goes_left
            follows[feature] = follows.get(feature, np.ones(_PATTERNS, np.bool_)) & agrees
            share[feature] = share.get(feature, 1.0) * step.cover_share
        order = list(follows)
        if not order:
            return slots, table, np.full(_PATTERNS, value), value
        ones = np.array([follows[feature] for feature in order])
        zeros = np.array([share[feature] for feature in order])
        bias += value * float(zeros.prod())
        reached_value += value * ones.all(axis=0)
        if explain:
            rows = [slots.index(feature) for feature in order]
            table[rows] += value * _shapley(ones.astype(np.float64), zeros)
    return slots, table, reached_value, bias


@numba.njit(cache=True)
def _shapley(ones: np.ndarray, zeros: np.ndarray) -> np.ndarray:
    """Return the Shapley values of Π (1 if followed, else the share of cover), a column a pattern.

    The weights of all subsets of the other features come from the product of ``zero + one · t``:
    its coefficient of t^s sums the subsets of size s.
    """
    players, patterns = ones.shape
    weight = np.empty(players)
    weight[0] = 1.0 / players
    for size in range(1, players):
        weight[size] = weight[size - 1] * size / (players - size)
    found = np.empty((players, patterns))
    coefficients = np.empty(players)
    for pattern in range(patterns):
        for player in range(players):
            coefficients[:] = 0.0
            coefficients[0] = 1.0
            for other in range(players):
                if other == player:
                    continue
                for size in range(players - 1, 0, -1):
                    coefficients[size] = (
                        coefficients[size] * zeros[other]
                        + coefficients[size - 1] * ones[other, pattern]
                    )
                coefficients[0] *= zeros[other]
            total = 0.0
            for size in range(players):
                total += weight[size] * coefficients[size]
            found[player, pattern] = (ones[player, pattern] - zeros[player]) * total
    return found


@numba.njit(cache=True, nogil=True)
def _outcomes(columns: np.ndarray, splits: Splits, group: int, pattern: np.ndarray) -> None:
    """Write the outcome of every split of a group as bits of `pattern`, shape (rows,)."""
    pattern[:] = 0
    first = splits.starts[group]
    for split in range(first, splits.starts[group + 1]):
        column = columns[splits.feature[split]]
        bound = splits.value[split]
        bit = np.uint8(1 << (split - first))
        if splits.missing_left[split]:
            for row in range(len(pattern)):
                pattern[row] |= np.uint8(0) if column[row] >= bound else bit
        else:
            for row in range(len(pattern)):
                pattern[row] |= bit if column[row] < bound else np.uint8(0)


@numba.njit(cache=True, nogil=True)
def _contributions(matrix: np.ndarray, splits: Splits, slots: Slots, found: np.ndarray) -> None:
    rows, features = matrix.shape
    pattern = np.empty(_TILE, np.uint8)
    total = np.empty((features, _TILE))
    for start in range(0, rows, _TILE):
        size = min(_TILE, rows - start)
        columns = matrix[start : start + size].T.copy()
        total[:] = 0.0
        for group in range(len(splits.starts) - 1):
            _outcomes(columns, splits, group, pattern[:size])
            for slot in range(slots.starts[group], slots.starts[group + 1]):
                table = slots.tables[slot]
                sums = total[slots.feature[slot]]
                for row in range(size):
                    sums[row] += table[pattern[row]]
        found[start : start + size, :features] = total[:, :size].T


@numba.njit(cache=True, nogil=True)
def _margins(matrix: np.ndarray, splits: Splits, leaves: np.ndarray, found: np.ndarray) -> None:
    rows = len(matrix)
    pattern = np.empty(_TILE, np.uint8)
    for start in range(0, rows, _TILE):
        size = min(_TILE, rows - start)
        columns = matrix[start : start + size].T.copy()
        sums = found[start : start + size]
        sums[:] = 0.0
        for group in range(len(splits.starts) - 1):
            _outcomes(columns, splits, group, pattern[:size])
            table = leaves[group]
            for row in range(size):
                sums[row] += table[pattern[row]]
