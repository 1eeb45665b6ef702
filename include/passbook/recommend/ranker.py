"""The two-stage ranker: a conditional logit over all evidence, then refined by boosted trees.

The first stage ranks every product; the second, XGBoost on the softmax of a customer's choices,
starts from its margins and corrects the best candidates. At the end some of the transitions' own
logarithm is added: averaging two rankings of nearly equal quality errs less than either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from numba import get_num_threads

from passbook.recommend import choice_kernels, top_kernels
from passbook.recommend.conditional_logit import Choices, Utility, fit_conditional_logit
from passbook.recommend.context import Context
from passbook.recommend.customer_codes import CodeLayout, layout_of, newest_days
from passbook.recommend.evidence import (
    FLOOR,
    FOLLOWERS,
    POPULARITY_30D,
    POPULARITY_90D,
    Evidence,
    gather,
)
from passbook.recommend.interactions import Floats
from passbook.recommend.likely_segments import fit_likely_segments, with_likely_segments
from passbook.recommend.past_months import learns_from_holders, month_after
from passbook.recommend.purchases import Ints
from passbook.recommend.ranker_windows import Window, never_bought, windows

if TYPE_CHECKING:
    from passbook.recommend.recommenders import Training

CANDIDATES: Final = 20
ROUNDS: Final = 60
FOLLOWERS_SAY: Final = 0.3
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
    utility : Utility
        Weights of the first stage.
    layout : CodeLayout
        Rows of the products' own weights.
    month : int
        Calendar month that is ranked for.
    trees : bytes
        XGBoost's model in UBJSON; empty when the first stage stands alone.
    segments : float32 array of shape (rows, segments)
        Weights by which segments are inferred; of no segment where they are not.
    followers_say : float
        What the logarithm of the transitions' shares counts once more, beside what is learnt.
    """

    name: str
    evidence: Evidence
    utility: Utility
    layout: CodeLayout
    month: int
    trees: bytes
    segments: Floats
    followers_say: float = FOLLOWERS_SAY

    def score(self, context: Context) -> Floats:
        """Return the margins of every product for every customer."""
        columns, products = self.evidence.columns, context.baskets.shape[1]
        if self.segments.size:
            context = with_likely_segments(context, self.month, self.layout, self.segments)
        margin = self.first_stage(context)
        if self.trees:
            offered = np.zeros(products, dtype=bool)
            offered[columns] = True
            best = _best(np.where(never_bought(context.baskets, offered), margin, -np.inf))
            rows = np.arange(len(best))[:, None]
            inputs = _tree_inputs(self.evidence.at(context, self.month, best), context)
            booster = xgb.Booster(model_file=bytearray(self.trees))
            booster.set_param("nthread", str(get_num_threads()))
            refined = booster.inplace_predict(
                inputs, base_margin=margin[rows, best].ravel(), predict_type="margin"
            )
            margin[rows, best] = refined.reshape(best.shape)
        if self.followers_say:
            baskets, followers = context.baskets, self.evidence.followers
            choice_kernels.add_log_sums(
                baskets.indptr, baskets.items, followers.affinity[0], followers.prior[0],
                np.float32(self.followers_say), FLOOR, margin,
            )  # fmt: skip
        scores = np.full((len(margin), products), -np.inf, dtype=np.float32)
        scores[:, columns] = margin
        return scores

    def first_stage(self, context: Context) -> Floats:
        """Return the margins of the first stage, (customers, offered)."""
        evidence, baskets = self.evidence, context.baskets
        margin = np.zeros((len(context.segment), len(evidence.columns)), dtype=np.float32)
        self.layout.margins(context, self.month, self.rows_of_weights, margin)
        if context.likely is not None:
            weight = np.float32(self.utility.shared[evidence.names.index("trait_0")])
            likeliest = evidence.segment_lift(replace(context, likely=None))
            margin += weight * (evidence.segment_lift(context) - likeliest)
        for model, name in ((evidence.followers, "followers"), (evidence.cosine, "cosine")):
            weight = self.utility.shared[evidence.names.index(name)]
            choice_kernels.add_log_sums(
                baskets.indptr, baskets.items, model.affinity[0], model.prior[0],
                np.float32(weight), FLOOR, margin,
            )  # fmt: skip
        return margin

    @cached_property
    def rows_of_weights(self) -> Floats:
        """Everything in the first stage's margins that is a sum of rows, (rows, offered)."""
        tables = self.evidence.tables(self.layout, self.month, self.utility.shared)
        return tables + self.utility.own

    def on_products(self, place: npt.NDArray[np.int64]) -> Ranker:
        """Return the ranker over another product list, -1 for a product it has never seen."""
        evidence = self.evidence.on_products(place)
        position = np.full(self.layout.products, -1, dtype=np.int64)
        position[self.evidence.columns] = np.arange(len(self.evidence.columns))
        rows = self.layout.row_places(place)
        own = self.utility.own[:, position[place[evidence.columns]]]
        own, segments = (
            np.where(rows[:, None] >= 0, weights[rows], np.float32(0))
            for weights in (own, self.segments)
        )
        return replace(
            self,
            evidence=evidence,
            utility=Utility(self.utility.shared, np.ascontiguousarray(own)),
            layout=self.layout.on_products(place),
            segments=segments,
        )

    def own_group(self, segment: Ints) -> npt.NDArray[np.bool_]:
        """Return whose segment's shares are among the evidence."""
        return np.asarray((segment >= 0) & (segment + 1 < len(self.evidence.traits[0])))


