"""From any DataFrame to a float32 matrix: numbers as they are, categories by their default rate."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import TargetEncoder

from passbook.errors import CreditInputError

_FOLDS: Final = 5
_DATES: Final = frozenset({"date", "datetime", "datetime64", "timedelta", "time", "period"})
_WITHOUT_ORDER: Final = frozenset({"complex", "interval", "bytes"})


@dataclass(frozen=True)
class ColumnEncoding:
    """How a column becomes numbers.

    Attributes
    ----------
    name : str
    rates : dict[str, float], optional
        Default rate of each category, drawn in to the overall one where it has few rows; None for
        a number. A category that training has not seen is missing.
    """

    name: str
    rates: dict[str, float] | None = None


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
        table = _named(X)
        absent = sorted(set(self.names) - set(table.columns))
        if absent:
            raise CreditInputError(f"The model needs columns that are not there: {absent}.")
        return np.column_stack([_encoded(table[column.name], column) for column in self.columns])


def fit(
    X: pd.DataFrame, defaulted: np.ndarray, protected: Collection[str], *, seed: int = 0
) -> tuple[Encoding, np.ndarray]:
    """Choose how each column that is not protected is encoded, and encode the training rows.

    Parameters
    ----------
    X : pandas.DataFrame
        Numbers, flags, text and categories; missing values are welcome, dates are not.
    defaulted : numpy.ndarray of bool, shape (rows,)
    protected : collection of str
        Columns that must not be features.
    seed : int

    Returns
    -------
    Encoding
    numpy.ndarray of float32, shape (rows, columns)
        A row's category has the rate that *other* rows of it have (cross-fitting): its own outcome
        would give it away, most of all in a column of nearly as many categories as rows.

    Raises
    ------
    CreditInputError
        E502 when no column is left, two have one name, or one is of a kind that has no order.

    Notes
    -----
    Rates are drawn in by empirical Bayes: D. Micci-Barreca, "A preprocessing scheme for
    high-cardinality categorical attributes", 2001; scikit-learn's ``TargetEncoder``.
    """
    table = _named(X)
    kept_out = set(map(str, protected))
    wanted = [name for name in table.columns if name not in kept_out]
    if not wanted:
        raise CreditInputError("No column is left to learn from.")
    bad = np.asarray(defaulted, bool)
    chosen, encoded = [], []
    for name in wanted:
        column = table[name]
        _refuse_what_has_no_order(column)
        if _is_number(column):
            chosen.append(ColumnEncoding(name))
            encoded.append(_encoded(column, chosen[-1]))
        else:
            rates, values = _cross_fitted(column, bad, seed)
            chosen.append(ColumnEncoding(name, rates))
            encoded.append(values)
    return Encoding(tuple(chosen)), np.column_stack(encoded)


def _named(X: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its columns' names as text."""
    if not isinstance(X, pd.DataFrame):
        raise CreditInputError(f"A pandas DataFrame is needed, not {type(X).__name__}.")
    table = X.set_axis([str(name) for name in X.columns], axis=1)
    if table.columns.has_duplicates:
        raise CreditInputError("Two columns have the same name.")
    return table


def _is_number(column: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column))


def _refuse_what_has_no_order(column: pd.Series[Any]) -> None:
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind in _DATES or pd.api.types.is_datetime64_any_dtype(column):
        raise CreditInputError(f"{column.name} is a date; turn it into a number of days.")
    if kind in _WITHOUT_ORDER:
        raise CreditInputError(f"{column.name} holds {kind} values, which have no order.")
    if column.dtype == object and any(map(pd.api.types.is_list_like, column.array[:1000])):
        raise CreditInputError(f"{column.name} holds lists or other things with parts.")


def _cross_fitted(
    column: pd.Series[Any], bad: np.ndarray, seed: int
) -> tuple[dict[str, float], np.ndarray]:
    text = _text(column)
    known = text.notna().to_numpy()
    values = np.full(len(text), np.nan, np.float32)
    label = bad[known].astype(int)
    fewest = min(label.sum(), len(label) - label.sum())
    if fewest < _FOLDS:  # too few to say anything of a category
        return {}, values
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    encoder = TargetEncoder(target_type="binary", cv=folds, smooth="auto")
    content = text[known].to_numpy(object)[:, None]
    values[known] = encoder.fit_transform(content, label)[:, 0]
    rates = zip(encoder.categories_[0], encoder.encodings_[0], strict=True)
    return {str(name): float(np.float32(rate)) for name, rate in rates}, values


def _encoded(column: pd.Series[Any], encoding: ColumnEncoding) -> np.ndarray:
    if encoding.rates is not None:
        rates = pd.Series(encoding.rates, dtype=np.float32)
        return np.asarray(_text(column).astype(object).map(rates), np.float32)
    if not _is_number(column) and column.notna().any():
        raise CreditInputError(f"{encoding.name} was a number in training and is not one now.")
    if pd.api.types.is_complex_dtype(column):
        raise CreditInputError(f"{encoding.name} holds complex values, which have no order.")
    values = column.to_numpy(np.float64, na_value=np.nan)
    if np.isinf(values).any():
        raise CreditInputError(f"{encoding.name} is infinite in {np.isinf(values).sum()} rows.")
    limit = np.finfo(np.float32).max
    return values.clip(-limit, limit).astype(np.float32)


def _text(column: pd.Series[Any]) -> pd.Series[Any]:
    return column.astype("string").reset_index(drop=True)
