from __future__ import annotations

from datetime import timedelta

import numpy as np

from passbook.recommend.bpr import fit_bpr
from passbook.recommend.context import Context, no_profile
from passbook.recommend.interactions import interactions_as_of

from .small_banks import PLANTED_BASE_DATE, planted, purchases


def test_products_of_one_kind_are_offered_to_who_has_its_like() -> None:
    rows = [
        (f"c{c:03}", f"{kind}{p}", "2022-01-01")
        for c in range(240)
        for kind in ("a" if c % 2 else "b")
        for p in range(4)
        if p != c // 2 % 4
    ]
    customers = " ".join(f"c{c:03}" for c in range(240))
    codes = " ".join(f"{kind}{p}" for kind in "ab" for p in range(4))
    train = interactions_as_of(purchases(rows, customers, codes), PLANTED_BASE_DATE)
    nobody = np.full(240, -1, dtype=np.int32)
    scores = fit_bpr(train, 0).score(Context(train, nobody, no_profile(240)))
    hidden = np.arange(240) // 2 % 4
    own, other = np.where(np.arange(240) % 2, 0, 4), np.where(np.arange(240) % 2, 4, 0)
    each = np.arange(240)
    assert (scores[each, own + hidden] > scores[each, other + hidden]).mean() > 0.95


def test_the_same_purchases_give_the_same_model() -> None:
    train = interactions_as_of(planted(), PLANTED_BASE_DATE - timedelta(days=40))
    one, other = fit_bpr(train, 3), fit_bpr(train, 3)
    assert one.affinity.tobytes() == other.affinity.tobytes()
    assert one.prior.tobytes() == other.prior.tobytes()
