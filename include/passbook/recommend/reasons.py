"""Why a product is offered, in the bank's words, English and Korean: up to two reasons an offer.

A reason is a number: a kind, and for some kinds a product that the customer has. They are true to
the model that ranked: of a basket model the owned products that add most to the score, of the
ranker the evidence that speaks most for the product against the others offered beside it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from passbook.recommend import reason_kernels
from passbook.recommend.basket_model import BasketModel
from passbook.recommend.context import Context, Recommender
from passbook.recommend.purchases import Ints
from passbook.recommend.ranker import Ranker
from passbook.recommend.ranker_evidence import KINDS, strongest_evidence

REASONS: Final = 2
NONE: Final = 0
_WITHOUT_PRODUCT: Final = {
    "popular": ("Popular with our customers", "많은 고객이 선택한 상품"),
    "popular_90d": ("Popular this quarter", "최근 3개월간 인기 상품"),
    "popular_30d": ("Popular this month", "최근 한 달간 인기 상품"),
    "segment": ("Popular in your segment", "같은 유형의 고객에게 인기 있는 상품"),
    "first_of_family": ("Often the first of its kind", "처음 가입하는 상품으로 많이 선택"),
    "age": ("Popular at your age", "비슷한 연령대 고객에게 인기 있는 상품"),
    "like_you": ("Popular with customers like you", "비슷한 고객에게 인기 있는 상품"),
    "occupation": ("Popular in your occupation", "같은 직업군 고객에게 인기 있는 상품"),
    "season": ("Often chosen at this time of year", "이맘때 많이 가입하는 상품"),
}
_WITH_PRODUCT: Final = {
    "next": ("Customers with {} often took it next", "{} 가입 고객이 다음으로 많이 선택"),
    "together": ("Customers with {} often have it too", "{} 보유 고객이 함께 많이 이용"),
}
_FIRST_WITH_PRODUCT: Final = len(_WITHOUT_PRODUCT) + 1
_POPULARITIES: Final = {
    "popularity": "popular",
    "popularity_90d": "popular_90d",
    "popularity_by_segment": "popular",
    "als_by_segment": "popular",
}
"""What speaks where no owned product does; other models have nothing to say then."""


def number_of(kind: str, products: Ints | int = -1) -> Ints:
    """Return the numbers of reasons of a kind that speaks of these products, `NONE` for -1."""
    column = np.asarray(products, dtype=np.int32)
    if kind in _WITHOUT_PRODUCT:
        return np.full(column.shape, list(_WITHOUT_PRODUCT).index(kind) + 1, dtype=np.int32)
    place = list(_WITH_PRODUCT).index(kind)
    number = _FIRST_WITH_PRODUCT + len(_WITH_PRODUCT) * column + place
    return np.where(column >= 0, number, NONE).astype(np.int32)


def reason_numbers(model: Recommender, context: Context, offered: Ints) -> Ints:
    """Return the numbers of each offer's reasons, the stronger first, `NONE` where there is none.

    Parameters
    ----------
    offered : int32 array of shape (customers, k)
        Columns, -1 for none.

    Returns
    -------
    int32 array of shape (customers, k, 2)
    """
    if isinstance(model, Ranker):
        found = _of_ranker(model, context, offered)
    elif isinstance(model, BasketModel):
        found = _of_basket_model(model, context, offered)
    else:
        found = np.zeros((*offered.shape, REASONS), dtype=np.int32)
    found[offered < 0] = NONE
    # Whatever ranks has counted who bought what: nothing else is said where nothing stands out.
    found[(offered >= 0) & (found[:, :, 0] == NONE), 0] = number_of("popular")
    return found


def _of_basket_model(model: BasketModel, context: Context, offered: Ints) -> Ints:
    leaders = np.full((*offered.shape, REASONS), -1, dtype=np.int32)
    baskets, group = context.baskets, model.groups(context.segment)
    if model.affinity.size:
        reason_kernels.two_leading_owned(
            baskets.indptr, baskets.items, model.weights(baskets, group), group, model.affinity,
            offered, leaders,
        )  # fmt: skip
    if model.weighting == "strongest":
        leaders[:, :, 1] = -1  # the second had no say in the score
    kind = "next" if model.name == "transitions" else "together"
    found = number_of(kind, leaders)
    popular = number_of(_POPULARITIES.get(model.name, "popular"), np.zeros(len(group), np.int32))
    popular = np.where(model.own_group(context.segment), number_of("segment"), popular)
    found[:, :, 0] = np.where(leaders[:, :, 0] >= 0, found[:, :, 0], popular[:, None])
    return found


def _of_ranker(model: Ranker, context: Context, offered: Ints) -> Ints:
    kind, product = strongest_evidence(model, context, offered)
    found = np.zeros(kind.shape, dtype=np.int32)
    for place, name in enumerate(KINDS):
        chosen = kind == place
        found[chosen] = number_of(name, product[chosen])
    return found


def reason_texts(names: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return the texts of every reason, English and Korean, in the order of their numbers.

    `NONE` has no text.
    """
    pairs = [(None, None), *_WITHOUT_PRODUCT.values()]
    for name in names.to_pylist():
        pairs += [(english.format(name), korean.format(name))
                  for english, korean in _WITH_PRODUCT.values()]  # fmt: skip
    english, korean = zip(*pairs, strict=True)
    return pa.array(english, pa.string()), pa.array(korean, pa.string())
