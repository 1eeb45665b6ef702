"""``passbook models``: which versions are and were in force; roll back; verify their files."""

from __future__ import annotations

import argparse
import getpass
from contextlib import closing
from datetime import date

from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import artifacts, ledger, mart, settings
from passbook.base_date import newest_base_date, parse_base_date
from passbook.commands.terminal import print_table
from passbook.errors import ArtifactError
from passbook.steps.model_files import read_version
from passbook.steps.stage import mart_url


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the four things to do with models."""
    commands = parser.add_subparsers(metavar="WHAT", required=True)
    history = commands.add_parser("list", help="Every decision on every version, in order.")
    history.add_argument("model", nargs="?", help="of this model only")
    history.set_defaults(what=_list)
    live = commands.add_parser("live", help="The versions in force on a base date.")
    live.add_argument("--on", metavar="DATE", help="a base date (default: the newest)")
    live.set_defaults(what=_live)
    back = commands.add_parser(
        "rollback", help="Put an earlier version and what it published back in force."
    )
    back.add_argument("model")
    back.add_argument("--to", metavar="VERSION", required=True, help="as `models list` shows it")
    back.add_argument("--reason", required=True, help="kept in the history")
    back.set_defaults(what=_roll_back)
    verify = commands.add_parser("verify", help="Check the files of every version by checksum.")
    verify.set_defaults(what=_verify)


def run(arguments: argparse.Namespace) -> int:
    """Do it on the mart of the settings, or of Airflow's connection."""
    with closing(mart.connect(mart_url(settings.load()))) as connection:
        return int(arguments.what(connection, arguments))


def _list(connection: Connection, arguments: argparse.Namespace) -> int:
    print_table(
        ("model", "version", "from", "promoted", "decided", "by", "reason"),
        (
            (d.model, d.version, str(d.base_date), "yes" if d.promoted else "no",
             f"{d.decided_at:%Y-%m-%d %H:%M}", d.run_id, d.reason)
            for d in ledger.model_history(connection, arguments.model)
        ),
    )  # fmt: skip
    return 0


def _live(connection: Connection, arguments: argparse.Namespace) -> int:
    day: date = parse_base_date(arguments.on) if arguments.on else newest_base_date()
    print(f"In force on {day}:")
    print_table(
        ("model", "version", "trained for"),
        ((v.model, v.version, str(v.base_date)) for v in ledger.live_models(connection, day)),
    )
    return 0


def _roll_back(connection: Connection, arguments: argparse.Namespace) -> int:
    """Verify the files first: a version that cannot be loaded is no way back."""
    chosen = settings.load()
    artifacts.read(chosen.artifacts, arguments.model, arguments.to)
    weeks = mart.roll_back(
        connection,
        arguments.model,
        arguments.to,
        reason=arguments.reason,
        run_id=f"rollback by {getpass.getuser()}",
        lock_timeout_seconds=chosen.lock_timeout_seconds,
    )
    print(f"{arguments.model} {arguments.to} is in force.")
    for week in weeks:
        done = "restored" if week.restored else "to be made anew by a backfill of this stage"
        print(f"{week.base_date} {week.stage}: {done}")
    return 0


def _verify(connection: Connection, _arguments: argparse.Namespace) -> int:
    folder = settings.load().artifacts
    needed = ledger.versions_in_use(connection, newest_base_date())
    promised = {
        (d.model, d.version): d
        for d in ledger.model_history(connection)
        # Files that `passbook maintain` has let go of are no damage.
        if (d.model, d.version) in needed or d.version in artifacts.versions(folder, d.model)
    }
    faults = 0
    for _, decision in sorted(promised.items()):
        try:
            read_version(folder, decision)
        except ArtifactError as error:
            faults += 1
            print(error)
    print(f"{len(promised)} versions, {faults} of them damaged.")
    return 1 if faults else 0
