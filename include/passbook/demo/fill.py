"""Fill a bank's Hive tables, or keep what is there when it is the same bank."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from passbook import hive
from passbook.demo import insurance_purchases, load
from passbook.demo.bank.simulation import MANIFEST, simulate
from passbook.demo.bank.source_tables import SOURCE_TABLES

DATABASE = "demo"
LAST_TABLE = list(SOURCE_TABLES)[-1]
"""The table that is registered last: when it is there, all are."""


@dataclass(frozen=True)
class DemoBank:
    """Which demo bank: its size, its history, its random numbers."""

    customers: int = 50_000
    months: int = 30
    seed: int = 0


def fill_demo_bank(
    hive_url: str, bank: DemoBank, end: date, folder: Path, *, threads: int = 2
) -> bool:
    """Simulate the demo bank up to `end` and register it, unless `folder` holds this very bank.

    Returns
    -------
    bool
        Whether the bank's tables are others than before.
    """
    wanted = {**asdict(bank), "end": end.isoformat(), "drift": None, "defects": None}
    manifest = folder / "truth" / MANIFEST
    known = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {}
    same = all(known.get(name) == value for name, value in wanted.items())
    if not same:
        simulate(
            folder,
            customers=bank.customers,
            seed=bank.seed,
            end=end,
            months=bank.months,
            threads=threads,
        )
    with hive.connect(hive_url) as connection:
        if not (same and connection.table_exists(DATABASE, LAST_TABLE)):
            load.register(connection, folder, DATABASE)
    return not same


def fill_insurance_purchases(hive_url: str, data: Path, folder: Path) -> None:
    """Load the insurer's purchase files out of `data`."""
    with hive.connect(hive_url) as connection:
        insurance_purchases.load(connection, data, folder)
