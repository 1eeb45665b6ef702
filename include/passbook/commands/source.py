"""``passbook source``: the source adapters."""

from __future__ import annotations

import argparse

from passbook import settings, sources


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what can be done with sources."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="Name each source and the work tables it offers.")
    listing.set_defaults(action=list_sources)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    return int(arguments.action(arguments))


def list_sources(_arguments: argparse.Namespace) -> int:
    """Print a line a source."""
    extra = settings.load().sources
    for name in sources.names(extra):
        print(f"{name:24} {', '.join(sources.find(name, extra).tables)}")
    return 0
