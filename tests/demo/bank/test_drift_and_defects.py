"""What is injected shows, and only where it should."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from passbook.demo.bank.defects import inject
from passbook.demo.bank.drift import Drift
from passbook.demo.bank.simulation import read_manifest, simulate

from .small_bank import END, read


def bank_with(folder: Path, drift: Drift | None) -> Path:
    simulate(folder, customers=2500, seed=5, end=END, months=10, drift=drift)
    return folder


def test_a_sudden_drift_changes_what_comes_after_it_and_nothing_before(tmp_path: Path) -> None:
    begin = date(2025, 12, 1)
    plain = bank_with(tmp_path / "plain", None)
    drifted = bank_with(tmp_path / "drifted", Drift("sudden", begin))
    assert read_manifest(drifted)["drift"] == {"kind": "sudden", "start": "2025-12-01"}
    a, b = read(plain, "transaction_history"), read(drifted, "transaction_history")
    before = a[a.txn_dt < begin].reset_index(drop=True)
    assert before.equals(b[b.txn_dt < begin].reset_index(drop=True))
    a, b = a[a.txn_dt >= begin], b[b.txn_dt >= begin]
    assert len(b) > 1.3 * len(a)
    assert np.log(b.txn_amt).mean() > np.log(a.txn_amt).mean() + 0.5
    balances = (read(folder, "deposit_balance") for folder in (plain, drifted))
    low = [np.log1p(rows.psrv_ramt[rows.bas_dt > begin]).mean() for rows in balances]
    assert low[1] < low[0] - 0.2


def test_a_slow_drift_grows(tmp_path: Path) -> None:
    plain = bank_with(tmp_path / "plain", None)
    slow = bank_with(tmp_path / "slow", Drift("slow", date(2025, 8, 1)))
    months = [
        read(folder, "transaction_history").txn_dt.astype(str).str[:7].value_counts()
        for folder in (plain, slow)
    ]
    ratio = [months[1][month] / months[0][month] for month in ("2025-07", "2025-10", "2026-02")]
    assert ratio[0] == 1
    assert 1 < ratio[1] < ratio[2]


@pytest.fixture
def bank_to_spoil(tmp_path: Path) -> Path:
    simulate(tmp_path, customers=300, seed=5, end=END, months=4)
    return tmp_path


def test_missing_keys(bank_to_spoil: Path) -> None:
    inject("missing-keys", bank_to_spoil)
    assert read(bank_to_spoil, "customer_master").cust_no.isna().sum() == 25


def test_duplicates(bank_to_spoil: Path) -> None:
    inject("duplicates", bank_to_spoil)
    assert read(bank_to_spoil, "customer_master").duplicated("cust_no").sum() == 25


def test_negative_amounts(bank_to_spoil: Path) -> None:
    inject("negative-amounts", bank_to_spoil)
    assert (read(bank_to_spoil, "insurance_contract").prem_amt < 0).sum() == 25


def test_a_future_row(bank_to_spoil: Path) -> None:
    inject("future-row", bank_to_spoil)
    people = read(bank_to_spoil, "customer_master")
    future = people[people.brth_dt > END]
    assert len(future) == 1
    assert (future.join_dt <= END).all()


def test_an_empty_table(bank_to_spoil: Path) -> None:
    inject("empty-table", bank_to_spoil)
    assert read(bank_to_spoil, "product_master").empty


def test_defects_add_up_and_the_manifest_names_them(bank_to_spoil: Path) -> None:
    assert read_manifest(bank_to_spoil)["defects"] is None
    inject("duplicates", bank_to_spoil)
    inject("missing-keys", bank_to_spoil)
    assert read_manifest(bank_to_spoil)["defects"] == ["duplicates", "missing-keys"]
    assert len(read(bank_to_spoil, "customer_master")) == 350
