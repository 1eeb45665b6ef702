"""Drift is called when distributions differ, and only then."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from passbook import drift
from passbook.errors import ArtifactError
from passbook.settings import DRIFT_THRESHOLDS, Settings

USUAL = drift.Thresholds(**DRIFT_THRESHOLDS)


def compared(
    old: pa.Table, new: pa.Table, year_before: pa.Table | None = None
) -> dict[str, drift.FeatureDrift]:
    reference = drift.reference_histograms(old)
    current = drift.count(reference, new.to_batches())
    before = year_before and drift.count(reference, year_before.to_batches())
    found = drift.compare(reference, current, USUAL, year_before=before)
    return {feature.feature: feature for feature in found}


def test_psi_and_jensen_shannon_of_a_hand_computed_case() -> None:
    # half a row is added to each bin: shares 10/30, 20/30 against 20/30, 10/30
    old, new = (9.5, 19.5), (19.5, 9.5)
    assert drift.population_stability_index(old, new) == pytest.approx(2 / 3 * math.log(2))
    p, q = np.array([1, 2]) / 3, np.array([2, 1]) / 3
    m = (p + q) / 2
    divergence = sum((x * np.log2(x / m)).sum() for x in (p, q)) / 2
    found = drift.compare(
        {"x": drift.Histogram((0.0,), (), old)},  # type: ignore[arg-type]
        {"x": drift.Histogram((0.0,), (), new)},  # type: ignore[arg-type]
        USUAL,
    )
    assert found[0].jensen_shannon == pytest.approx(math.sqrt(divergence))


def test_edges_and_nulls_are_counted_where_they_belong() -> None:
    like = {"x": drift.Histogram((1.0, 2.0), (), (0, 0, 0, 0))}
    values = pa.array([0, 1, 1, 2, 5, None], pa.int32())
    counted = drift.count(like, [pa.record_batch({"x": values})])
    assert counted["x"].counts == (1, 2, 2, 1)
    floats = pa.array([0.5, 1.0, float("nan"), 2.0, None])
    assert drift.count(like, [pa.record_batch({"x": floats})])["x"].counts == (1, 1, 1, 2)


def test_an_unseen_code_and_null_have_bins() -> None:
    old = pa.table({"code": ["a"] * 700 + ["나"] * 300})
    reference = drift.reference_histograms(old)
    assert reference["code"].codes == ("a", "나")
    counted = drift.count(reference, pa.table({"code": ["나", "new", None, "a"]}).to_batches())
    assert counted["code"].counts == (1, 1, 1, 1)


def test_a_value_that_fills_a_bin_is_kept_apart() -> None:
    rng = np.random.default_rng(0)
    values = np.where(rng.random(10_000) < 0.95, 0.0, rng.lognormal(10, 1, 10_000))
    histogram = drift.reference_histograms(pa.table({"balance": values}))["balance"]
    assert max(histogram.counts) == np.count_nonzero(values == 0)
    more = compared(pa.table({"balance": values}), pa.table({"balance": np.sort(values)[5_000:]}))
    assert more["balance"].psi > 0.02


def test_the_reference_does_not_depend_on_the_order_of_rows() -> None:
    rng = np.random.default_rng(1)
    table = pa.table({"x": rng.normal(size=5_000), "c": rng.choice(["a", "b"], 5_000)})
    shuffled = table.take(rng.permutation(5_000))
    first, second = (drift.to_json(drift.reference_histograms(t)) for t in (table, shuffled))
    assert first == second


def test_any_number_of_threads_counts_the_same() -> None:
    rng = np.random.default_rng(2)
    table = pa.table({f"x{i}": rng.normal(size=200_000) for i in range(5)})
    reference = drift.reference_histograms(table)
    one, two = (
        drift.count(reference, table.to_batches(max_chunksize=70_000), threads=n) for n in (1, 2)
    )
    assert one == two == reference


@pytest.mark.parametrize(("shift", "expected"), [(0.0, False), (0.1, False), (1.0, True)])
def test_effect_size_decides_not_the_number_of_rows(shift: float, expected: bool) -> None:
    rng = np.random.default_rng(3)
    old = pa.table({"x": rng.normal(size=300_000)})
    new = pa.table({"x": rng.normal(shift, size=300_000)})
    assert compared(old, new)["x"].drifted is expected


def test_a_small_sample_is_never_called_drift() -> None:
    rng = np.random.default_rng(4)
    old = pa.table({"x": rng.normal(size=10_000)})
    small = pa.table({"x": rng.normal(2, size=499)})
    found = compared(old, small)["x"]
    assert found.psi > 1
    assert not found.drifted


def test_dates_are_not_measured_and_empty_columns_are() -> None:
    table = pa.table({"day": pa.array([0], pa.date32()), "x": pa.array([None], pa.float64())})
    assert list(drift.reference_histograms(table)) == ["x"]


def test_amounts_beyond_what_a_float_counts_exactly_are_rounded() -> None:
    """Arrow would name the amount, a customer's, in its refusal."""
    amounts = pa.table({"balance": pa.array([2**53 + 1, 0, 0, 0], pa.int64())})
    assert drift.reference_histograms(amounts)["balance"].rows == 4


