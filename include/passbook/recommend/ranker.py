"""The two-stage ranker: evidence weighed by a conditional logit, then refined by boosted trees.

The first stage ranks every product; the second, XGBoost on the softmax of a customer's choices,
starts from its margins and corrects the best candidates. At the end the transitions' own logarithm
is added: averaging two rankings of nearly equal quality errs less than either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from passbook.recommend import basket_kernels
from passbook.recommend.conditional_logit import Doubles, fit_conditional_logit
from passbook.recommend.context import Context
from passbook.recommend.evidence import (
    FOLLOWERS,
    POPULARITY_30D,
    POPULARITY_90D,
    Evidence,
    gather,
)
from passbook.recommend.interactions import Floats
from passbook.recommend.purchases import Ints, days_since_epoch
from passbook.recommend.ranker_windows import WINDOW_DAYS, Window, never_bought, windows

if TYPE_CHECKING:
    from passbook.recommend.recommenders import Training

CANDIDATES: Final = 20
ROUNDS: Final = 60
FEWEST_CHOICES: Final = 100
"""Customers with a choice that trees are grown on; with fewer the first stage stands alone."""
TREES: Final[dict[str, Any]] = {
    "max_depth": 3,
    "eta": 0.05,
    "min_child_weight": 5,
    "reg_lambda": 20,
    "subsample": 0.7,
    "colsample_bytree": 0.7,
    "base_score": 0.0,
    "disable_default_eval_metric": 1,
    # One thread: sums in one order, the same trees on any machine.
    "nthread": 1,
}


@dataclass(frozen=True)
class Ranker:
    """A fitted ranker.

    Attributes
    ----------
    name : str
    evidence : Evidence
        As of the end of training.
    weights : float64 array of shape (features,)
        Of the first stage.
    month : int
        Calendar month that is ranked for.
    trees : bytes
        XGBoost's model in UBJSON; empty when the first stage stands alone.
    """

    name: str
    evidence: Evidence
    weights: Doubles
    month: int
    trees: bytes

    def score(self, context: Context) -> Floats:
        """Return the margins of every product for every customer."""
        features = list(self.evidence.features(context, self.month))
        margin = _weighted(features, self.weights)
        columns, products = self.evidence.columns, context.baskets.shape[1]
        if self.trees:
            offered = np.zeros(products, dtype=bool)
            offered[columns] = True
            best = _best(np.where(never_bought(context.baskets, offered), margin, -np.inf))
            rows = np.arange(len(best))[:, None]
            inputs = _tree_inputs(features, context, rows, best)
            booster = xgb.Booster(model_file=bytearray(self.trees))
            refined = booster.inplace_predict(
                inputs, base_margin=margin[rows, best].ravel(), predict_type="margin"
            )
            margin[rows, best] = refined.reshape(best.shape)
        scores = np.full((len(margin), products), -np.inf, dtype=np.float32)
        scores[:, columns] = margin + features[FOLLOWERS]
        return scores

    def leading_owned(self, context: Context, offered: Ints) -> Ints:
        """Return the owned product after which each offered one was acquired most often."""
        position = np.full(context.baskets.shape[1] + 1, -1, dtype=np.int32)
        position[self.evidence.columns] = np.arange(len(self.evidence.columns), dtype=np.int32)
        return self.evidence.followers.leading_owned(context, position[offered])

    def on_products(self, place: npt.NDArray[np.int64]) -> Ranker:
        """Return the ranker over another product list, -1 for a product it has never seen."""
        return replace(self, evidence=self.evidence.on_products(place))

    def own_group(self, segment: Ints) -> npt.NDArray[np.bool_]:
        """Return whose segment's shares are among the evidence."""
        return np.asarray((segment >= 0) & (segment + 1 < len(self.evidence.traits[0])))


