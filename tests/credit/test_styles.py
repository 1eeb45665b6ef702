"""Styles: planted ones are found by all three classifiers, and by rule without labels."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from credit.planted import planted_bank
from passbook.contracts import STYLES
from passbook.credit import features, style_classifiers, styles
from passbook.credit.style_classifiers import StyleModel
from passbook.credit.styles import Comparison
from passbook.errors import OutcomeError

Fitted = tuple[StyleModel, Comparison]


@pytest.fixture(scope="module")
def bank() -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Features, true styles and names of 4,000 customers."""
    planted = planted_bank(4000, seed=8)
    names = features.names(planted.tables)
    table = features.build(planted.tables, date(2022, 6, 5))
    order = np.argsort(planted.tables["customer"]["customer_id"].to_numpy(zero_copy_only=False))
    return features.as_matrix(table, names), planted.style[order], names


@pytest.fixture(scope="module")
def fitted(bank: tuple[np.ndarray, np.ndarray, tuple[str, ...]]) -> Fitted:
    """The comparison of the three classifiers."""
    matrix, style, names = bank
    return styles.fit(matrix, style, names=names, seed=0)


def test_every_classifier_finds_the_planted_styles(fitted: Fitted) -> None:
    _, comparison = fitted
    assert set(comparison.test) == set(styles.CLASSIFIERS)
    for name, figures in comparison.test.items():
        assert figures["f1"] > 0.8, name
        assert figures["roc_auc"] > 0.95, name
        assert np.sum(figures["confusion_matrix"]) == 600, name


def test_probabilities_are_probabilities_and_survive_files(
    fitted: Fitted, bank: tuple[np.ndarray, np.ndarray, tuple[str, ...]]
) -> None:
    model, _ = fitted
    found = model.probabilities(bank[0][:50])
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    again = style_classifiers.from_files(model.to_files())
    np.testing.assert_array_equal(again.probabilities(bank[0][:50]), found)


@pytest.mark.parametrize("name", styles.CLASSIFIERS)
def test_each_kind_survives_files(
    name: str, bank: tuple[np.ndarray, np.ndarray, tuple[str, ...]]
) -> None:
    matrix, style, names = (bank[0][:600], bank[1][:600], bank[2])
    model = styles.CLASSIFIERS[name](matrix, style, np.arange(600) % 5 == 0, names, 0)
    again = style_classifiers.from_files(model.to_files())
    np.testing.assert_array_equal(again.probabilities(matrix), model.probabilities(matrix))


def test_trees_agree_with_xgboost(
    bank: tuple[np.ndarray, np.ndarray, tuple[str, ...]],
) -> None:
    matrix, style, names = bank
    stop = np.arange(len(style)) % 5 == 0
    model = style_classifiers.fit_boosted(matrix, style, stop, names, 0)
    theirs = model.booster.inplace_predict(matrix)
    np.testing.assert_allclose(model.probabilities(matrix), theirs, atol=1e-5)


def test_rules_find_styles_without_labels(
    bank: tuple[np.ndarray, np.ndarray, tuple[str, ...]],
) -> None:
    matrix, style, names = bank
    assert (styles.labels_by_rule(matrix, names, seed=0) == style).mean() > 0.7


def test_a_style_nearly_without_labels_is_refused(
    bank: tuple[np.ndarray, np.ndarray, tuple[str, ...]],
) -> None:
    matrix, style, names = bank
    with pytest.raises(OutcomeError, match=f"E501.*{STYLES[2]}"):
        styles.fit(matrix, np.where(style == 2, 0, style), names=names, seed=0)
