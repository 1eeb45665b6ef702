"""``passbook maintain``: let go of old weeks, models, partitions and of Airflow's old runs."""

from __future__ import annotations

import argparse

from passbook import settings
from passbook.base_date import newest_base_date
from passbook.commands import options
from passbook.steps.maintain import maintain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare that without ``--apply`` nothing happens."""
    parser.add_argument(
        "--keep-weeks", type=options.positive, metavar="N",
        help="weeks of the mart to keep (default: PASSBOOK_KEEP_MART_WEEKS)",
    )  # fmt: skip
    parser.add_argument(
        "--apply", action="store_true", help="do it; without this, only tell what would go"
    )


def run(arguments: argparse.Namespace) -> int:
    """Tell what goes, and let go of it with ``--apply``."""
    chosen = settings.load()
    if arguments.keep_weeks is not None:
        chosen = chosen.model_copy(update={"keep_mart_weeks": arguments.keep_weeks})
    gone = maintain(chosen, newest_base_date(), dry_run=not arguments.apply)
    for item in gone:
        size = "" if item.bytes is None else f", {item.bytes / 1e6:,.1f} MB"
        print(f"{item.kind}: {item.what}{size}")
    total = sum(item.bytes or 0 for item in gone) / 1e6
    print(f"{'Gone' if arguments.apply else 'Would go'}: {len(gone)} things, {total:,.1f} MB.")
    return 0