def fit_ranker(training: Training) -> Ranker:
    """Fit both stages on past windows; the evidence is counted up to the end of training.

    Where cross-selling learns from holders of the family too, the first stage stands alone: trees
    would correct it towards what holders take.
    """
    past = list(windows(training))
    context = Context(training.train, training.segment, training.profile)
    evidence = gather(context, training.offered)
    month = month_after(training.train.as_of)
    layout = layout_of(context, training.offered)
    utility = _default_utility(evidence, layout)
    trees = b""
    segments = np.empty((layout.rows, 0), dtype=np.float32)
    from_holders = learns_from_holders(training)
    if from_holders:
        segments = fit_likely_segments(past, layout)
        past = [_inferred(window, layout, segments) for window in past]
    if sum(len(w.taken) for w in past) >= FEWEST_CHOICES:
        choices = _choices(past, layout)
        utility = fit_conditional_logit(choices)
        if not from_holders:
            trees = _grow(past, layout, choices, utility, training.random_state)
    say = 0.0 if from_holders else FOLLOWERS_SAY
    return Ranker("ranker", evidence, utility, layout, month, trees, segments, say)


def _inferred(window: Window, layout: CodeLayout, segments: Floats) -> Window:
    """Return a window whose customers are known as the targets of cross-selling are: their
    segments are inferred, also of who held the family then and so has one."""
    if not segments.size:
        return window
    context = with_likely_segments(window.context, window.month, layout, segments, told=False)
    return replace(window, context=context)


def _choices(past: Sequence[Window], layout: CodeLayout) -> Choices:
    stacked = [np.stack(list(w.evidence.features(w.context, w.month)), axis=1) for w in past]
    baskets = [w.context.baskets for w in past]
    sizes = np.concatenate([np.diff(b.indptr) for b in baskets])
    return Choices(
        np.concatenate(stacked),
        np.concatenate([w.open_to for w in past]),
        np.concatenate([w.taken for w in past]),
        np.concatenate([layout.codes(w.context, w.month) for w in past]),
        layout.scale[:-1],
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.concatenate([b.items for b in baskets]),
        layout.owned(),
        layout.rows,
    )


def _default_utility(evidence: Evidence, layout: CodeLayout) -> Utility:
    """Weigh transitions and recent popularity alike where nothing can be learnt."""
    shared = np.zeros(evidence.width)
    shared[[FOLLOWERS, POPULARITY_90D]] = 1.0
    return Utility(shared, np.zeros((layout.rows, len(evidence.columns)), dtype=np.float32))


def _best(margin: Floats) -> Ints:
    k = min(CANDIDATES, margin.shape[1])
    items = np.zeros((len(margin), k), dtype=np.int32)
    scores = np.full(items.shape, -np.inf, dtype=np.float32)
    everything = np.ones((1, margin.shape[1]), dtype=bool)
    nobody_special = np.zeros(len(margin), dtype=np.int32)
    top_kernels.best_allowed(margin, nobody_special, everything, items, scores)
    return items


def _tree_inputs(evidence: Floats, context: Context) -> Floats:
    """Return a row of inputs a candidate: evidence, trend, and how the customer stands.

    Parameters
    ----------
    evidence : float32 array of shape (customers, candidates, features)
    """
    owned = np.diff(context.baskets.indptr)
    inputs = np.empty((*evidence.shape[:2], evidence.shape[2] + 3), dtype=np.float32)
    inputs[:, :, :-3] = evidence
    inputs[:, :, -3] = evidence[:, :, POPULARITY_30D] - evidence[:, :, POPULARITY_90D]
    inputs[:, :, -2] = owned[:, None]
    newest = newest_days(context.baskets)
    inputs[:, :, -1] = np.where(np.isfinite(newest), newest, np.nan)[:, None]
    return inputs.reshape(-1, inputs.shape[2])


def _grow(
    past: Sequence[Window], layout: CodeLayout, choices: Choices, utility: Utility, seed: int
) -> bytes:
    """Grow trees on the candidates of each past choice, starting at the first stage's margins."""
    inputs, margins, labels, sizes = [], [], [], []
    start = 0
    for window in past:
        features = choices.evidence[start : start + len(window.taken)]
        start += len(window.taken)
        margin = np.einsum("ufp,f->up", features, utility.shared.astype(np.float32))
        layout.margins(window.context, window.month, utility.own, margin)
        margin = np.where(window.open_to, margin, np.float32(-np.inf))
        best = _best(np.where(window.taken > 0, np.float32(np.inf), margin))
        rows = np.arange(len(best))[:, None]
        usable = window.open_to[rows, best]
        x = _tree_inputs(features[rows, :, best], window.context)
        inputs.append(x[usable.ravel()])
        margins.append(margin[rows, best][usable])
        labels.append(window.taken[rows, best][usable])
        sizes.append(usable.sum(axis=1))
    size = np.concatenate(sizes)
    matrix = xgb.DMatrix(
        np.concatenate(inputs), label=np.concatenate(labels), base_margin=np.concatenate(margins)
    )
    booster = xgb.train({**TREES, "seed": seed}, matrix, ROUNDS, obj=_choice_objective(size))
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
