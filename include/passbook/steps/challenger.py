"""What training hands over: a model that wants the champion's place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class Challenger:
    """A trained model with all that promotion and the ledger need of it.

    Attributes
    ----------
    model : str
        Name, such as ``recommend.up_sell.deposit``.
    files : Mapping[str, bytes]
        What the model's ``to_files`` gave; never a pickle.
    parameters : Mapping[str, Any]
        The winning parameters, as JSON can hold them.
    metrics : Mapping[str, float]
        Figures on the holdout, which promotion compares.
    champion : Mapping[str, float], optional
        The champion's figures on the same holdout.
    trials, leaderboard, figures, recommender_metrics : pyarrow.Table, optional
        Rows of ``ops.trial``, ``ops.leaderboard``, ``ops.model_figure`` and
        ``ops.recommender_metric``, in contract order.
    """

    model: str
    files: Mapping[str, bytes]
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    trials: pa.Table | None = None
    leaderboard: pa.Table | None = None
    champion: Mapping[str, float] | None = None
    figures: pa.Table | None = None
    recommender_metrics: pa.Table | None = None
