"""What the customers of a segment are like, against all customers of the family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from passbook.segments.features import Columns, Scaling


@dataclass(frozen=True)
class NumberProfile:
    """A numeric feature of one segment; `effect` is in standard deviations of the tamed scale.

    What nobody in the segment has a value of is NaN.
    """

    feature: str
    mean: float
    median: float
    overall_mean: float
    overall_median: float
    effect: float


@dataclass(frozen=True)
class CategoryProfile:
    """The share of a category's value inside one segment and overall."""

    feature: str
    value: str
    share: float
    overall_share: float


@dataclass(frozen=True)
class SegmentProfile:
    """All features of one segment."""

    customers: int
    share: float
    numbers: tuple[NumberProfile, ...]
    categories: tuple[CategoryProfile, ...]


def profile_segments(
    table: Columns, scaling: Scaling, labels: npt.NDArray[Any], segments: int
) -> list[SegmentProfile]:
    """Describe each of the segments 0 to `segments` - 1, empty ones by NaN.

    Parameters
    ----------
    table : pyarrow.Table
        The columns of the feature set, n rows.
    scaling : Scaling
    labels : (n,) int
    segments : int
    """
    customers = np.bincount(labels, minlength=segments)
    numbers = [_numbers(table, scaling, j, labels, customers) for j in range(len(scaling.numbers))]
    categories = [
        _categories(table, scaling, j, labels, customers) for j in range(len(scaling.categories))
    ]
    return [
        SegmentProfile(
            int(customers[s]),
            float(customers[s] / len(labels)),
            tuple(column[s] for column in numbers),
            tuple(value for column in categories for value in column[s]),
        )
        for s in range(segments)
    ]


def _numbers(
    table: Columns,
    scaling: Scaling,
    j: int,
    labels: npt.NDArray[Any],
    customers: npt.NDArray[np.int64],
) -> list[NumberProfile]:
    number = scaling.numbers[j]
    values = number.read(table)
    known = ~np.isnan(values)
    count = np.bincount(labels[known], minlength=len(customers))
    sums = np.bincount(labels[known], weights=values[known], minlength=len(customers))
    standard = number.standard(values)
    standard_sums = np.bincount(labels, weights=standard, minlength=len(customers))
    with np.errstate(invalid="ignore"):  # an empty segment has no mean
        means = sums / count
        effects = standard_sums / customers - standard.mean()
    overall = float(sums.sum() / count.sum()) if count.sum() else float("nan")
    return [
        NumberProfile(
            number.name,
            float(means[segment]),
            _median(values[known & (labels == segment)]),
            overall,
            _median(values[known]),
            float(effects[segment]),
        )
        for segment in range(len(customers))
    ]


def _median(values: npt.NDArray[np.float64]) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def _categories(
    table: Columns,
    scaling: Scaling,
    j: int,
    labels: npt.NDArray[Any],
    customers: npt.NDArray[np.int64],
) -> list[list[CategoryProfile]]:
    category = scaling.categories[j]
    values = ("missing", *category.values, "other")
    codes = category.encode(table[category.name]).astype(np.int64)
    counts = np.bincount(
        labels.astype(np.int64) * len(values) + codes, minlength=len(customers) * len(values)
    ).reshape(len(customers), len(values))
    overall = counts.sum(axis=0) / max(counts.sum(), 1)
    shares = counts / np.maximum(customers[:, None], 1)
    return [
        [
            CategoryProfile(category.name, value, float(share), float(all_share))
            for value, share, all_share in zip(values, row, overall, strict=True)
            if all_share > 0
        ]
        for row in shares
    ]
