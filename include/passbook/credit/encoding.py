"""From any DataFrame to a float32 matrix: numbers as they are, categories by their risk."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from passbook.errors import CreditInputError

PRIOR_ROWS: Final = 20.0
"""Rows at the overall default rate that are added to every category before they are ordered."""


@dataclass(frozen=True)
class ColumnEncoding:
    """How a column becomes numbers.

    Attributes
    ----------
    name : str
    categories : tuple of str, optional
        Ascending in risk, so that a tree parts them as it parts numbers; None for a number. A
        category that training has not seen is missing.
    """

    name: str
    categories: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Encoding:
    """How the columns of a table become a matrix."""

    columns: tuple[ColumnEncoding, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Columns in the matrix's order."""
        return tuple(column.name for column in self.columns)

    def matrix(self, X: pd.DataFrame) -> np.ndarray:
        """Return a float32 matrix of shape (rows, columns); missing is NaN.

        Raises
        ------
        CreditInputError
            E502 when a column is not there, is not a number any more, or is infinite somewhere.
        """
        absent = sorted(set(self.names) - set(map(str, X.columns)))
        if absent:
            raise CreditInputError(f"The model needs columns that are not there: {absent}.")
        return np.column_stack([_encoded(X[column.name], column) for column in self.columns])


def fit(X: pd.DataFrame, defaulted: np.ndarray, protected: Collection[str]) -> Encoding:
    """Choose how each column that is not protected is encoded.

    Parameters
    ----------
    X : pandas.DataFrame
        Numbers, flags, text and categories; missing values are welcome, dates are not.
    defaulted : numpy.ndarray of bool, shape (rows,)
    protected : collection of str
        Columns that must not be features.

    Raises
    ------
    CreditInputError
        E502 when no column is left, two have one name, or one is of a kind that has no order.
    """
    if X.columns.has_duplicates:
        raise CreditInputError("Two columns have the same name.")
    wanted = [name for name in X.columns if name not in set(protected)]
    if not wanted:
        raise CreditInputError("No column is left to learn from.")
    return Encoding(tuple(_chosen(X[name], defaulted) for name in wanted))


def _chosen(column: pd.Series[Any], defaulted: np.ndarray) -> ColumnEncoding:
    name = str(column.name)
    if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(column):
        raise CreditInputError(f"{name} is a date; turn it into a number of days.")
    if pd.api.types.is_numeric_dtype(column):
        return ColumnEncoding(name)
    text = _text(column)
    outcome = pd.Series(np.asarray(defaulted, float), index=text.index)
    grouped = outcome.groupby(text).agg(["sum", "count"])
    rate = (grouped["sum"] + PRIOR_ROWS * outcome.mean()) / (grouped["count"] + PRIOR_ROWS)
    ordered = sorted(zip(rate, map(str, rate.index), strict=True))
    return ColumnEncoding(name, tuple(category for _, category in ordered))


def _encoded(column: pd.Series[Any], encoding: ColumnEncoding) -> np.ndarray:
    if encoding.categories is not None:
        codes = pd.Index(encoding.categories, dtype="string").get_indexer(pd.Index(_text(column)))
        return np.where(codes < 0, np.nan, codes).astype(np.float32)
    if not pd.api.types.is_numeric_dtype(column) and column.notna().any():
        raise CreditInputError(f"{encoding.name} was a number in training and is not one now.")
    values = column.to_numpy(np.float64, na_value=np.nan)
    if np.isinf(values).any():
        raise CreditInputError(f"{encoding.name} is infinite in {np.isinf(values).sum()} rows.")
    limit = np.finfo(np.float32).max
    return values.clip(-limit, limit).astype(np.float32)


def _text(column: pd.Series[Any]) -> pd.Series[Any]:
    return column.astype("string").reset_index(drop=True)
