"""A scenario's trained model: its champion recommender and the popularity that fills gaps."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from passbook.errors import ArtifactError
from passbook.recommend.basket_model import BasketModel
from passbook.recommend.ranker import Ranker
from passbook.recommend.stored import Stored, restored, stored


@dataclass(frozen=True)
class RecommendModel:
    """What offers of one scenario are made from.

    Attributes
    ----------
    scenario : str
    products : tuple of str
        Columns of both recommenders.
    champion : BasketModel or Ranker
    fallback : BasketModel
        Popularity by segment, for places that the champion cannot fill.
    """

    scenario: str
    products: tuple[str, ...]
    champion: BasketModel | Ranker
    fallback: BasketModel

    def to_files(self) -> dict[str, bytes]:
        """Return the model as JSON, arrays and trees; equal models give equal bytes."""
        champion, fallback = stored(self.champion), stored(self.fallback)
        text = {
            "scenario": self.scenario,
            "products": self.products,
            "champion": champion.settings,
            "fallback": fallback.settings,
        }
        arrays = {f"champion_{name}": array for name, array in champion.arrays.items()}
        arrays |= {f"fallback_{name}": array for name, array in fallback.arrays.items()}
        buffer = io.BytesIO()
        arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        np.savez(buffer, allow_pickle=False, **arrays)
        files = {
            "model.json": json.dumps(text, ensure_ascii=False, indent=1).encode(),
            "arrays.npz": buffer.getvalue(),
        }
        return files | ({"trees.ubj": champion.trees} if champion.trees else {})

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> RecommendModel:
        """Read what `to_files` wrote."""
        text = json.loads(files["model.json"])
        with np.load(io.BytesIO(files["arrays.npz"]), allow_pickle=False) as found:
            arrays = {name: np.ascontiguousarray(found[name]) for name in found.files}
        champion, fallback = (
            restored(
                Stored(
                    text[part],
                    {
                        n.removeprefix(f"{part}_"): a
                        for n, a in arrays.items()
                        if n.startswith(part)
                    },
                    files.get("trees.ubj", b""),
                )
            )
            for part in ("champion", "fallback")
        )
        if not isinstance(fallback, BasketModel):
            raise ArtifactError("The fallback of a recommender is not popularity.")
        return cls(text["scenario"], tuple(text["products"]), champion, fallback)

    def on_products(self, products: list[str]) -> RecommendModel:
        """Return the model over another product list; codes it has never seen get no score."""
        place = {code: column for column, code in enumerate(self.products)}
        columns = np.array([place.get(code, -1) for code in products], dtype=np.int64)
        return RecommendModel(
            self.scenario, tuple(products), self.champion.on_products(columns),
            self.fallback.on_products(columns),
        )  # fmt: skip
