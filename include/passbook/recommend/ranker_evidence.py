"""What speaks for the products that a ranker chose, piece by piece of its first stage.

The first stage is a sum: rows of weights that a customer's codes and owned products point to, and
two weighted logarithms. A piece's say for a product is how far it lifts it above the average of the
products on offer. The trees' correction of that sum is not taken apart.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from passbook.recommend import reason_kernels
from passbook.recommend.context import Context
from passbook.recommend.customer_codes import CodeLayout, last_bought
from passbook.recommend.evidence import FLOOR
from passbook.recommend.interactions import Floats
from passbook.recommend.purchases import Ints
from passbook.recommend.ranker import Ranker

KINDS: Final = (
    "popular", "popular_90d", "popular_30d", "first_of_family", "season",
    "segment", "age", "like_you", "occupation", "next", "together",
)  # fmt: skip
_OF_TRAITS: Final = ("segment", "age", "like_you", "occupation")
_UNSPOKEN: Final = -1
NEXT: Final = KINDS.index("next")


def strongest_evidence(ranker: Ranker, context: Context, offered: Ints) -> tuple[Ints, Ints]:
    """Return the two kinds of evidence that speak most for each offered product.

    Parameters
    ----------
    offered : int32 array of shape (customers, k)
        Columns, -1 for none.

    Returns
    -------
    kind : int32 array of shape (customers, k, 2)
        Place in `KINDS`, the stronger first; -1 where nothing more speaks for the product.
    product : int32 array of shape (customers, k, 2)
        Owned product that it goes by; -1 for evidence of no product.
    """
    evidence, layout, baskets = ranker.evidence, ranker.layout, context.baskets
    position = np.full(baskets.shape[1] + 1, -1, dtype=np.int32)
    position[evidence.columns] = np.arange(len(evidence.columns), dtype=np.int32)
    table = ranker.rows_of_weights
    centred = table - table.mean(axis=1, keepdims=True)
    shared = dict(zip(evidence.names, ranker.utility.shared, strict=True))
    weights = np.array([shared["followers"] + ranker.followers_say, shared["cosine"]], np.float32)
    codes, blocks = layout.codes(context, ranker.month), _kinds_of_blocks(layout)
    kind = np.full((*offered.shape, 2), -1, dtype=np.int32)
    product = np.full(kind.shape, -1, dtype=np.int32)
    reason_kernels.two_strongest(
        codes, layout.scale[:-1], blocks, _kinds_of_popularity(ranker), centred, layout.owned(),
        baskets.indptr, baskets.items,
        last_bought(baskets), weights, evidence.followers.affinity[0], evidence.followers.prior[0],
        evidence.cosine.affinity[0], evidence.cosine.prior[0], FLOOR, NEXT, position[offered],
        kind, product,
    )  # fmt: skip
    return kind, product


def _kinds_of_blocks(layout: CodeLayout) -> Ints:
    """Return the kind of each block of codes: all, traits, amount if known, count and recency of
    the family, last product, that of lately, month, count, recency."""
    traits = len(layout.traits)
    known = [KINDS.index(name) for name in _OF_TRAITS[:traits]]
    known += [_UNSPOKEN] * (traits - len(known) + layout.amounts)
    season = KINDS.index("season")
    return np.array(
        [0, *known, _UNSPOKEN, _UNSPOKEN, NEXT, _UNSPOKEN, season, _UNSPOKEN, _UNSPOKEN],
        dtype=np.int32,
    )


def _kinds_of_popularity(ranker: Ranker) -> Ints:
    """Return, of each offered product, what most of its say to everybody is made of."""
    evidence = ranker.evidence
    weight = dict(zip(evidence.names, ranker.utility.shared, strict=True))
    parts: list[Floats] = [weight[f"popularity_{i}"] * r for i, r in enumerate(evidence.popularity)]
    parts.append(weight["season"] * evidence.season[ranker.month])
    stacked = np.stack([part - part.mean() for part in parts])
    return np.asarray(stacked.argmax(axis=0), dtype=np.int32)
