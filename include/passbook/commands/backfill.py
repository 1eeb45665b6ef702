"""``passbook backfill``: all five DAGs, or some, over a range of weeks, oldest first."""

from __future__ import annotations

import argparse
from datetime import date

from rich.console import Console

from passbook import settings
from passbook.base_date import base_dates_between, check_base_date
from passbook.commands import options
from passbook.contracts import STAGES
from passbook.demo import progress
from passbook.embedded import airflow, stack, week_runs
from passbook.embedded.airflow_api import AirflowApi
from passbook.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("first", type=options.day, help="First day, YYYY-MM-DD.")
    parser.add_argument("last", type=options.day, help="Last day, YYYY-MM-DD.")
    parser.add_argument(
        "--only", action="append", choices=STAGES, metavar="STAGE",
        help="This stage alone; may be given several times (default: all five, in order).",
    )  # fmt: skip
    parser.add_argument(
        "--again", action="store_true", help="Run stages again that have succeeded already."
    )


def run(arguments: argparse.Namespace) -> int:
    """Backfill every Sunday of the range in order; stop at the first week that fails.

    A later week would only train on a failed one's past, so it isn't begun.

    Raises
    ------
    InputError
        E803 for an empty range, or where no Airflow was ever started: `passbook stale` names this
        command to a bank with an Airflow of its own as well, which must get no second one.
    """
    console = Console()
    weeks = weeks_between(arguments.first, arguments.last)
    stages = [stage for stage in STAGES if stage in (arguments.only or STAGES)]
    chosen = settings.load()
    if airflow.kept_url(chosen.home.absolute()) is None:
        raise InputError(
            f"No Airflow was started in {chosen.home.absolute()}: run `passbook start` first. In an"
            " Airflow of the bank's own, use the DAG's backfill dialog."
        )
    with progress.phase(console, "Starting Postgres, HiveServer2 and Airflow"):
        found = stack.start(
            chosen.home,
            chosen.source,
            chosen.sources,
            heap=chosen.hive_heap,
            schedule_until=chosen.schedule_until,
        )
    if found.airflow is None:
        raise InputError("A stack without Airflow runs no week.")
    for base_date in weeks:
        with (
            AirflowApi(found.airflow.url, "admin", found.airflow.passwords["admin"]) as api,
            progress.week(console, base_date) as report,
        ):
            runs = week_runs.backfill(api, base_date, report, again=arguments.again, stages=stages)
        failed = [run.dag for run in runs.values() if run.state == "failed"]
        if failed:
            console.print(f"[red]{', '.join(failed)} failed for {base_date}; see Airflow's logs.")
            return 1
    console.print(f"{len(weeks)} weeks are done, {weeks[0]} to {weeks[-1]}.")
    return 0


def weeks_between(first: date, last: date) -> list[date]:
    """Return the Sundays of the range, both ends included.

    Raises
    ------
    InputError
        E803 when there is none.
    BaseDateError
        E802 when the last one is in the future.
    """
    weeks = base_dates_between(first, last)
    if not weeks:
        raise InputError(f"There is no Sunday from {first} to {last}.")
    check_base_date(weeks[-1])
    return weeks