def fit_ranker(training: Training) -> Ranker:
    """Fit both stages on past windows; the evidence is counted up to the end of training."""
    past = list(windows(training))
    context = Context(training.train, training.segment, training.profile)
    evidence = gather(context, training.offered)
    month = (training.train.as_of + timedelta(days=WINDOW_DAYS // 2)).month
    weights = _default_weights(evidence)
    trees = b""
    if sum(len(w.taken) for w in past) >= FEWEST_CHOICES:
        stacked = [np.stack(list(w.evidence.features(w.context, w.month)), axis=2) for w in past]
        weights = fit_conditional_logit(
            np.concatenate(stacked),
            np.concatenate([w.open_to for w in past]),
            np.concatenate([w.taken for w in past]),
        )
        trees = _grow(past, stacked, weights, training.random_state)
    return Ranker("ranker", evidence, weights, month, trees)


def _default_weights(evidence: Evidence) -> Doubles:
    """Weigh transitions and recent popularity alike where nothing can be learnt."""
    weights = np.zeros(evidence.width)
    weights[[FOLLOWERS, POPULARITY_90D]] = 1.0
    return weights


def _weighted(features: Sequence[Floats], weights: Doubles) -> Floats:
    margin = np.zeros(features[0].shape, dtype=np.float32)
    for feature, weight in zip(features, weights, strict=True):
        margin += np.float32(weight) * feature
    return margin


def _best(margin: Floats) -> Ints:
    k = min(CANDIDATES, margin.shape[1])
    items = np.zeros((len(margin), k), dtype=np.int32)
    scores = np.full(items.shape, -np.inf, dtype=np.float32)
    everything = np.ones((1, margin.shape[1]), dtype=bool)
    nobody_special = np.zeros(len(margin), dtype=np.int32)
    basket_kernels.best_allowed(margin, nobody_special, everything, items, scores)
    return items


def _tree_inputs(
    features: Sequence[Floats],
    context: Context,
    rows: npt.NDArray[np.int64],
    items: Ints,
) -> Floats:
    """Return a row of inputs a candidate: evidence, trend, and how the customer stands."""
    baskets = context.baskets
    owned = np.diff(baskets.indptr)
    newest = np.full(len(owned), np.nan)
    oldest = np.full(len(owned), np.nan)
    some = np.flatnonzero(owned)
    if len(some):
        age = days_since_epoch(baskets.as_of) - baskets.first_day
        newest[some] = np.minimum.reduceat(age, baskets.indptr[some])
        oldest[some] = np.maximum.reduceat(age, baskets.indptr[some])
    columns = [feature[rows, items] for feature in features]
    columns.append(columns[POPULARITY_30D] - columns[POPULARITY_90D])
    columns.extend(np.broadcast_to(v[:, None], items.shape) for v in (owned, newest, oldest))
    return np.stack(columns, axis=2).reshape(-1, len(columns)).astype(np.float32)


def _grow(
    past: Sequence[Window], stacked: Sequence[Floats], weights: Doubles, random_state: int
) -> bytes:
    """Grow trees on the candidates of each past choice, starting at the first stage's margins."""
    inputs, margins, labels, sizes = [], [], [], []
    for window, features in zip(past, stacked, strict=True):
        margin = np.where(window.open_to, features @ weights, -np.inf).astype(np.float32)
        best = _best(np.where(window.taken > 0, np.float32(np.inf), margin))
        rows = np.arange(len(best))[:, None]
        usable = window.open_to[rows, best]
        by_feature = np.moveaxis(features, 2, 0)
        x = _tree_inputs(list(by_feature), window.context, rows, best)
        inputs.append(x[usable.ravel()])
        margins.append(margin[rows, best][usable])
        labels.append(window.taken[rows, best][usable])
        sizes.append(usable.sum(axis=1))
    size = np.concatenate(sizes)
    matrix = xgb.DMatrix(
        np.concatenate(inputs), label=np.concatenate(labels), base_margin=np.concatenate(margins)
    )
    booster = xgb.train(
        {**TREES, "seed": random_state}, matrix, ROUNDS, obj=_choice_objective(size)
    )
    return bytes(booster.save_raw("ubj"))


def _choice_objective(size: npt.NDArray[np.int64]) -> Any:
    """Return the softmax loss over each customer's candidates, `size` of them in a row."""
    size = size[size > 0]
    start = np.concatenate([[0], np.cumsum(size)[:-1]])

    def objective(margin: Floats, matrix: xgb.DMatrix) -> tuple[Floats, Floats]:
        highest = np.repeat(np.maximum.reduceat(margin, start), size)
        odds = np.exp(margin - highest)
        share = odds / np.repeat(np.add.reduceat(odds, start), size)
        label = matrix.get_label()
        total = np.repeat(np.add.reduceat(label, start), size)
        return total * share - label, np.maximum(total * share * (1.0 - share), 1e-6)

    return objective
