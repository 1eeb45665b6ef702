"""ALS as basket models: for everyone, and for each segment that is large enough."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from passbook.errors import GridError
from passbook.recommend.als import AlternatingLeastSquares
from passbook.recommend.basket_model import BasketModel
from passbook.recommend.interactions import Floats, Interactions, confidence, to_csr
from passbook.recommend.popularity import large_segments, tie_breaker
from passbook.recommend.purchases import Ints


@dataclass(frozen=True)
class AlsParameters:
    """What the grid search varies.

    Attributes
    ----------
    factors, iterations : int
    regularization, alpha : float
    half_life : float
        Months in which the confidence of a purchase halves.
    """

    factors: int = 16
    regularization: float = 1.0
    iterations: int = 10
    alpha: float = 10.0
    half_life: float = 12.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            whole = name in ("factors", "iterations")
            if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
                raise GridError(f"{name} is {value!r}, not {'a whole' if whole else 'a'} number.")
            if not 0 < value < np.inf:
                raise GridError(f"{name} is {value}; it must be positive and finite.")

    def as_json(self) -> dict[str, Any]:
        """Return the parameters as JSON can hold them."""
        return asdict(self)


def fit_als(
    train: Interactions,
    parameters: AlsParameters,
    random_state: int,
    memory_limit_gb: float | None = None,
) -> BasketModel:
    """Fit ALS on all of `train`."""
    affinity = _affinity(train, parameters, random_state, memory_limit_gb)
    return _model("als", train, affinity[None], np.empty(0, dtype=np.int32), parameters)


def fit_als_by_segment(
    train: Interactions,
    segment: Ints,
    *,
    minimum: int,
    overall: BasketModel,
    parameters: AlsParameters,
    random_state: int,
) -> BasketModel:
    """Fit ALS on each segment of at least `minimum` customers; the others borrow `overall`."""
    affinities, kept = [overall.affinity[0]], []
    for number in large_segments(segment, minimum):
        members = train.take(np.flatnonzero(segment == number))
        if len(members.items) == 0:
            continue
        affinities.append(_affinity(members, parameters, random_state, None))
        kept.append(number)
    segments = np.array(kept, dtype=np.int32)
    return _model("als_by_segment", train, np.stack(affinities), segments, parameters)


def _affinity(
    train: Interactions, parameters: AlsParameters, random_state: int, limit: float | None
) -> Floats:
    als = AlternatingLeastSquares(
        factors=parameters.factors,
        regularization=parameters.regularization,
        alpha=parameters.alpha,
        iterations=parameters.iterations,
        random_state=random_state,
        memory_limit_gb=limit,
    )
    als.fit(to_csr(train, confidence(train, parameters.half_life)))
    return als.affinity()


def _model(
    name: str, train: Interactions, affinity: Floats, segments: Ints, parameters: AlsParameters
) -> BasketModel:
    prior = np.repeat(tie_breaker(train)[None, :], len(affinity), axis=0).astype(np.float32)
    return BasketModel(
        name, prior, np.ascontiguousarray(affinity), segments, "ridge",
        parameters.half_life, parameters.alpha,
    )  # fmt: skip