def test_histograms_survive_json_and_other_content_is_refused() -> None:
    table = pa.table({"x": np.arange(100.0), "상품": ["적금", "보험"] * 50})
    reference = drift.reference_histograms(table)
    assert drift.from_json(drift.to_json(reference)) == dict(sorted(reference.items()))
    for content in (b"not json", b"[1]", b'{"x": {}}'):
        with pytest.raises(ArtifactError):
            drift.from_json(content)


def test_what_returns_every_year_is_a_season_and_no_drift() -> None:
    rng = np.random.default_rng(5)
    autumn = pa.table({"x": rng.normal(size=20_000)})
    winter, winter_before = (pa.table({"x": rng.normal(1, size=20_000)}) for _ in range(2))
    season = compared(autumn, winter, winter_before)["x"]
    assert (season.drifted, season.seasonal) == (False, True)
    change = compared(autumn, winter, autumn)["x"]
    assert (change.drifted, change.seasonal) == (True, False)
    few = compared(autumn, winter, winter_before.slice(0, 100))["x"]
    assert (few.drifted, few.seasonal) == (True, False)


def test_many_bins_need_many_rows() -> None:
    codes = np.array([f"P{i:02d}" for i in range(40)])
    rng = np.random.default_rng(6)
    old = pa.table({"product": rng.choice(codes, 10_000)})
    shifted = rng.choice(codes[:25], 1_000)
    assert not compared(old, pa.table({"product": shifted[:800]}))["product"].drifted
    assert compared(old, pa.table({"product": shifted}))["product"].drifted


def test_the_last_said_threshold_of_a_model_counts() -> None:
    given = {"*": {"psi": 0.3}, "credit": {"psi": 0.1}, "credit.default": {"minimum_rows": 9}}
    table = Settings(drift_thresholds=given).drift_thresholds
    assert drift.thresholds_of(table, "segments.deposit").psi == 0.3
    assert drift.thresholds_of(table, "credit.style").psi == 0.1
    risk = drift.thresholds_of(table, "credit.default")
    assert (risk.psi, risk.minimum_rows, risk.calibration) == (0.1, 9, 0.5)
    with pytest.raises(ValueError, match="above 0"):
        Settings(drift_thresholds={"*": {"psi": 0}})


@pytest.mark.parametrize(
    ("realised", "outcomes", "drifted"),
    [(0.42, 300, True), (0.43, 300, False), (0.1, 299, False), (0.6, 300, False)],
)
def test_a_performance_drifts_when_enough_outcomes_show_its_loss(
    realised: float, outcomes: int, drifted: bool
) -> None:
    assert drift.lost("hit_rate_5", 0.5, realised, outcomes, USUAL).drifted is drifted


@pytest.mark.parametrize(
    ("predicted", "observed", "drifted"),
    [(0.04, 0.061, True), (0.061, 0.04, True), (0.04, 0.059, False)],
)
def test_calibration_drifts_in_both_directions(
    predicted: float, observed: float, drifted: bool
) -> None:
    found = drift.miscalibrated("default_rate", predicted, observed, 300, USUAL)
    assert found.drifted is drifted
    assert not drift.miscalibrated("default_rate", predicted, observed, 299, USUAL).drifted


def test_the_car_loan_drifts_from_chunk_five_and_not_before(real_data: Path) -> None:
    read = lambda part: pa.Table.from_pandas(  # noqa: E731
        pd.read_csv(real_data / "drift_car_loan" / f"synthetic_car_loan_{part}.csv.gz").drop(
            columns=["id", "timestamp", "repaid"], errors="ignore"
        )
    )
    reference = drift.reference_histograms(read("reference"))
    analysis = read("analysis")
    verdicts = []
    for chunk in range(10):
        rows = analysis.slice(chunk * 5_000, 5_000)
        found = drift.compare(reference, drift.count(reference, rows.to_batches()), USUAL)
        verdicts.append(any(feature.drifted for feature in found))
    assert verdicts == [False] * 5 + [True] * 5
