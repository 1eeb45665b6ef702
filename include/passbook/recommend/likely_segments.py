"""Which segment a customer would be in who has shown no habits of the family yet, or no longer.

Segments go by accounts and payments, so that only holders of a family have one. What somebody once
bought of it, how often, how long ago and for how much, tells of habits too: a multinomial logit of
the known segments on the codes of the choice model, learnt from who made a choice in past windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from passbook.recommend.basket_model import NO_SEGMENT
from passbook.recommend.conditional_logit import Choices, fit_conditional_logit
from passbook.recommend.context import Context
from passbook.recommend.customer_codes import CodeLayout
from passbook.recommend.interactions import Floats

if TYPE_CHECKING:
    from passbook.recommend.ranker_windows import Window

TOLD: Final = np.float32(0.5)
"""Weight of a segment that is known beside the inferred ones: it is of months ago, when the family
was held, and leaves much of its customers' purchases untold."""

OWNED: Final = 1.0
"""Scale of products owned: they tell more of a few segments than of many products."""


def fit_likely_segments(past: Sequence[Window], layout: CodeLayout) -> Floats:
    """Return the weights of each segment by what is known of customers.

    Parameters
    ----------
    past : sequence of Window
        With the segments that customers have today, which are what is learnt to be told.

    Returns
    -------
    float32 array of shape (rows of the layout, segments)
    """
    segments = layout.traits[0] - 1
    known = [(w.context.take(np.flatnonzero(w.context.segment != NO_SEGMENT)), w) for w in past]
    known = [(context, window) for context, window in known if len(context.segment)]
    if not known:
        return np.zeros((layout.rows, segments), dtype=np.float32)
    segment = np.concatenate([context.segment for context, _ in known])
    sizes = np.concatenate([np.diff(context.baskets.indptr) for context, _ in known])
    choices = Choices(
        np.empty((len(segment), 0, segments), dtype=np.float32),
        np.ones((len(segment), segments), dtype=bool),
        np.eye(segments, dtype=np.float32)[segment],
        np.concatenate([layout.codes(_unsegmented(c), w.month) for c, w in known]),
        layout.scale[:-1],
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.concatenate([context.baskets.items for context, _ in known]),
        np.array([layout.starts[-1], OWNED]),
        layout.rows,
    )
    weights = fit_conditional_logit(choices).own
    # Margins are taken at the layout's own scale.
    weights[layout.starts[-1] :] *= np.float32(OWNED) / layout.scale[-1]
    return weights


def with_likely_segments(
    context: Context, month: int, layout: CodeLayout, weights: Floats, *, told: bool = True
) -> Context:
    """Return customers with how likely each segment is.

    Parameters
    ----------
    told : bool
        Whether a segment that is known counts; else all are inferred alike.
    """
    segments = weights.shape[1]
    margin = np.zeros((len(context.segment), segments), dtype=np.float32)
    layout.margins(_unsegmented(context), month, weights, margin)
    odds = np.exp(margin - margin.max(axis=1, keepdims=True))
    likely = odds / odds.sum(axis=1, keepdims=True)
    if told:
        known = np.flatnonzero((context.segment >= 0) & (context.segment < segments))
        likely[known] *= 1.0 - TOLD
        likely[known, context.segment[known]] += TOLD
    return replace(context, segment=likely.argmax(axis=1).astype(np.int32), likely=likely)


def _unsegmented(context: Context) -> Context:
    return replace(context, segment=np.full_like(context.segment, NO_SEGMENT))
