"""A scenario's trained model: its champion recommender and the popularity that fills gaps."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from passbook.recommend.basket_model import BasketModel

_ARRAYS = ("prior", "affinity", "segments")


@dataclass(frozen=True)
class RecommendModel:
    """What offers of one scenario are made from.

    Attributes
    ----------
    scenario : str
    products : tuple of str
        Columns of both recommenders.
    champion : BasketModel
    fallback : BasketModel
        Popularity by segment, for places that the champion cannot fill.
    """

    scenario: str
    products: tuple[str, ...]
    champion: BasketModel
    fallback: BasketModel

    def to_files(self) -> dict[str, bytes]:
        """Return the model as JSON and arrays; equal models give equal bytes."""
        arrays = {
            f"{part}_{name}": getattr(model, name)
            for part, model in (("champion", self.champion), ("fallback", self.fallback))
            for name in _ARRAYS
        }
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        text = {
            "scenario": self.scenario,
            "products": self.products,
            "champion": _settings(self.champion),
            "fallback": _settings(self.fallback),
        }
        return {
            "model.json": json.dumps(text, ensure_ascii=False, indent=1).encode(),
            "arrays.npz": buffer.getvalue(),
        }

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> RecommendModel:
        """Read what `to_files` wrote."""
        text = json.loads(files["model.json"])
        with np.load(io.BytesIO(files["arrays.npz"]), allow_pickle=False) as arrays:
            champion = _basket_model(text["champion"], arrays, "champion")
            fallback = _basket_model(text["fallback"], arrays, "fallback")
        return cls(text["scenario"], tuple(text["products"]), champion, fallback)

    def on_products(self, products: list[str]) -> RecommendModel:
        """Return the model over another product list; codes it has never seen get no score."""
        place = {code: column for column, code in enumerate(self.products)}
        columns = np.array([place.get(code, -1) for code in products], dtype=np.int64)
        return RecommendModel(
            self.scenario, tuple(products), self.champion.on_products(columns),
            self.fallback.on_products(columns),
        )  # fmt: skip


def _settings(model: BasketModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "weighting": model.weighting,
        "half_life": None if np.isinf(model.half_life) else model.half_life,
        "alpha": model.alpha,
    }


def _basket_model(text: Mapping[str, Any], arrays: Any, part: str) -> BasketModel:
    prior, affinity, segments = (_array(arrays, f"{part}_{name}") for name in _ARRAYS)
    half_life = np.inf if text["half_life"] is None else text["half_life"]
    return BasketModel(
        text["name"], prior, affinity, segments, text["weighting"], half_life, text["alpha"]
    )


def _array(arrays: Any, name: str) -> npt.NDArray[Any]:
    return np.ascontiguousarray(arrays[name])
