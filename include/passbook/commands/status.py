"""``passbook status``: which embedded servers run, and where, and how to open the mart."""

from __future__ import annotations

import argparse

from passbook import settings
from passbook.embedded import postgres, process, stack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no option."""


def run(_arguments: argparse.Namespace) -> int:
    """Print a line a server, and the analyst's; the exit status is 1 unless all servers run."""
    loaded = settings.load()
    home = loaded.home.absolute()
    servers = {name: process.running(home, name) for name in stack.SERVERS}
    for name, server in servers.items():
        state = f"127.0.0.1:{server.port}, process {server.pid}" if server else "not running"
        print(f"{name:24} {state:32} {process.log_path(home, name)}")
    if servers[postgres.NAME] and loaded.analyst_url:
        print(f"Analyst   {stack.psql_line(loaded.analyst_url.get_secret_value())}")
    return 0 if all(servers.values()) else 1
