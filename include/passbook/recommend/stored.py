"""Recommenders as settings and arrays that files can hold, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from passbook.recommend.basket_model import BasketModel
from passbook.recommend.conditional_logit import Utility
from passbook.recommend.customer_codes import CodeLayout
from passbook.recommend.evidence import Evidence
from passbook.recommend.ranker import Ranker

_BASKET_ARRAYS: Final = ("prior", "affinity", "segments")


@dataclass(frozen=True)
class Stored:
    """A recommender in plain formats.

    Attributes
    ----------
    settings : Mapping[str, Any]
        As JSON can hold them.
    arrays : Mapping[str, array]
    trees : bytes
        XGBoost's UBJSON, empty without trees.
    """

    settings: Mapping[str, Any]
    arrays: Mapping[str, npt.NDArray[Any]]
    trees: bytes = b""


def stored(model: BasketModel | Ranker) -> Stored:
    """Return a recommender in plain formats."""
    if isinstance(model, BasketModel):
        return _stored_basket_model(model)
    evidence = model.evidence
    arrays: dict[str, npt.NDArray[Any]] = {
        "shared": model.utility.shared,
        "own": model.utility.own,
        "likely_segments": model.segments,
        "columns": evidence.columns,
        "popularity": evidence.popularity,
        "next_after": evidence.next_after,
        "season": evidence.season,
    }
    arrays |= {f"trait_{number}": table for number, table in enumerate(evidence.traits)}
    settings: dict[str, Any] = {
        "name": model.name,
        "month": model.month,
        "followers_say": model.followers_say,
        "traits": model.layout.traits,
        "offered": model.layout.offered,
        "products": model.layout.products,
        "amounts": model.layout.amounts,
    }
    for part in ("followers", "cosine", "ease"):
        inner = _stored_basket_model(getattr(evidence, part))
        settings[part] = inner.settings
        arrays |= {f"{part}_{name}": array for name, array in inner.arrays.items()}
    return Stored(settings, arrays, model.trees)


def restored(kept: Stored) -> BasketModel | Ranker:
    """Return the recommender that `stored` took apart."""
    if "month" not in kept.settings:
        return _restored_basket_model(kept.settings, kept.arrays, "")
    arrays = kept.arrays
    traits = sum(name.startswith("trait_") for name in arrays)
    evidence = Evidence(
        arrays["columns"],
        arrays["popularity"],
        _restored_basket_model(kept.settings["followers"], arrays, "followers_"),
        _restored_basket_model(kept.settings["cosine"], arrays, "cosine_"),
        _restored_basket_model(kept.settings["ease"], arrays, "ease_"),
        arrays["next_after"],
        tuple(arrays[f"trait_{number}"] for number in range(traits)),
        arrays["season"],
    )
    layout = CodeLayout(
        tuple(kept.settings["traits"]), tuple(kept.settings["offered"]), kept.settings["products"],
        kept.settings["amounts"],
    )  # fmt: skip
    utility = Utility(arrays["shared"], arrays["own"])
    return Ranker(
        kept.settings["name"], evidence, utility, layout, kept.settings["month"], kept.trees,
        arrays["likely_segments"], kept.settings["followers_say"],
    )  # fmt: skip


def _stored_basket_model(model: BasketModel) -> Stored:
    settings = {
        "name": model.name,
        "weighting": model.weighting,
        "half_life": None if np.isinf(model.half_life) else model.half_life,
        "alpha": model.alpha,
    }
    return Stored(settings, {name: getattr(model, name) for name in _BASKET_ARRAYS})


def _restored_basket_model(
    settings: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]], prefix: str
) -> BasketModel:
    prior, affinity, segments = (arrays[f"{prefix}{name}"] for name in _BASKET_ARRAYS)
    half_life = np.inf if settings["half_life"] is None else settings["half_life"]
    return BasketModel(
        settings["name"], prior, affinity, segments, settings["weighting"], half_life,
        settings["alpha"],
    )  # fmt: skip
