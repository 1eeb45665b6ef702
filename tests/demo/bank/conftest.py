"""One demo bank for the tests of its tables and truths."""

from __future__ import annotations

from pathlib import Path

import pytest

from passbook.demo.bank.simulation import simulate

from .small_bank import CUSTOMERS, END, SEED


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a bank of `CUSTOMERS` customers; only read."""
    folder = tmp_path_factory.mktemp("demo-bank")
    simulate(folder, customers=CUSTOMERS, seed=SEED, end=END)
    return folder
