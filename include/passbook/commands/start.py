"""``passbook start``: the embedded servers, for one bank."""

from __future__ import annotations

import argparse

from passbook import settings
from passbook.embedded import stack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--source", help="Name of the source adapter (default: PASSBOOK_SOURCE).")
    parser.add_argument(
        "--servers-only", action="store_true", help="Start Postgres and HiveServer2, no Airflow."
    )


def run(arguments: argparse.Namespace) -> int:
    """Start what does not run yet, and print the addresses."""
    chosen = settings.load()
    source = arguments.source or chosen.source
    found = stack.start(
        chosen.home,
        source,
        chosen.sources,
        heap=chosen.hive_heap,
        schedule_until=settings.schedule_until(source),
        with_airflow=not arguments.servers_only,
    )
    print("\n".join(stack.describe(found)))
    return 0
