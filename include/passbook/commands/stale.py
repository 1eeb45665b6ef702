"""``passbook stale``: published weeks whose inputs have changed since, and what mends them."""

from __future__ import annotations

import argparse
from contextlib import closing

from passbook import ledger, mart, settings
from passbook.steps.stage import mart_url

STALE = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no option."""


def run(_arguments: argparse.Namespace) -> int:
    """List the stale weeks with reasons and commands; the exit status is 1 when there are any."""
    with closing(mart.connect(mart_url(settings.load()))) as connection:
        weeks = ledger.stale_weeks(connection)
    for week in weeks:
        print(f"{week.base_date} {week.stage}: {week.reasons}\n    {week.mend}")
    count = len({week.base_date for week in weeks})
    print("1 stale week." if count == 1 else f"{count or 'No'} stale weeks.")
    return STALE if weeks else 0
