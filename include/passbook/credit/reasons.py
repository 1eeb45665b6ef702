"""The main reasons for a credit index, out of additive contributions.

A customer below the base index is told what lowered it, any other what supports it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from passbook.credit.features import Feature


def choose(
    contributions: np.ndarray, adverse: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pick each row's strongest contributions in the direction of its outcome.

    Parameters
    ----------
    contributions : numpy.ndarray, shape (rows, features)
        To the log-odds of default, without the bias.
    adverse : numpy.ndarray of bool, shape (rows,)
        Whether the outcome is adverse: then only what raised the risk counts.
    count : int

    Returns
    -------
    numpy.ndarray of int and of bool, shape (rows, count)
        Feature positions, strongest first, and whether each place is filled; a row may have fewer
        than `count` contributions in its direction.
    """
    count = min(count, contributions.shape[1])
    strength = np.where(adverse[:, None], contributions, -contributions)
    place = np.argpartition(-strength, count - 1, axis=1)[:, :count]
    strongest = np.take_along_axis(strength, place, axis=1)
    order = np.lexsort((place, -strongest), axis=1)
    return (
        np.take_along_axis(place, order, axis=1),
        np.take_along_axis(strongest, order, axis=1) > 0,
    )


def in_words(
    place: np.ndarray, filled: np.ndarray, adverse: np.ndarray, phrases: Sequence[str]
) -> pa.ListArray:
    """Write chosen contributions as a list of sentences a row.

    Parameters
    ----------
    place, filled : numpy.ndarray, shape (rows, count)
        From `choose`.
    adverse : numpy.ndarray of bool, shape (rows,)
    phrases : sequence of str, length 2 × features
        What supports the index by each feature, then what lowers it by each feature.
    """
    half = len(phrases) // 2
    number = (place + np.where(adverse[:, None], half, 0))[filled]
    sentences = pa.array(phrases, pa.string()).take(pa.array(number))
    offsets = np.concatenate(([0], np.cumsum(filled.sum(axis=1)))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), sentences)


def bilingual(features: Sequence[Feature]) -> list[str]:
    """Return the sentences for `in_words`, each in English and Korean.

    Where banking sense gives a feature a direction, the sentence says which end of it is meant.
    """
    return [
        *(_sentence(feature, supports=True) for feature in features),
        *(_sentence(feature, supports=False) for feature in features),
    ]


def _sentence(feature: Feature, *, supports: bool) -> str:
    english, korean = feature.english, feature.korean
    if feature.risk:
        end = int((feature.risk < 0) == supports)
        english = f"{feature.english_ends[end]} {english}"
        korean = f"{korean} {feature.korean_ends[end]}"
    if supports:
        return f"Supports the index: {english} / 지수를 높임: {korean}"
    return f"Lowers the index: {english} / 지수를 낮춤: {korean}"


def english(labels: Sequence[str]) -> list[str]:
    """Return the sentences for `in_words` from columns' names or labels."""
    return [
        *(f"Supports the index: {label}" for label in labels),
        *(f"Lowers the index: {label}" for label in labels),
    ]
