"""Columns into the numbers and codes that k-prototypes reads: fitted once, shipped with the model.

After scaling a number has mean 0 and its squared deviation averages to its weight; a category that
differs costs its weight. Weights of all features add up to 1, so a distance of 1 is what a
customer has on average to the centre of everybody, as far as the numbers go.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from passbook.errors import InputError
from passbook.segments.feature_sets import FeatureSet, Number, Scale

QUANTILES: Final = 257
SMALLEST_SPREAD: Final = 0.25
"""Keeps a rare product, which hardly deviates, from outweighing everything else."""

Floats: TypeAlias = npt.NDArray[np.float64]
Columns: TypeAlias = "pa.Table | pa.RecordBatch"
Matrices: TypeAlias = tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]
"""Numbers (n, p) and codes (n, q)."""


@dataclass(frozen=True)
class ScaledNumber:
    """A fitted numeric column."""

    name: str
    group: str
    scale: Scale
    weight: float
    median: float
    """Stands in for a missing value, on the tamed scale."""
    centre: float
    spread: float
    flag_missing: bool
    """Whether being missing is a category of its own, because it occurred when fitted."""
    columns: tuple[str, ...]
    per: str
    knots: tuple[float, ...] = ()
    ranks: tuple[float, ...] = ()

    def read(self, table: Columns) -> Floats:
        """Return the feature's values (n,) out of its columns, missing ones as NaN."""
        return read_number(table, self.columns, self.per)

    def tame(self, values: Floats) -> Floats:
        """Return the values with their tail tamed; NaN stays NaN."""
        if self.scale == "log":
            return np.asarray(np.sign(values) * np.log1p(np.abs(values)))
        if self.scale == "rank":
            return np.asarray(np.where(np.isnan(values), np.nan, self._rank(values)))
        return values

    def standard(self, values: Floats) -> Floats:
        """Return (value - mean) / spread on the tamed scale, missing values filled."""
        tamed = self.tame(values)
        filled = np.where(np.isnan(tamed), self.median, tamed)
        return np.asarray((filled - self.centre) / self.spread)

    def _rank(self, values: Floats) -> Floats:
        if not self.knots:
            return np.zeros_like(values)
        return np.asarray(np.interp(values, self.knots, self.ranks))


@dataclass(frozen=True)
class CodedCategory:
    """A fitted categorical column: code 0 is missing, then the values, then any unseen one."""

    name: str
    group: str
    weight: float
    values: tuple[str, ...]

    def encode(self, column: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int32]:
        """Return the codes (n,)."""
        known = pc.index_in(column, value_set=pa.array(self.values, pa.string()))
        codes = pc.fill_null(pc.add(known, 1), len(self.values) + 1)
        missing = pc.is_null(column)
        return to_numpy(pc.if_else(missing, pa.scalar(0, codes.type), codes)).astype(np.int32)


