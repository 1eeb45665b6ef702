"""The best k products of very many customers: blocks of a matrix product and one scan each."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from passbook.recommend import basket_kernels
from passbook.recommend.interactions import Flags, Floats
from passbook.recommend.purchases import Ints

BLOCK: Final = 8192


def top_products(
    user_factors: npt.NDArray[np.floating],
    item_factors: npt.NDArray[np.floating],
    k: int,
    *,
    allowed: Flags | None = None,
    owned: csr_matrix | None = None,
) -> tuple[Ints, Floats]:
    """Return the `k` products with the largest dot product for every customer.

    Parameters
    ----------
    user_factors : array of shape (customers, factors)
    item_factors : array of shape (products, factors)
    allowed : bool array of shape (products,), optional
    owned : scipy.sparse.csr_matrix of shape (customers, products), optional
        Products not to be named again.

    Returns
    -------
    items : int32 array of shape (customers, k)
        Best first, equal ones by column; -1 where nothing is left.
    scores : float32 array of shape (customers, k)
    """
    users, products = len(user_factors), len(item_factors)
    k = min(k, products)
    items = np.full((users, k), -1, dtype=np.int32)
    scores = np.full((users, k), -np.inf, dtype=np.float32)
    columns = np.ascontiguousarray(item_factors.T, dtype=np.float32)
    permitted = np.ones((1, products), dtype=bool) if allowed is None else allowed[None, :]
    rule_class = np.zeros(BLOCK, dtype=np.int32)
    for start in range(0, users, BLOCK):
        stop = min(start + BLOCK, users)
        block = np.asarray(user_factors[start:stop], dtype=np.float32) @ columns
        if owned is not None:
            indptr = owned.indptr[start : stop + 1]
            basket_kernels.mask_owned(indptr, owned.indices, block)
        basket_kernels.best_allowed(
            block, rule_class[: stop - start], permitted, items[start:stop], scores[start:stop]
        )
    return items, scores
