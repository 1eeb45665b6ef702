"""Implicit-feedback ALS for a small catalogue and very many customers.

With Y the item factors, A = YᵀY + λI and K = Y A⁻¹ Yᵀ, the exact factor of a customer who owns the
products S with confidences c is x = A⁻¹ Y_Sᵀ z, where (I + (diag(c) − 1) K_SS) z = c: one k × k
system, k being the size of the basket. As every x lies in the span of the basis A⁻¹ Yᵀ, Σ x xᵀ
needs only sums of z zᵀ over baskets (products × products); factors of customers are made where a
product's own sum needs them, and never kept. Rows with the same products and confidences are solved
once and counted. The first factors are those that would be best if every confidence were 1, out of
the same products × products sums; many customers start from what an iteration on a sample of them
comes to.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from passbook.errors import GridError, InputError, MemoryNeedError
from passbook.recommend import als_kernels
from passbook.recommend.als_baskets import Baskets, canonical, lay_out
from passbook.recommend.compilation import single_threaded_algebra, threads
from passbook.recommend.factors import FactorModel, allowed_products, checked_rows
from passbook.recommend.top_products import top_products

log = logging.getLogger(__name__)

Doubles = npt.NDArray[np.float64]
_ROWS: Final = 4096
_PARTS: Final = 8
"""Most parts of the customers, with sums of their own, and so most threads of the item step."""
_PART_ENTRIES: Final = 30_000
_PART_BYTES: Final = 256e6
_MANY: Final = 40_000
"""Customers from which on a sample's factors are what all start from."""
_SAMPLE: Final = 10_000


