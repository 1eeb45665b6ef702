"""`CreditModel`: a credit index over any table of customers."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit

from passbook.credit import default_risk, encoding, model_file, reasons
from passbook.credit.boosting import TreeSettings
from passbook.credit.calibration import Method
from passbook.credit.default_risk import DefaultRisk
from passbook.credit.encoding import ColumnEncoding, Encoding
from passbook.credit.index import IndexScale
from passbook.errors import CreditError, CreditInputError

THOROUGH: Final = TreeSettings(
    max_depth=6,
    learning_rate=0.02,
    min_child_weight=30.0,
    colsample_bynode=0.25,
    reg_lambda=10.0,
)
"""Many small steps with few columns each: slower to fit and to score than the weekly model's
settings, and a little better on small tables."""
_FILE: Final = "credit_model.json"


class CreditModel:
    """A calibrated model of default with an index from 300 to 850 and reasons.

    Parameters
    ----------
    protected : collection of str
        Columns that never become features, such as sex and age.
    risk : Mapping[str, int], optional
        Of numbers: 1, more never raises the index; -1, more never lowers it.
    labels : Mapping[str, str], optional
        Words for a column in reasons; else its name.
    settings : TreeSettings
    scale : IndexScale
    calibrated : {"platt", "isotonic"}
    seed, threads : int
        The result depends on the seed, never on the number of threads.

    Examples
    --------
    >>> model = CreditModel(protected=["sex"]).fit(X, y)        # doctest: +SKIP
    >>> model.score(X), model.reasons(X, n=4)                   # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        protected: Collection[str] = (),
        risk: Mapping[str, int] | None = None,
        labels: Mapping[str, str] | None = None,
        settings: TreeSettings = THOROUGH,
        scale: IndexScale | None = None,
        calibrated: Method = "platt",
        seed: int = 0,
        threads: int = 2,
    ) -> None:
        self.protected = tuple(protected)
        self.risk = dict(risk or {})
        self.labels = dict(labels or {})
        self.settings = settings
        self.scale = scale or IndexScale()
        self.calibrated: Method = calibrated
        self.seed = seed
        self.threads = threads
        self._fitted: tuple[Encoding, DefaultRisk] | None = None

    def fit(self, X: pd.DataFrame, y: ArrayLike) -> CreditModel:
        """Fit on a table and its outcomes.

        Parameters
        ----------
        X : pandas.DataFrame
            Numbers and categories as they come; missing values are fine.
        y : array-like, shape (rows,)
            True or 1 for a default.

        Raises
        ------
        CreditInputError
            E502 when the table or the outcomes cannot be used.
        OutcomeError
            E501 when one of the outcomes is too rare.
        """
        bad = _outcomes(y, len(X))
        columns, matrix = encoding.fit(X, bad, self.protected, seed=self.seed)
        numbers = {column.name for column in columns.columns if column.rates is None}
        unknown = sorted(set(self.risk) - numbers)
        if unknown:
            raise CreditInputError(
                f"risk names columns that are no numbers to learn from: {unknown}."
            )
        if not set(self.risk.values()) <= {-1, 0, 1}:
            raise CreditInputError("A direction of risk is 1, 0 or -1.")
        model = default_risk.fit(
            matrix,
            bad,
            names=columns.names,
            risk=[self.risk.get(name, 0) for name in columns.names],
            settings=self.settings,
            scale=self.scale,
            seed=self.seed,
            threads=self.threads,
            calibrated=self.calibrated,
        )
        self._fitted = columns, model
        return self

    def predict_default(self, X: pd.DataFrame) -> np.ndarray:
        """Return calibrated probabilities of default, shape (rows,)."""
        columns, model = self._use()
        return np.asarray(expit(model.log_odds(columns.matrix(X))))

    def score(self, X: pd.DataFrame) -> np.ndarray:
        """Return the index, 300 (riskiest) to 850, as int32, shape (rows,)."""
        columns, model = self._use()
        return self.scale.index(model.log_odds(columns.matrix(X)))

    def contributions(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return points a column and ``start``; a row adds up to its unclipped index."""
        columns, model = self._use()
        parts = model.contributions(columns.matrix(X))
        points = -self.scale.factor * parts
        points[:, -1] = self.scale.points(parts[:, -1])
        return pd.DataFrame(points, columns=[*columns.names, "start"], index=X.index)

    def reasons(self, X: pd.DataFrame, n: int = 4) -> list[list[str]]:
        """Return up to `n` sentences a row, strongest first.

        Below the base index they say what lowers it, else what supports it.
        """
        columns, model = self._use()
        parts = model.contributions(columns.matrix(X))
        adverse = self.scale.index(parts.sum(axis=1)) < self.scale.base
        place, filled = reasons.choose(parts[:, :-1], adverse, n)
        words = reasons.english([self.labels.get(name, name) for name in columns.names])
        found: list[list[str]] = reasons.in_words(place, filled, adverse, words).to_pylist()
        return found

    def save(self, path: str | Path) -> None:
        """Write the model to one file, without pickle."""
        columns, model = self._use()
        described = {
            "columns": [asdict(column) for column in columns.columns],
            "protected": self.protected,
            "risk": self.risk,
            "labels": self.labels,
            "settings": asdict(self.settings),
            "calibrated": self.calibrated,
            "seed": self.seed,
        }
        files = {_FILE: json.dumps(described, ensure_ascii=False).encode(), **model.to_files()}
        model_file.write(Path(path), files)

    @classmethod
    def load(cls, path: str | Path, *, threads: int = 2) -> CreditModel:
        """Read a model that `save` wrote.

        Raises
        ------
        ArtifactError
            E602 when the file is missing, cut short or altered.
        """
        files = model_file.read(Path(path))
        described: dict[str, Any] = json.loads(files[_FILE])
        model = DefaultRisk.from_files(files)
        loaded = cls(
            protected=described["protected"],
            risk=described["risk"],
            labels=described["labels"],
            settings=TreeSettings(**described["settings"]),
            scale=model.scale,
            calibrated=described["calibrated"],
            seed=described["seed"],
            threads=threads,
        )
        columns = tuple(
            ColumnEncoding(item["name"], item["rates"]) for item in described["columns"]
        )
        loaded._fitted = Encoding(columns), model
        return loaded

    def _use(self) -> tuple[Encoding, DefaultRisk]:
        if self._fitted is None:
            raise CreditError("The model has not been fitted: call fit first.")
        return self._fitted


def _outcomes(y: ArrayLike, rows: int) -> np.ndarray:
    outcome = np.asarray(y)
    if outcome.shape != (rows,):
        raise CreditInputError(f"{rows} rows need {rows} outcomes; there are {outcome.shape}.")
    try:
        numbers = outcome.astype(np.float64)
    except (TypeError, ValueError):
        raise CreditInputError("Outcomes must be 0 or 1.") from None
    if not np.isin(numbers, (0.0, 1.0)).all():
        raise CreditInputError("Outcomes must be 0 or 1, and none may be missing.")
    return numbers.astype(bool)
