"""The source tables: reproducible, consistent, and without the truth."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from passbook.demo.bank import customers, plan, simulation
from passbook.demo.bank.simulation import read_manifest, simulate
from passbook.demo.bank.source_tables import SOURCE_TABLES
from passbook.errors import InputError, StorageError

from .small_bank import CUSTOMERS, END, checksums, read

KEYS = {
    "customer_master": ["cust_no"],
    "product_master": ["prod_cd"],
    "deposit_account": ["acct_no"],
    "deposit_balance": ["acct_no", "bas_dt"],
    "insurance_contract": ["cntr_no"],
    "fund_account": ["acct_no"],
    "card_account": ["card_no"],
    "card_use": ["card_no", "bas_dt"],
    "app_login": ["cust_no", "bas_dt"],
    "arrears": ["arrr_no"],
}
PURCHASES = {
    "deposit_account": ("open_dt", "clos_dt"),
    "insurance_contract": ("cntr_dt", "end_dt"),
    "fund_account": ("open_dt", "clos_dt"),
    "card_account": ("issu_dt", "cncl_dt"),
}
EVENTS = {
    "customer_master": ["brth_dt", "join_dt"],
    "transaction_history": ["txn_dt"],
    "arrears": ["arrr_strt_dt", "arrr_end_dt", "wrof_dt"],
    "contact_log": ["cnsl_dt"],
    "auto_order": ["stng_dt", "rel_dt"],
    "deposit_balance": ["bas_dt"],
} | {table: list(days) for table, days in PURCHASES.items()}


def small(folder: Path, *, seed: int = 3, threads: int = 2) -> dict[str, str]:
    simulate(folder, customers=900, seed=seed, end=END, months=8, threads=threads)
    return checksums(folder)


def test_same_seed_same_bytes_for_any_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "BLOCK_CUSTOMERS", 300)
    monkeypatch.setattr(customers, "BLOCK_CUSTOMERS", 300)
    monkeypatch.setattr(simulation, "FILE_BLOCKS", 2)
    one = small(tmp_path / "one", threads=1)
    assert one == small(tmp_path / "two", threads=2)
    assert "tables/customer_master/part-00001.parquet" in one
    other = small(tmp_path / "other", seed=4)
    tables = [name for name in one if name.startswith("tables/")]
    assert all(one[name] != other[name] for name in tables)


def test_a_smaller_bank_leaves_nothing_of_a_larger_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "BLOCK_CUSTOMERS", 300)
    monkeypatch.setattr(customers, "BLOCK_CUSTOMERS", 300)
    monkeypatch.setattr(simulation, "FILE_BLOCKS", 1)
    for count, files in ((600, 2), (300, 1)):
        simulate(tmp_path, customers=count, seed=3, end=END, months=4)
        assert len(list((tmp_path / "tables" / "customer_master").iterdir())) == files


@pytest.mark.parametrize("table", sorted(SOURCE_TABLES))
def test_columns_and_types_are_as_declared(bank: Path, table: str) -> None:
    schema = SOURCE_TABLES[table].schema
    for path in (bank / "tables" / table).rglob("*.parquet"):
        found = pq.ParquetFile(path).schema_arrow
        assert [(f.name, f.type) for f in found] == [(f.name, f.type) for f in schema]


@pytest.mark.parametrize("table", sorted(KEYS))
def test_keys_are_unique_and_present(bank: Path, table: str) -> None:
    rows = read(bank, table)
    assert len(rows)
    assert not rows[KEYS[table]].isna().any(axis=None)
    assert not rows.duplicated(KEYS[table]).any()


@pytest.mark.parametrize("table", sorted(EVENTS))
def test_nothing_happens_after_the_end_or_before_joining(bank: Path, table: str) -> None:
    rows = read(bank, table)
    joined = read(bank, "customer_master").set_index("cust_no").join_dt
    for column in EVENTS[table]:
        days = rows[column].dropna()
        assert days.max() <= END
        if column != "brth_dt":
            assert (days >= rows.cust_no[days.index].map(joined)).all()


def test_products_are_bought_while_on_sale_and_at_a_fitting_age(bank: Path) -> None:
    products = read(bank, "product_master").set_index("prod_cd")
    birth = pd.to_datetime(read(bank, "customer_master").set_index("cust_no").brth_dt)
    for table, (opened, closed) in PURCHASES.items():
        rows = read(bank, table).join(products, on="prod_cd")
        assert rows.prod_nm.notna().all()
        assert (rows[opened] >= rows.sale_strt_dt).all()
        ended = rows[rows.sale_end_dt.notna()]
        assert (ended[opened] <= ended.sale_end_dt).all()
        over = rows[rows[closed].notna()]
        assert (over[closed] > over[opened]).all()
        age = (pd.to_datetime(rows[opened]) - rows.cust_no.map(birth)).dt.days / 365.25
        # A choice sees the age on the first of its month.
        assert not (age < rows.min_age - 0.01).any()
        assert not (age > rows.max_age + 0.1).any()


def test_popular_products_end_inside_the_simulated_time(bank: Path) -> None:
    products = read(bank, "product_master").set_index("prod_cd")
    sold = read(bank, "deposit_account").prod_cd.value_counts()
    ends = products.sale_end_dt.reindex(sold.index[:12]).dropna()
    assert len(ends)
    assert (ends < END).all()


def test_amounts_are_positive_and_balances_heavy_tailed(bank: Path) -> None:
    assert (read(bank, "transaction_history").txn_amt > 0).all()
    balance = read(bank, "deposit_balance")
    assert (balance.psrv_ramt >= 0).all()
    total = balance[balance.bas_dt == date(2026, 2, 28)].groupby("cust_no").psrv_ramt.sum()
    ordered = np.sort(total.to_numpy())[::-1]
    # The richest hundredth holds a fifth or more: a lognormal of the same median would hold less.
    assert ordered[: len(ordered) // 100].sum() > 0.2 * ordered.sum()
    assert total.mean() > 5 * total.median()


def test_many_hold_one_product_few_everything_very_few_funds(bank: Path) -> None:
    held = {}
    for table, (_, closed) in PURCHASES.items():
        rows = read(bank, table)
        held[table] = set(rows[rows[closed].isna()].cust_no)
    everything = set.intersection(*held.values())
    assert 0 < len(everything) < 0.02 * CUSTOMERS
    assert 0 < len(held["fund_account"]) < 0.04 * CUSTOMERS
    counts = pd.concat([pd.Series(sorted(who)) for who in held.values()]).value_counts()
    assert (counts == 1).mean() > 0.35


def test_the_truth_is_beside_the_tables_and_not_in_them(bank: Path) -> None:
    manifest = read_manifest(bank)
    assert manifest["customers"] == CUSTOMERS
    for name, checksum in manifest["files"].items():
        assert checksums(bank)[f"truth/{name}"] == checksum
    columns = {name for table in SOURCE_TABLES.values() for name in table.schema.names}
    assert not columns & {"deposit_group", "insurance_group", "style", "probability"}


@pytest.mark.parametrize("wrong", [{"customers": 0}, {"seed": -1}, {"months": 3}, {"months": 1000}])
def test_senseless_figures_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    chosen = {"customers": 10, "seed": 0, "months": 6} | wrong
    with pytest.raises(InputError):
        simulate(tmp_path / "bank", end=END, **chosen)
    assert not (tmp_path / "bank").exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="E805"):
        simulate(tmp_path / "file", customers=10, seed=0, end=END, months=4)
    with pytest.raises(InputError, match="E803"):
        read_manifest(tmp_path)