class AlternatingLeastSquares(FactorModel):
    """Alternating least squares with implicit's interface and an exact small-catalogue solver.

    Minimises Σ c_ui (p_ui − x_u·y_i)² + λ (Σ‖x_u‖² + Σ‖y_i‖²) (Hu, Koren and Volinsky 2008), with
    implicit's convention that the confidence of an owned product is ``alpha`` times its value, and
    1 for all others.

    Parameters
    ----------
    factors : int
    regularization : float
    alpha : float
    dtype, use_native, use_cg
        Taken so that calls written for implicit run, and without effect: the solver is exact,
        compiled, and has its own types.
    iterations : int
    calculate_training_loss : bool
        Log the objective after each iteration, and tell it to `fit`'s callback.
    num_threads : int
        Most threads to use; 0 for all. Results do not depend on it.
    random_state : int or numpy.random.Generator, optional
        The same number gives the same factors; None is another start each time.
    memory_limit_gb : float, optional
        A fit that would need more is refused.

    Attributes
    ----------
    item_factors : float64 array of shape (products, factors)
    user_factors : float32 array of shape (customers, factors)
    """

    def __init__(  # noqa: PLR0917 (implicit's signature)
        self,
        factors: int = 100,
        regularization: float = 0.01,
        alpha: float = 1.0,
        dtype: npt.DTypeLike = np.float32,
        use_native: bool = True,
        use_cg: bool = True,
        iterations: int = 15,
        calculate_training_loss: bool = False,
        num_threads: int = 0,
        random_state: int | np.random.Generator | None = 0,
        memory_limit_gb: float | None = None,
    ) -> None:
        if factors < 1 or iterations < 1 or not regularization > 0 or not alpha > 0:
            raise GridError(
                f"factors={factors}, regularization={regularization}, alpha={alpha}, "
                f"iterations={iterations}: each must be positive."
            )
        self.factors = factors
        self.regularization = regularization
        self.alpha = alpha
        self.iterations = iterations
        self.calculate_training_loss = calculate_training_loss
        self.num_threads = num_threads
        self.random_state = random_state
        self.memory_limit_gb = memory_limit_gb
        self.item_factors: Doubles = np.empty((0, factors))
        self._factors: Doubles = np.empty((0, factors))
        self._baskets: Baskets | None = None
        self._basis: Doubles = np.empty((0, factors))
        self._z: Doubles = np.empty(0)
        self._user_factors: npt.NDArray[np.float32] | None = None

    def fit(
        self,
        user_items: csr_matrix,
        show_progress: bool = False,
        callback: Callable[[int, float, float | None], Any] | None = None,
    ) -> None:
        """Factorise a customers × products matrix of confidences.

        Parameters
        ----------
        user_items : scipy.sparse.csr_matrix
            Positive values.
        show_progress : bool
            Log every iteration.
        callback : callable, optional
            Called with iteration, seconds and, if it is calculated, loss after each iteration.

        Raises
        ------
        InteractionError
            E404 when the matrix has no entries, or a value is not a positive number.
        MemoryNeedError
            E403 when the fit would not fit the memory limit.
        """
        with self._on_its_threads(), single_threaded_algebra():
            self._fit(user_items, show_progress, callback)

    def _fit(
        self,
        user_items: csr_matrix,
        show_progress: bool,
        callback: Callable[[int, float, float | None], Any] | None,
    ) -> None:
        self._check_memory(user_items)
        rng = np.random.default_rng(self.random_state)
        start = rng.random((user_items.shape[1], self.factors)) * 0.01
        self._baskets = lay_out(user_items, self.alpha)
        used = self._baskets.used
        self._factors = start[used] + self._first_factors(csr_matrix(user_items), rng)
        self._user_factors = None
        self.item_factors = np.zeros_like(start)
        for iteration in range(self.iterations):
            started = time.perf_counter()
            self._solve_customers()
            self._solve_items()
            if iteration + 1 == self.iterations:
                self._solve_customers()  # the customers' part is cheap: let it fit the last items
            seconds = time.perf_counter() - started
            loss = self.objective() if self.calculate_training_loss else None
            if show_progress or loss is not None:
                said = "" if loss is None else f", loss {loss:.6f}"
                log.info(
                    "iteration %d of %d: %.2f s%s", iteration + 1, self.iterations, seconds, said
                )
            if callback:
                callback(iteration, seconds, loss)
        self.item_factors[used] = self._factors

    @property
    def user_factors(self) -> npt.NDArray[np.float32]:
        """Factors of the customers that the model was fitted on, computed when first asked for."""
        if self._user_factors is None:
            baskets = self._fitted()
            rows = baskets.row_of_customer
            out = np.empty((len(rows), self.factors), dtype=np.float32)
            als_kernels.customer_factors(
                baskets.indptr, baskets.items, self._z, rows, _by_product(self._basis), out
            )
            self._user_factors = out
        return self._user_factors

    @user_factors.setter
    def user_factors(self, factors: npt.NDArray[np.float32]) -> None:
        self._user_factors = factors

    def affinity(self) -> npt.NDArray[np.float32]:
        """Return K = Y (YᵀY + λI)⁻¹ Yᵀ: a customer's scores are Σ over owned s of z_s K[s]."""
        return np.asarray(self.item_factors @ self._basis_of(self.item_factors), dtype=np.float32)

    def recalculate_user(
        self, userid: int | npt.ArrayLike, user_items: csr_matrix
    ) -> npt.NDArray[np.float32]:
        """Return the exact factors of customers with these rows (``userid`` gives the shape)."""
        users = np.size(userid)
        rows = canonical(checked_rows(user_items, users, len(self.item_factors)), self.alpha)
        basis = self._basis_of(self.item_factors)
        z = np.empty(len(rows.data))
        _solve(rows.indptr.astype(np.int64), rows.indices, rows.data, self.item_factors @ basis, z)
        out = np.empty((rows.shape[0], self.factors), dtype=np.float32)
        als_kernels.customer_factors(
            rows.indptr.astype(np.int64), rows.indices, z, np.arange(rows.shape[0]),
            _by_product(basis), out,
        )  # fmt: skip
        return out[0] if np.isscalar(userid) else out

    def recommend(  # noqa: PLR0917 (implicit's signature)
        self,
        userid: int | npt.ArrayLike,
        user_items: csr_matrix,
        N: int = 10,
        filter_already_liked_items: bool = True,
        filter_items: npt.ArrayLike | None = None,
        recalculate_user: bool = False,
        items: npt.ArrayLike | None = None,
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Return the best `N` products of one customer or of several, and their scores.

        The arguments are implicit's: `user_items` holds a row for each of `userid`. Where nothing
        is left to name, the product is -1.

        Raises
        ------
        InputError
            E803 when rows or columns do not match, or `items` has what is no product's number.
        """
        users, products = np.size(userid), len(self.item_factors)
        owned = checked_rows(user_items, users, products) if filter_already_liked_items else None
        with self._on_its_threads():
            if recalculate_user:
                factors = np.atleast_2d(self.recalculate_user(userid, user_items))
            else:
                factors = self.user_factors[np.atleast_1d(np.asarray(userid))]
            allowed = allowed_products(products, items, filter_items)
            most = N if items is None else min(N, np.size(items))
            ids, scores = top_products(
                factors, self.item_factors, most, allowed=allowed, owned=owned
            )
        return (ids[0], scores[0]) if np.isscalar(userid) else (ids, scores)

    def objective(self) -> float:
        """Return the objective at the present factors, divided as implicit's loss is."""
        baskets = self._fitted()
        moments = _moments(baskets, self._z)
        x_gram = self._basis @ moments @ self._basis.T
        y_gram = self._factors.T @ self._factors
        observed, total = als_kernels.observed_loss(
            baskets.indptr, baskets.items, baskets.c, self._z, baskets.count,
            self._basis.T @ self._factors.T,
        )  # fmt: skip
        loss = float((x_gram * y_gram).sum()) + observed
        loss += self.regularization * float(np.trace(x_gram) + np.trace(y_gram))
        customers, products = len(baskets.row_of_customer), len(self.item_factors)
        entries = float((np.diff(baskets.indptr) * baskets.count).sum())
        return float(loss / (total + customers * products - entries))

    def _first_factors(self, user_items: csr_matrix, rng: np.random.Generator) -> Doubles:
        """Return the factors to start from: of many customers, those of a sample of them.

        With n times the customers, singular values are √n times as large: λ has to weigh less on
        the sample by as much, and the products' half of the norm is a fourth root of n short.
        """
        customers = np.flatnonzero(np.diff(user_items.indptr))
        if len(customers) < _MANY:
            return self._spectral_start()
        times = len(customers) / _SAMPLE
        model = AlternatingLeastSquares(
            self.factors, self.regularization / times**0.5, self.alpha,
            iterations=1, random_state=self.random_state,
        )  # fmt: skip
        model.fit(user_items[np.sort(rng.choice(customers, _SAMPLE, replace=False))])
        return np.asarray(model.item_factors[self._fitted().used] * times**0.25)

    def _spectral_start(self) -> Doubles:
        """Return the factors that would be best if every confidence were 1.

        With M the 0/1 matrix of who owns what, MᵀM = V Σ² Vᵀ, these are V (Σ - λ)½: the optimum of
        ‖M - XYᵀ‖² + λ(‖X‖² + ‖Y‖²). A few exact steps from there do what takes many from random
        factors.
        """
        baskets = self._fitted()
        products = len(baskets.used)
        values, vectors = np.linalg.eigh(_moments(baskets, np.ones(len(baskets.items))))
        kept = min(self.factors, products)
        singular = np.sqrt(np.maximum(values[::-1][:kept], 0.0))
        leading = vectors[:, ::-1][:, :kept]
        # An eigenvector's sign is the library's whim.
        leading = leading * np.where(
            leading[np.abs(leading).argmax(axis=0), range(kept)] < 0, -1, 1
        )
        factors = np.zeros((products, self.factors))
        factors[:, :kept] = leading * np.sqrt(np.maximum(singular - self.regularization, 0.0))
        return factors

    def _fitted(self) -> Baskets:
        if self._baskets is None:
            raise InputError("The model has not been fitted.")
        return self._baskets

    def _on_its_threads(self) -> AbstractContextManager[None]:
        return threads(self.num_threads) if self.num_threads > 0 else nullcontext()

    def _basis_of(self, y: Doubles) -> Doubles:
        gram = y.T @ y + self.regularization * np.eye(self.factors)
        return np.asarray(np.linalg.solve(gram, y.T))

    def _solve_customers(self) -> None:
        baskets = self._fitted()
        self._basis = self._basis_of(self._factors)
        self._z = np.empty(len(baskets.items))
        _solve(baskets.indptr, baskets.items, baskets.c, self._factors @ self._basis, self._z)

    def _solve_items(self) -> None:
        baskets, basis = self._fitted(), self._basis
        products = len(baskets.used)
        common = basis @ _moments(baskets, self._z) @ basis.T
        common += self.regularization * np.eye(self.factors)
        bounds = _parts(baskets, products * self.factors**2)
        systems = np.zeros((len(bounds) - 1, products, self.factors, self.factors))
        targets = np.zeros((len(bounds) - 1, products, self.factors))
        with numba.parallel_chunksize(1):
            als_kernels.item_sums(
                baskets.indptr, baskets.items, baskets.c, self._z, baskets.count,
                _by_product(basis), bounds, systems, targets,
            )  # fmt: skip
        systems = systems.sum(axis=0)
        systems += common
        self._factors = np.linalg.solve(systems, targets.sum(axis=0)[:, :, None])[:, :, 0]

    def _check_memory(self, user_items: csr_matrix) -> None:
        need = fit_memory_gb(user_items.shape[0], user_items.shape[1], user_items.nnz, self.factors)
        if self.memory_limit_gb is not None and need > self.memory_limit_gb:
            raise MemoryNeedError(
                f"The fit needs about {need:.1f} GB; the limit is {self.memory_limit_gb:.1f} GB."
            )


def _solve(
    indptr: npt.NDArray[np.int64], items: npt.NDArray[np.int32], c: npt.NDArray[np.float32],
    kernel: Doubles, out: Doubles,
) -> None:  # fmt: skip
    """Write the weights of the customers' owned products."""
    largest = int(np.diff(indptr).max(initial=1))
    als_kernels.customer_weights(indptr, items, c, kernel, _ROWS, largest, out)


def _by_product(basis: Doubles) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(basis.T, dtype=np.float32)


def _moments(baskets: Baskets, z: Doubles) -> Doubles:
    """Return Σ over customers of z zᵀ, products × products."""
    products = len(baskets.used)
    bounds = _parts(baskets, products**2)
    moments = np.zeros((len(bounds) - 1, products, products))
    als_kernels.weight_moments(baskets.indptr, baskets.items, z, baskets.count, bounds, moments)
    return np.asarray(moments.sum(axis=0))


def _parts(baskets: Baskets, cells: int) -> npt.NDArray[np.int64]:
    """Return the bounds of parts of the rows, as many as entries and their sums' cells allow.

    The data alone decide on them: sums are rounded the same on any number of threads.
    """
    parts = min(_PARTS, len(baskets.items) // _PART_ENTRIES, int(_PART_BYTES / (8 * cells)))
    return np.linspace(0, len(baskets.count), max(2, parts) + 1).astype(np.int64)


def fit_memory_gb(customers: int, products: int, entries: int, factors: int) -> float:
    """Return the memory a fit needs beside its input, GB (10⁹ bytes)."""
    rows = customers * (4 + 8 + 8 + 12 + 8 + 8 + 8 + 8 + 8)
    cells = entries * (4 + 4 + 4 + 4 + 8)
    systems = 8.0 * products * factors**2
    dense = min(_PARTS * systems, max(_PART_BYTES, 2 * systems)) + 2 * systems
    dense += 8 * 12 * products**2 + 2 * 4 * products * als_kernels.HELD * factors
    return (rows + cells + dense) / 1e9
