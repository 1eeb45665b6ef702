"""``passbook demo``: a bank, its servers, its weeks, and what they say."""

from __future__ import annotations

import argparse
from contextlib import closing
from datetime import date
from pathlib import Path

from rich.console import Console

from passbook import mart, settings
from passbook.base_date import newest_base_date, parse_base_date
from passbook.demo import progress, summary
from passbook.demo.fill import DemoBank, fill_demo_bank, fill_insurance_purchases
from passbook.embedded import stack, week_runs
from passbook.embedded.airflow_api import AirflowApi
from passbook.errors import InputError

DEMO, INSURANCE_PURCHASES = "demo", "insurance_purchases"
PURCHASE_WEEKS = (date(2020, 3, 29), date(2020, 6, 28), date(2020, 8, 30))
"""Base dates inside the years that the insurer's purchases cover."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--source", default=DEMO, choices=(DEMO, INSURANCE_PURCHASES),
        help="A simulated bank, or a real insurer's files (default: demo).",
    )  # fmt: skip
    parser.add_argument("--data", type=Path, help="Folder with the insurer's purchase files.")
    for name, default, what in (
        ("--customers", DemoBank.customers, "Customers of the simulated bank"),
        ("--months", DemoBank.months, "Calendar months of its history"),
        ("--seed", DemoBank.seed, "Seed of its random numbers"),
    ):
        parser.add_argument(
            name, type=int, default=default, metavar="N", help=f"{what} (default: {default})."
        )
    parser.add_argument(
        "--base-date", action="append", metavar="DATE",
        help="Backfill this Sunday; may be repeated (default: run the newest week).",
    )  # fmt: skip
    parser.add_argument(
        "--again", action="store_true", help="Run stages again that have succeeded already."
    )


def run(arguments: argparse.Namespace) -> int:
    """Start the servers, fill the bank, run its weeks, print what they say."""
    console = Console()
    chosen = settings.load()
    weeks = [parse_base_date(text) for text in arguments.base_date or ()]
    if arguments.source == INSURANCE_PURCHASES:
        if arguments.data is None:
            raise InputError("The insurer's files are not part of Passbook: give --data FOLDER.")
        weeks = weeks or list(PURCHASE_WEEKS)
    with progress.phase(console, "Starting Postgres, HiveServer2 and Airflow"):
        found = stack.start(
            chosen.home,
            arguments.source,
            chosen.sources,
            heap=chosen.hive_heap,
            schedule_until=max(weeks) if arguments.source == INSURANCE_PURCHASES else None,
        )
    with progress.phase(console, f"Filling {arguments.source}"):
        changed = _fill(found, arguments)
    passed = all(
        _run_week(console, found, base_date, newest=not weeks, again=arguments.again or changed)
        for base_date in sorted(weeks) or [newest_base_date()]
    )
    console.print("\n".join(stack.describe(found)), highlight=False, markup=False, soft_wrap=True)
    return 0 if passed else 1


def _fill(found: stack.Stack, arguments: argparse.Namespace) -> bool:
    """Fill the bank's tables; return whether weeks that have run are out of date now."""
    folder = found.home / found.source
    if arguments.source == INSURANCE_PURCHASES:
        fill_insurance_purchases(found.hive.url, arguments.data, folder)
        return False
    bank = DemoBank(arguments.customers, arguments.months, arguments.seed)
    threads = settings.load().threads
    return fill_demo_bank(found.hive.url, bank, newest_base_date(), folder, threads=threads)


def _run_week(
    console: Console, found: stack.Stack, base_date: date, *, newest: bool, again: bool
) -> bool:
    """Run a week through Airflow, print its summary, and return whether every stage succeeded."""
    server = found.airflow
    if server is None:
        raise InputError("A stack without Airflow runs no week.")
    run_week = week_runs.run_newest if newest else week_runs.backfill
    with AirflowApi(server.url, "admin", server.passwords["admin"]) as api:
        with progress.week(console, base_date) as report:
            runs = run_week(api, base_date, report, again=again)
        failed = [run for run in runs.values() if run.state == "failed"]
        reasons = [f"{run.dag} failed: {week_runs.reason(api, run)}" for run in failed]
    with closing(mart.connect(found.mart.loader)) as connection:
        summary.print_week(console, connection, base_date)
    for said in reasons:
        console.print(said, style="red", markup=False)
    return not failed
