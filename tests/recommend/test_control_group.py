from __future__ import annotations

import numpy as np
import pyarrow as pa

from passbook.recommend.control_group import in_control_group

CUSTOMERS = pa.array([f"{n:010d}" for n in range(100_000)])


def test_the_share_is_what_was_asked_for_and_the_group_stays() -> None:
    group = in_control_group(CUSTOMERS, 0.05, "1")
    assert abs(group.mean() - 0.05) < 0.003
    some = np.array([7, 99_999, 5, 50_000])
    assert (in_control_group(CUSTOMERS.take(pa.array(some)), 0.05, "1") == group[some]).all()
    assert (in_control_group(CUSTOMERS.slice(10), 0.05, "1") == group[10:]).all()
    larger = in_control_group(CUSTOMERS, 0.10, "1")
    assert larger[group].all()


def test_another_salt_draws_another_group() -> None:
    one, other = (in_control_group(CUSTOMERS, 0.2, salt) for salt in ("1", "2"))
    assert abs((one & other).mean() - 0.04) < 0.004


def test_numbers_in_a_row_are_spread_evenly() -> None:
    """A hash that is too simple would pick customers by their last digit."""
    group = in_control_group(CUSTOMERS, 0.1, "1").reshape(-1, 10)
    assert np.abs(group.mean(axis=0) - 0.1).max() < 0.01


def test_korean_and_empty_numbers_and_no_share() -> None:
    names = pa.array(["고객1", "", "고객2"])
    assert in_control_group(names, 0.999999, "1").all()
    assert not in_control_group(names, 0.0, "1").any()
    assert len(in_control_group(names.slice(0, 0), 0.5, "1")) == 0
