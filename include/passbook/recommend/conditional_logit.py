"""McFadden's conditional logit: which of the products on offer a customer takes, by features."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from passbook.recommend.interactions import Flags, Floats

Doubles = npt.NDArray[np.float64]


def fit_conditional_logit(
    features: Floats, open_to: Flags, taken: Floats, ridge: float = 1.0
) -> Doubles:
    """Return the weights of features that make what was taken most likely.

    Minimises the negative log-likelihood of the choices plus ``ridge / 2`` times the squared
    weights of standardised features.

    Parameters
    ----------
    features : float32 array of shape (choices, products, features)
    open_to : bool array of shape (choices, products)
        Products that could be taken.
    taken : float32 array of shape (choices, products)
        1 where taken.

    Returns
    -------
    float64 array of shape (features,)
    """
    width = features.shape[2]
    inside = features[open_to]
    mean, scale = inside.mean(axis=0), inside.std(axis=0) + 1e-6
    standard = (features - mean) / scale
    flat = standard.reshape(-1, width)
    wanted = np.where(open_to, taken, 0.0)
    total = wanted.sum(axis=1, keepdims=True)

    def loss(weights: Doubles) -> tuple[float, Doubles]:
        margin = np.where(
            open_to, (flat @ weights.astype(np.float32)).reshape(open_to.shape), -np.inf
        )
        margin = margin - margin.max(axis=1, keepdims=True)
        odds = np.exp(margin)
        norm = odds.sum(axis=1, keepdims=True)
        log_likelihood = (wanted * (np.where(open_to, margin, 0.0) - np.log(norm))).sum()
        residual = (wanted - total * odds / norm).astype(np.float32)
        gradient = (residual.ravel() @ flat).astype(np.float64)
        penalty = ridge * weights
        return float(-log_likelihood + 0.5 * penalty @ weights), penalty - gradient

    found = minimize(loss, np.zeros(width), jac=True, method="L-BFGS-B")
    return np.asarray(found.x / scale, dtype=np.float64)
