"""McFadden's conditional logit: which of the products on offer a customer takes.

A product's utility to a customer is evidence with weights that all products share, plus weights of
the product's own for what is known of the customer: segment, traits, last product, products owned.
The former carry what is known of every product, the latter correct it where choices are plenty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from passbook.recommend import choice_kernels
from passbook.recommend.interactions import Flags, Floats
from passbook.recommend.purchases import Ints

Doubles = npt.NDArray[np.float64]
_BLOCKS: Final = 16
_SHARED_CURVATURE: Final = 0.5
SHARED_RIDGE: Final = 1.0
OWN_RIDGE: Final = 30.0
ITERATIONS: Final = 40


@dataclass(frozen=True)
class Choices:
    """What customers took, of which products, given what was known.

    Attributes
    ----------
    evidence : float32 array of shape (choices, features, products)
    open_to : bool array of shape (choices, products)
        Products that could be taken.
    taken : float32 array of shape (choices, products)
        1 where taken.
    codes : int32 array of shape (choices, blocks)
        Rows of the products' own weights that a customer's codes point to.
    scale : float32 array of shape (blocks,)
    indptr, items : arrays
        Products owned, compressed by choice.
    owned : float64 array of shape (2,)
        First row of owned products, and the value of an entry.
    rows : int
        Rows of the products' own weights.
    """

    evidence: Floats
    open_to: Flags
    taken: Floats
    codes: Ints
    scale: Floats
    indptr: npt.NDArray[np.int64]
    items: Ints
    owned: Doubles
    rows: int


@dataclass(frozen=True)
class Utility:
    """Weights that make what was taken most likely.

    Attributes
    ----------
    shared : float64 array of shape (features,)
    own : float32 array of shape (rows, products)
    """

    shared: Doubles
    own: Floats


def fit_conditional_logit(
    choices: Choices,
    shared_ridge: float = SHARED_RIDGE,
    own_ridge: float = OWN_RIDGE,
    iterations: int = ITERATIONS,
) -> Utility:
    """Return the weights that minimise the penalised negative log-likelihood.

    The penalty is half of each ridge times the squared weights of standardised evidence, and of
    the products' own. Optimised by L-BFGS (Liu and Nocedal 1989) in variables scaled by the
    expected curvature.
    """
    features, products = choices.evidence.shape[1:]
    deviation = _deviation(choices)
    curvature = np.sqrt(shared_ridge + float(choices.taken.sum()) * _SHARED_CURVATURE)
    scale = np.concatenate([1.0 / deviation / curvature, _own_scale(choices, own_ridge).ravel()])
    ridge = np.concatenate(
        [shared_ridge * deviation**2, np.full(choices.rows * products, own_ridge)]
    )
    bounds = np.linspace(0, len(choices.taken), _BLOCKS + 1).astype(np.int64)
    losses = np.empty(_BLOCKS)
    by_evidence = np.empty((_BLOCKS, features, products), dtype=np.float32)
    by_own = np.empty((_BLOCKS, choices.rows, products), dtype=np.float32)

    def loss(scaled: Doubles) -> tuple[float, Doubles]:
        weights = scaled * scale
        single = weights.astype(np.float32)
        choice_kernels.choice_loss(
            choices.evidence, choices.open_to, choices.taken, choices.codes, choices.scale,
            choices.indptr, choices.items, choices.owned, single[:features],
            single[features:].reshape(choices.rows, products), bounds, losses, by_evidence, by_own,
        )  # fmt: skip
        gradient = np.concatenate(
            [
                by_evidence.sum(axis=(0, 2), dtype=np.float64),
                by_own.sum(axis=0, dtype=np.float64).ravel(),
            ]
        )
        penalty = ridge * weights
        return float(losses.sum() + 0.5 * penalty @ weights), (gradient + penalty) * scale

    found = minimize(
        loss, np.zeros(len(scale)), jac=True, method="L-BFGS-B", options={"maxiter": iterations}
    )
    weights = found.x * scale
    own = weights[features:].reshape(choices.rows, products).astype(np.float32)
    return Utility(weights[:features], own)


def _deviation(choices: Choices) -> Doubles:
    """Return the standard deviation of each feature over the products that could be taken."""
    features = choices.evidence.shape[1]
    inside = [choices.evidence[:, f][choices.open_to] for f in range(features)]
    return np.array([float(column.std(dtype=np.float64)) + 1e-6 for column in inside])


def _own_scale(choices: Choices, ridge: float) -> Doubles:
    """Return 1 / √(curvature) of every weight of the products' own, as the shares foretell it."""
    taken = np.where(choices.open_to, choices.taken, 0.0).sum(axis=0)
    share = (taken + 1.0) / (taken.sum() + len(taken))
    times = np.zeros(choices.rows)
    for block in range(choices.codes.shape[1]):
        count = np.bincount(choices.codes[:, block], minlength=choices.rows)
        times += float(choices.scale[block]) ** 2 * count
    first, value = int(choices.owned[0]), float(choices.owned[1])
    times[first:] += value**2 * np.bincount(choices.items, minlength=choices.rows - first)
    return np.asarray(1.0 / np.sqrt(ridge + times[:, None] * share * (1.0 - share)))