@dataclass(frozen=True)
class Scaling:
    """All fitted columns of a feature set."""

    numbers: tuple[ScaledNumber, ...]
    categories: tuple[CodedCategory, ...]

    @property
    def gamma(self) -> npt.NDArray[np.float32]:
        """Price of a mismatch, (q,): the categories', then the missing flags'."""
        flags = [number.weight for number in self.numbers if number.flag_missing]
        return np.array([*(c.weight for c in self.categories), *flags], dtype=np.float32)

    def transform(self, table: Columns) -> Matrices:
        """Return numbers (n, p) float32 and codes (n, q) int32 of a table or block."""
        X = np.empty((len(table), len(self.numbers)), dtype=np.float32)
        codes = []
        for j, number in enumerate(self.numbers):
            values = number.read(table)
            X[:, j] = number.standard(values) * math.sqrt(number.weight)
            if number.flag_missing:
                codes.append(np.isnan(values).astype(np.int32))
        encoded = [category.encode(table[category.name]) for category in self.categories]
        columns = [*encoded, *codes]
        shape = (len(table), len(columns))
        return X, np.stack(columns, axis=1) if columns else np.empty(shape, np.int32)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {
            "numbers": [dict(vars(number)) for number in self.numbers],
            "categories": [dict(vars(category)) for category in self.categories],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Scaling:
        """Read what `to_json` gave."""
        numbers = tuple(_scaled_number(number) for number in content["numbers"])
        categories = tuple(
            CodedCategory(**{**c, "values": tuple(c["values"])}) for c in content["categories"]
        )
        return cls(numbers, categories)


def fit_scaling(
    table: Columns, features: FeatureSet, weights: Mapping[str, float] | None = None
) -> Scaling:
    """Fit every column's scale on `table`.

    Parameters
    ----------
    table : pyarrow.Table
        The feature set's columns.
    features : FeatureSet
    weights : Mapping[str, float], optional
        Group weights in place of the feature set's.

    Raises
    ------
    InputError
        E803: a column is absent or infinite, a group has no weight.
    """
    weight = _feature_weights(features, {**features.weights, **(weights or {})})
    numbers = tuple(_fit_number(number, table, weight[number.name]) for number in features.numbers)
    categories = tuple(
        CodedCategory(
            category.name,
            category.group,
            weight[category.name],
            tuple(sorted(pc.unique(table[category.name]).drop_null().to_pylist())),
        )
        for category in features.categories
    )
    return Scaling(numbers, categories)


def read_number(table: Columns, columns: Sequence[str], per: str = "") -> Floats:
    """Return the sum of columns as float64, divided by `per` where given; missing is NaN.

    Raises
    ------
    InputError
        E803 when a column is absent or holds an infinite number.
    """
    total = _column(table, columns[0]).copy()
    for name in columns[1:]:
        total += _column(table, name)
    if per:
        divisor = _column(table, per)
        total = np.divide(total, divisor, out=np.full_like(total, np.nan), where=divisor != 0)
    return total


def _scaled_number(content: Mapping[str, Any]) -> ScaledNumber:
    lists = {name: tuple(content[name]) for name in ("columns", "knots", "ranks")}
    return ScaledNumber(**{**content, **lists})


def _column(table: Columns, name: str) -> Floats:
    if name not in table.schema.names:
        raise InputError(f"The features lack the column {name}.")
    # Unsafe: an amount above 2**53 won may be rounded.
    values = to_numpy(pc.cast(table[name], pa.float64(), safe=False))
    if np.isinf(values).any():
        raise InputError(f"The column {name} holds infinite numbers.")
    return values


def to_numpy(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[Any]:
    """Return a column as a NumPy array, nulls of numbers as NaN."""
    if isinstance(column, pa.ChunkedArray):
        return np.asarray(column.to_numpy())
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _fit_number(number: Number, table: Columns, weight: float) -> ScaledNumber:
    columns = number.columns or (number.name,)
    values = read_number(table, columns, number.per)
    knots, ranks = _rank_knots(values) if number.scale == "rank" else ((), ())
    raw = ScaledNumber(
        name=number.name, group=number.group, scale=number.scale, weight=weight, median=0.0,
        centre=0.0, spread=1.0, flag_missing=False, columns=columns, per=number.per,
        knots=knots, ranks=ranks,
    )  # fmt: skip
    tamed = raw.tame(values)
    known = tamed[~np.isnan(tamed)]
    # A column without any value is a constant: it adds nothing to a distance.
    median = float(np.median(known)) if len(known) else 0.0
    filled = np.where(np.isnan(tamed), median, tamed)
    spread = float(filled.std())
    if number.scale == "log":
        spread = max(spread, SMALLEST_SPREAD)
    return replace(
        raw,
        median=median,
        centre=float(filled.mean()),
        spread=spread or 1.0,
        flag_missing=len(known) < len(values),
    )


def _rank_knots(values: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return quantiles and their ranks; equal quantiles share the middle of their ranks."""
    known = values[~np.isnan(values)]
    if not len(known):
        return (), ()
    grid = np.linspace(0, 1, QUANTILES)
    knots, inverse = np.unique(np.quantile(known, grid), return_inverse=True)
    ranks = np.bincount(inverse, weights=grid) / np.bincount(inverse)
    return tuple(knots.tolist()), tuple(ranks.tolist())


def _feature_weights(features: FeatureSet, weights: Mapping[str, float]) -> dict[str, float]:
    groups = list(features.groups.values())
    if set(weights) != set(groups) or not all(weight >= 0 for weight in weights.values()):
        raise InputError(
            f"Group weights must be given, not negative, for {', '.join(sorted(set(groups)))}."
        )
    total = sum(weights.values())
    if not 0 < total < math.inf:
        raise InputError("At least one group weight must be positive, and all finite.")
    return {
        name: weights[group] / total / groups.count(group)
        for name, group in features.groups.items()
    }
