"""``passbook simulate``: write the demo bank's source tables and register them in Hive."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from time import perf_counter

from passbook import hive, settings
from passbook.base_date import newest_base_date
from passbook.commands import options
from passbook.demo import load
from passbook.demo.bank.defects import DEFECTS, inject
from passbook.demo.bank.drift import DRIFTS, Drift
from passbook.demo.bank.simulation import simulate
from passbook.errors import InputError, SettingsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--customers", type=int, default=50_000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--end", type=options.day, metavar="DATE",
                        help="Last simulated day (default: the last Sunday).")  # fmt: skip
    parser.add_argument("--months", type=int, default=30, help="Calendar months (30).")
    parser.add_argument("--folder", type=Path,
                        help="Where the files go (default: demo/ in PASSBOOK_HOME).")  # fmt: skip
    parser.add_argument("--database", default="demo", help="Hive database (demo).")
    parser.add_argument("--files-only", action="store_true", help="Do not register in Hive.")
    parser.add_argument("--drift", choices=DRIFTS,
                        help="How a drift sets in, with --drift-from (sudden).")  # fmt: skip
    parser.add_argument("--drift-from", type=options.day, metavar="DATE",
                        help="Change the customers' behaviour from this day on.")  # fmt: skip
    parser.add_argument("--defect", action="append", default=[], choices=DEFECTS,
                        help="Spoil the tables, for rehearsal; may be repeated.")  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Simulate, register unless told not to, and say what was written."""
    chosen = settings.load()
    if arguments.drift and not arguments.drift_from:
        raise InputError("--drift needs --drift-from, the day on which it begins.")
    drift = None
    if arguments.drift_from:
        drift = Drift(arguments.drift or "sudden", arguments.drift_from)
    # Told now, not after a simulation that may take an hour.
    hive_url = None if arguments.files_only else _hive_url(chosen, arguments.database)
    begun = perf_counter()
    folder = arguments.folder or chosen.home / "demo"
    written = simulate(
        folder,
        customers=arguments.customers,
        seed=arguments.seed,
        end=arguments.end or newest_base_date(),
        months=arguments.months,
        threads=chosen.threads,
        drift=drift,
    )
    for defect in arguments.defect:
        inject(defect, folder)
    rows = sum(written.rows.values())
    print(f"{rows:,} rows in {perf_counter() - begun:.1f} s: {written.tables}")
    if hive_url:
        with hive.connect(hive_url) as connection:
            load.register(connection, folder, arguments.database)
        print(f"Registered in Hive: {arguments.database}")
    return 0


def _hive_url(chosen: settings.Settings, database: str) -> str:
    if chosen.hive_url is None:
        raise SettingsError("PASSBOOK_HIVE_URL is not set and no stack runs: no Hive to fill.")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", database):
        raise InputError(f"{database!r} is no name of a Hive database.")
    return chosen.hive_url.get_secret_value()
