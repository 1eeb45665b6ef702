"""Classifiers of behaviour styles: boosted trees, a random forest, a small neural network.

All three answer `probabilities` and travel as plain files.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

import numba
import numpy as np
import xgboost as xgb
from scipy.special import softmax
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from passbook.contracts import STYLES
from passbook.credit import boosting
from passbook.credit.tree_contributions import ContributionTables, compile_trees

_FILE: Final = "style.json"


class StyleModel(Protocol):
    """A fitted classifier of behaviour styles."""

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the feature matrix."""

    def probabilities(self, matrix: np.ndarray) -> np.ndarray:
        """Return the probability of each of `contracts.STYLES`, shape (rows, 4)."""

    def to_files(self) -> dict[str, bytes]:
        """Return the model as files."""


@dataclass(frozen=True)
class StyleTrees:
    """Boosted trees, or a random forest."""

    names: tuple[str, ...]
    booster: xgb.Booster

    def probabilities(self, matrix: np.ndarray) -> np.ndarray:
        """Return the probability of each of `contracts.STYLES`, shape (rows, 4)."""
        margins = [tables.margins(matrix) for tables in self._tables]
        return np.asarray(softmax(np.column_stack(margins), axis=1))

    def to_files(self) -> dict[str, bytes]:
        """Return the model as files: JSON and XGBoost's ``.ubj``."""
        return {
            _FILE: json.dumps({"kind": "trees", "names": self.names}).encode(),
            "style.ubj": boosting.to_bytes(self.booster),
        }

    @cached_property
    def _tables(self) -> list[ContributionTables]:
        return [
            compile_trees([self.booster], output=style, explain=False)
            for style in range(len(STYLES))
        ]


@dataclass(frozen=True)
class StyleNetwork:
    """A network with one hidden layer, on logarithms in units of their spread.

    Attributes
    ----------
    names : tuple of str
    mean, spread : numpy.ndarray, shape (features,)
        Of ``log(1 + value)``; a missing value counts as the mean.
    weights, biases : tuple of numpy.ndarray
        A pair a layer.
    """

    names: tuple[str, ...]
    mean: np.ndarray
    spread: np.ndarray
    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]

    def probabilities(self, matrix: np.ndarray) -> np.ndarray:
        """Return the probability of each of `contracts.STYLES`, shape (rows, 4)."""
        signal = standardised(matrix, self.mean, self.spread)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            signal = np.maximum(_dense(signal, weight, bias), 0.0)
        return np.asarray(softmax(_dense(signal, self.weights[-1], self.biases[-1]), axis=1))

    def to_files(self) -> dict[str, bytes]:
        """Return the model as files: JSON and ``.npz`` without pickle."""
        arrays = {"mean": self.mean, "spread": self.spread}
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            arrays |= {f"weight_{layer}": weight, f"bias_{layer}": bias}
        content = io.BytesIO()
        np.savez(content, **arrays)  # type: ignore[arg-type]
        described = {"kind": "network", "names": self.names, "layers": len(self.weights)}
        return {_FILE: json.dumps(described).encode(), "style.npz": content.getvalue()}


def from_files(files: Mapping[str, bytes]) -> StyleModel:
    """Read what a style model's ``to_files`` gave."""
    described = json.loads(files[_FILE])
    names = tuple(described["names"])
    if described["kind"] == "trees":
        return StyleTrees(names, boosting.from_bytes(files["style.ubj"]))
    with np.load(io.BytesIO(files["style.npz"]), allow_pickle=False) as arrays:
        layers = range(described["layers"])
        return StyleNetwork(
            names,
            arrays["mean"],
            arrays["spread"],
            tuple(arrays[f"weight_{layer}"] for layer in layers),
            tuple(arrays[f"bias_{layer}"] for layer in layers),
        )


def standardised(matrix: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return ``log(1 + value)`` in units of the spread around the mean; missing is 0."""
    return np.asarray(np.nan_to_num((np.log1p(matrix) - mean) / spread, nan=0.0))


@numba.njit(cache=True, nogil=True)
def _dense(signal: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return ``signal @ weight + bias``; BLAS's last digits vary with the rows of a block."""
    rows, inputs = signal.shape
    found = np.empty((rows, weight.shape[1]))
    for row in range(rows):
        found[row] = bias
        for place in range(inputs):
            value = signal[row, place]
            for out in range(weight.shape[1]):
                found[row, out] += value * weight[place, out]
    return found


def fit_boosted(
    matrix: np.ndarray, label: np.ndarray, stop: np.ndarray, names: Sequence[str], seed: int
) -> StyleTrees:
    """Fit boosted trees; the rows of the mask `stop` end the training early."""
    parameters = {"max_depth": 3, "learning_rate": 0.15, "subsample": 0.8, "min_child_weight": 5}
    booster = _train(matrix, label, stop, parameters, rounds=400, seed=seed)
    return StyleTrees(tuple(names), booster)


def fit_forest(
    matrix: np.ndarray, label: np.ndarray, stop: np.ndarray, names: Sequence[str], seed: int
) -> StyleTrees:
    """Fit a random forest (XGBoost's, so that it travels without pickle)."""
    parameters = {
        "num_parallel_tree": 50,
        "max_depth": 8,
        "learning_rate": 1.0,
        "subsample": 0.63,
        "reg_lambda": 1e-3,
    }
    return StyleTrees(tuple(names), _train(matrix, label, stop, parameters, rounds=1, seed=seed))


def fit_network(
    matrix: np.ndarray, label: np.ndarray, stop: np.ndarray, names: Sequence[str], seed: int
) -> StyleNetwork:
    """Fit scikit-learn's network on the rows outside the mask `stop`."""
    logarithm = np.log1p(matrix[~stop].astype(np.float64))
    known = np.where(np.isfinite(logarithm).any(axis=0), logarithm, 0.0)
    mean, spread = np.nanmean(known, axis=0), np.nanstd(known, axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    network = MLPClassifier((32,), alpha=1e-3, early_stopping=True, max_iter=100, random_state=seed)
    with threadpool_limits(1):  # sums, and so weights, would depend on the number of threads
        network.fit(standardised(matrix[~stop], mean, spread), label[~stop])
    return StyleNetwork(
        tuple(names), mean, spread, tuple(network.coefs_), tuple(network.intercepts_)
    )


def _train(
    matrix: np.ndarray,
    label: np.ndarray,
    stop: np.ndarray,
    parameters: Mapping[str, float],
    *,
    rounds: int,
    seed: int,
) -> xgb.Booster:
    fixed = {
        "objective": "multi:softprob",
        "num_class": len(STYLES),
        "eval_metric": "mlogloss",
        "base_score": 0.0,
        "tree_method": "hist",
        "colsample_bynode": 0.5,
        "nthread": 1,  # the trees would otherwise depend on the number of threads
        "seed": seed,
    }
    data = xgb.QuantileDMatrix(matrix[~stop], label[~stop], nthread=1)
    watch = xgb.QuantileDMatrix(matrix[stop], label[stop], ref=data, nthread=1)
    booster = xgb.train(
        fixed | dict(parameters),
        data,
        rounds,
        evals=[(watch, "stop")],
        early_stopping_rounds=15 if rounds > 1 else None,
        verbose_eval=False,
    )
    return booster[: booster.best_iteration + 1] if rounds > 1 else booster
