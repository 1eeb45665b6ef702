"""Names say what is loud, once, in both languages."""

from __future__ import annotations

import math

from passbook.segments.descriptions import feature_rows, segment_row
from passbook.segments.names import name_segments
from passbook.segments.profiles import CategoryProfile, NumberProfile, SegmentProfile


def profile(effects: dict[str, float], **shares: float) -> SegmentProfile:
    numbers = tuple(NumberProfile(n, 2.0, 1.0, 1.0, 1.0, effect) for n, effect in effects.items())
    categories = tuple(CategoryProfile("age_band", v, s, 0.2) for v, s in shares.items())
    return SegmentProfile(10, 0.25, numbers, categories)


def test_the_loudest_first_and_each_subject_once() -> None:
    effects = {"balance": 0.8, "avg_balance_3m": 0.9, "withdrawal_count": -0.7, "demand_count": 0.1}
    (found,) = name_segments([profile(effects)])
    assert found.name == "high balance, few payments out"
    assert found.name_ko == "높은 잔액, 적은 출금"
    assert found.description.startswith("25% of customers: high balance; few payments out.")


def test_what_is_far_out_is_very() -> None:
    (found,) = name_segments([profile({"time_deposit_count": 2.0})])
    assert (found.name, found.name_ko) == ("very many time deposits", "매우 많은 정기예금")


def test_an_age_band_over_its_share_is_named() -> None:
    (found,) = name_segments([profile({"balance": 0.5}, **{"50-59": 0.5, "20-29": 0.1})])
    assert found.name == "50s, high balance"
    assert found.name_ko == "50대, 높은 잔액"
    assert "50s 50%" in found.description


def test_nothing_loud_is_average_and_equal_names_are_numbered() -> None:
    names = name_segments([profile({"balance": 0.1}), profile({"balance": 0.2})])
    assert [name.name for name in names] == ["average (1)", "average (2)"]
    assert [name.name_ko for name in names] == ["평균적 (1)", "평균적 (2)"]


def test_longer_names_tell_apart_before_numbers_do() -> None:
    same = {"balance": 1.1, "deposit_count": 1.0, "withdrawal_count": 0.9}
    names = name_segments([profile(same), profile({**same, "arrears_count": 0.8})])
    assert names[1].name.endswith("many arrears")
    assert names[0].name != names[1].name


def test_rows_for_the_mart() -> None:
    found = profile({"balance": 0.8}, **{"50-59": 0.5})
    (name,) = name_segments([found])
    row = segment_row("deposit", name, 3, found)
    assert (row["segment"], row["customers"], row["name_ko"]) == (3, 10, name.name_ko)
    balance, age = feature_rows("deposit", 3, found)
    assert (balance["value"], balance["lift"], balance["median"]) == ("", 2.0, 1.0)
    assert (age["value"], age["share"], age["lift"]) == ("50-59", 0.5, 2.5)


def test_what_nobody_has_is_unknown_not_a_number() -> None:
    nothing = NumberProfile("deposit_size", math.nan, math.nan, math.nan, math.nan, 0.0)
    (row,) = feature_rows("deposit", 0, SegmentProfile(1, 1.0, (nothing,), ()))
    assert (row["mean"], row["median"], row["lift"]) == (None, None, None)
