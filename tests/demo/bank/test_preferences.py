"""Choice probabilities by hand."""

from __future__ import annotations

import numpy as np

from passbook.demo.bank.preferences import purchase_probabilities


def test_probabilities_are_a_softmax_over_what_is_allowed() -> None:
    utility = np.log([[1.0, 2.0, 5.0], [1.0, 1.0, 1.0], [3.0, 1.0, 1.0]])
    allowed = np.array([[True, True, False], [True, True, True], [False, False, False]])
    np.testing.assert_allclose(
        purchase_probabilities(utility, allowed),
        [[1 / 3, 2 / 3, 0], [1 / 3, 1 / 3, 1 / 3], [0, 0, 0]],
    )


def test_large_utilities_do_not_overflow() -> None:
    found = purchase_probabilities(np.array([[800.0, 0.0]]), np.ones((1, 2), bool))
    np.testing.assert_allclose(found, [[1.0, 0.0]], atol=1e-300)
