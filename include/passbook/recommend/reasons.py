"""Why a product is offered, in the bank's words. A reason is a kind and, for some, a product."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from passbook.recommend.context import Context, Recommender
from passbook.recommend.purchases import Ints

POPULAR: Final = 0
POPULAR_IN_SEGMENT: Final = 1
AFTER: Final = 2
"""`AFTER` + column: customers with that product often took the offered one next."""


def reason_numbers(model: Recommender, context: Context, offered: Ints) -> Ints:
    """Return the number of each offer's reason, true to the model that ranked it.

    Parameters
    ----------
    offered : int32 array of shape (customers, k)
        Columns, -1 for none.
    """
    leader = model.leading_owned(context, offered)
    in_segment = model.own_group(context.segment)[:, None]
    popular = np.where(in_segment, POPULAR_IN_SEGMENT, POPULAR)
    return np.where(leader >= 0, leader + AFTER, popular).astype(np.int32)


def reason_texts(names: pa.Array) -> pa.Array:
    """Return the text of every reason, in the order of their numbers."""
    after = [f"Customers with {name} often took it next" for name in names.to_pylist()]
    return pa.array(["Popular with our customers", "Popular in your segment", *after])
