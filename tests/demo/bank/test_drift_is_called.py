"""Drift injected into the demo bank is called with the usual thresholds; a season is not.

Money habits are counted here as the adapter's behaviour.sql counts them in Hive, over the 26 weeks
to a base date; purchases as retrain_models does, over 13 weeks.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest

from passbook import drift
from passbook.demo.bank import transactions
from passbook.demo.bank.drift import Drift
from passbook.demo.bank.simulation import simulate
from passbook.settings import DRIFT_THRESHOLDS

CUSTOMERS = 1_500
REFERENCE, LATER = date(2024, 6, 30), date(2024, 12, 29)
YEAR = timedelta(weeks=52)
USUAL = drift.Thresholds(**DRIFT_THRESHOLDS)


def bank(folder: Path, how: Drift | None) -> Path:
    simulate(folder, customers=CUSTOMERS, seed=3, end=LATER, months=26, drift=how)
    return folder


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bank(tmp_path_factory.mktemp("calm"), None)


def _read(table: Path, columns: list[str], day: str, to: date, weeks: int) -> pa.Table:
    after = to - timedelta(weeks=weeks)
    files = [str(p) for p in sorted(table.rglob("*.parquet"))]
    window = (pc.field(day) > after) & (pc.field(day) <= to)
    return ds.dataset(files).to_table(columns, filter=window)


def habits(folder: Path, to: date) -> pa.Table:
    columns = ["cust_no", "txn_amt", "txn_hh"]
    table = _read(folder / "tables" / "transaction_history", columns, "txn_dt", to, 26)
    hour = table["txn_hh"].to_numpy()
    night = pa.array(((hour >= 22) | (hour < 6)).astype(float))
    found = table.append_column("night", night).group_by("cust_no").aggregate(
        [("txn_amt", "count"), ("txn_amt", "mean"), ("night", "mean")]
    )  # fmt: skip
    return found.drop_columns("cust_no")


def bought(folder: Path, to: date) -> pa.Table:
    return _read(folder / "tables" / "deposit_account", ["prod_cd"], "open_dt", to, 13)


def called(
    folder: Path, to: date = LATER, *, since: date = REFERENCE, rows: int | None = None
) -> list[drift.FeatureDrift]:
    found = []
    for features in (habits, bought):
        reference = drift.reference_histograms(features(folder, since))
        weeks = [features(folder, day).slice(0, rows) for day in (to, to - YEAR)]
        now, before = (drift.count(reference, week.to_batches()) for week in weeks)
        found += drift.compare(reference, now, USUAL, year_before=before)
    return found


def test_a_calm_bank_does_not_drift(calm: Path) -> None:
    found = called(calm)
    assert [f.feature for f in found if f.drifted] == []
    assert max(f.psi or 0 for f in found if f.feature != "prod_cd") < 0.1


@pytest.mark.parametrize(
    ("kind", "start", "since"),
    [("sudden", date(2024, 7, 1), REFERENCE), ("slow", date(2024, 1, 1), date(2023, 12, 31))],
)
def test_injected_drift_is_called(tmp_path: Path, kind: str, start: date, since: date) -> None:
    folder = bank(tmp_path, Drift(kind, start))
    drifted = {f.feature for f in called(folder, since=since) if f.drifted}
    assert "txn_amt_mean" in drifted
    assert "night_mean" in drifted
    few = called(folder, since=since, rows=USUAL.minimum_rows - 1)  # type: ignore[arg-type]
    assert [f for f in few if f.drifted] == []


def test_a_season_is_noted_and_is_no_drift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = np.array([1.0, *[1.0] * 6, *[2.0] * 6])
    monkeypatch.setattr(transactions, "SEASON", busy)
    found = {f.feature: f for f in called(bank(tmp_path, None))}
    assert found["txn_amt_count"].seasonal
    assert (found["txn_amt_count"].psi or 0) > USUAL.psi
    assert [name for name, f in found.items() if f.drifted] == []
