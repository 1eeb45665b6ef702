"""What implicit's factor models offer beside fitting and recommending."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any, Final, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from passbook.errors import InputError
from passbook.recommend.interactions import Flags, Floats
from passbook.recommend.purchases import Ints
from passbook.recommend.top_products import top_products

Ids = int | npt.ArrayLike
_PARAMETERS: Final = ("factors", "regularization", "alpha", "iterations", "num_threads")


class FactorModel:
    """Factors of customers and products, as a subclass has fitted them.

    Attributes
    ----------
    item_factors : array of shape (products, factors)
    user_factors : array of shape (customers, factors)
    """

    item_factors: npt.NDArray[Any]
    user_factors: npt.NDArray[Any]

    def similar_items(
        self,
        itemid: Ids,
        N: int = 10,
        *,
        filter_items: npt.ArrayLike | None = None,
        items: npt.ArrayLike | None = None,
    ) -> tuple[Ints, Floats]:
        """Return the `N` products whose factors have the largest cosine with a product's.

        The arguments are implicit's; the product itself comes first.
        """
        allowed = allowed_products(len(self.item_factors), items, filter_items)
        return _similar(self.item_factors, itemid, N, allowed)

    def similar_users(
        self,
        userid: Ids,
        N: int = 10,
        *,
        filter_users: npt.ArrayLike | None = None,
        users: npt.ArrayLike | None = None,
    ) -> tuple[Ints, Floats]:
        """Return the `N` customers whose factors have the largest cosine with a customer's."""
        allowed = allowed_products(len(self.user_factors), users, filter_users)
        return _similar(self.user_factors, userid, N, allowed)

    def save(self, file: str | Path | IO[bytes]) -> None:
        """Write factors and parameters as NumPy's ``.npz``, without pickle."""
        known = {name: getattr(self, name) for name in _PARAMETERS}
        np.savez(file, user_factors=self.user_factors, item_factors=self.item_factors, **known)

    @classmethod
    def load(cls, file: str | Path | IO[bytes]) -> Self:
        """Read what `save` wrote; the name may lack its ``.npz``, as when it was saved."""
        if isinstance(file, str | Path) and not str(file).endswith(".npz"):
            file = f"{file}.npz"
        with np.load(file, allow_pickle=False) as found:
            model = cls(**{name: found[name].item() for name in _PARAMETERS})
            model.item_factors = found["item_factors"]
            model.user_factors = found["user_factors"]
        return model


def checked_rows(user_items: Any, users: int, products: int) -> csr_matrix:
    """Return a matrix by rows, one for each of `users`.

    Compiled loops read a row for each customer and a column for each product without looking.

    Raises
    ------
    InputError
        E803 when it has others.
    """
    if user_items is None or user_items.shape != (users, products):
        shape = None if user_items is None else user_items.shape
        raise InputError(
            f"user_items has the shape {shape}; needed is a row for each of {users} customers, "
            f"with {products} products."
        )
    return csr_matrix(user_items)


def allowed_products(
    count: int, items: npt.ArrayLike | None, filter_items: npt.ArrayLike | None
) -> Flags:
    """Return which of `count` products are among `items` and not among `filter_items`.

    Raises
    ------
    InputError
        E803 when one of them is no product's number.
    """
    allowed = np.full(count, items is None)
    for given, value in ((items, True), (filter_items, False)):
        numbers = np.asarray([] if given is None else given, dtype=np.int64)
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < count:
            raise InputError(f"There are {count}, numbered from 0; named were others.")
        allowed[numbers] = value
    return allowed


def _similar(
    factors: npt.NDArray[Any], ids: Ids, count: int, allowed: Flags
) -> tuple[Ints, Floats]:
    norms = np.linalg.norm(factors, axis=1, keepdims=True)
    directions = factors / np.where(norms > 0, norms, 1.0)
    asked = directions[np.atleast_1d(np.asarray(ids))]
    found, cosine = top_products(asked, directions, count, allowed=allowed)
    return (found[0], cosine[0]) if np.isscalar(ids) else (found, cosine)
