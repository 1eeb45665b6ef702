"""The `passbook` command.

A command is a module with ``add_arguments(parser)`` and ``run(arguments)``, which returns the exit
status. Only the chosen one is imported.

Exit status: 0 done, 1 a failure that Passbook can name (its sentence goes to stderr, without a
traceback) or something amiss in what was looked at (a stale week, a fault of a source), 2 wrong
usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

from passbook import __version__
from passbook.errors import PassbookError

INTERRUPTED = 130


class Command(NamedTuple):
    """Where a command is, and what it does in a sentence."""

    module: str
    summary: str


COMMANDS: Final[dict[str, Command]] = {
    "start": Command("passbook.commands.start", "Start Postgres, HiveServer2 and Airflow."),
    "stop": Command("passbook.commands.stop", "Stop them."),
    "demo": Command("passbook.commands.demo", "Fill a bank, run its weeks, show what they say."),
    "backfill": Command(
        "passbook.commands.backfill",
        "Run the embedded stack's five DAGs over past weeks, in order.",
    ),
    "stale": Command(
        "passbook.commands.stale", "List published weeks whose inputs have changed, and the cure."
    ),
    "summary": Command("passbook.demo.summary", "Show what a published week says."),
    "prepare": Command("passbook.commands.prepare", "Make the mart's database and its logins."),
    "migrate": Command("passbook.commands.migrate", "Bring the mart to this code's schema."),
    "simulate": Command("passbook.commands.simulate", "Write and register a demo bank."),
    "source": Command("passbook.commands.source", "List, begin and check source adapters."),
    "quality": Command(
        "passbook.commands.quality", "Show what a week's rules came to; let a broken one pass."
    ),
    "credit": Command(
        "passbook.commands.credit", "Explain a score; show the scorecard as SQL, or the card."
    ),
    "privacy": Command(
        "passbook.commands.privacy", "Mask analysts; make keys; seal with a newer one."
    ),
    "models": Command(
        "passbook.commands.models", "Show models in force; roll back; verify their files."
    ),
    "maintain": Command(
        "passbook.commands.maintain", "Let go of old weeks, models, partitions and runs."
    ),
    "doctor": Command("passbook.commands.doctor", "Tell what is missing here, and how to mend it."),
    "airflow": Command("passbook.commands.airflow", "Run Airflow's own command on this stack."),
    "status": Command("passbook.commands.status", "Tell which servers run, and where."),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parsed = _parser(given).parse_args(given)
    _log_to_stderr(logging.DEBUG if parsed.verbose else logging.WARNING)
    try:
        return int(parsed.run(parsed))
    except PassbookError as error:
        print(error, file=sys.stderr)
        logging.getLogger(__name__).debug("The failure in full", exc_info=True)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _log_to_stderr(level: int) -> None:
    """Show records from `level` on, whatever level a library gave its own logger."""
    handler = logging.StreamHandler()
    handler.setLevel(level)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser, with the arguments of the command that is named in `given`."""
    parser = argparse.ArgumentParser(
        prog="passbook", description=importlib.import_module("passbook").__doc__
    )
    parser.add_argument("--version", action="version", version=f"passbook {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="Log everything to stderr.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    chosen = next((word for word in given if word in COMMANDS), None)
    for name, command in COMMANDS.items():
        below = commands.add_parser(name, help=command.summary, description=command.summary)
        if name == chosen:
            module = importlib.import_module(command.module)
            module.add_arguments(below)
            below.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
