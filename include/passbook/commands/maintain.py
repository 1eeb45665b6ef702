"""``passbook maintain``: let go of old weeks and of model files that nothing needs any more."""

from __future__ import annotations

import argparse
from contextlib import closing
from datetime import timedelta

from passbook import artifacts, ledger, mart, settings
from passbook.base_date import newest_base_date
from passbook.steps.stage import mart_url

DEFAULT_WEEKS = 104


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how much to keep, and that without ``--apply`` nothing happens."""
    parser.add_argument(
        "--keep-weeks", type=int, default=DEFAULT_WEEKS, metavar="N",
        help=f"weeks to keep (default: {DEFAULT_WEEKS})",
    )  # fmt: skip
    parser.add_argument(
        "--apply", action="store_true", help="do it; without this, only tell what would go"
    )


def run(arguments: argparse.Namespace) -> int:
    """Tell what goes, and let go of it with ``--apply``."""
    if arguments.keep_weeks < 1:
        raise SystemExit("passbook maintain: --keep-weeks must be 1 or more")
    before = newest_base_date() - timedelta(weeks=arguments.keep_weeks)
    folder = settings.load().artifacts
    dry_run = not arguments.apply
    with closing(mart.connect(mart_url(settings.load()))) as connection:
        weeks = mart.retire(connection, before, dry_run=dry_run)
        needed = ledger.versions_in_use(connection, before)
    models = artifacts.prune(folder, needed, before, dry_run=dry_run)
    for week in weeks:
        size = week.bytes / 1e6
        print(f"{week.base_date} {week.table} ({week.kind}): {week.rows:,} rows, {size:,.1f} MB")
    for model, version, size in models:
        print(f"{model} {version}: {size / 1e6:,.1f} MB")
    total = (sum(week.bytes for week in weeks) + sum(size for *_, size in models)) / 1e6
    print(f"{'Gone' if arguments.apply else 'Would go'}: {len(weeks)} weeks of tables, "
          f"{len(models)} model versions, {total:,.1f} MB before {before}.")  # fmt: skip
    return 0
