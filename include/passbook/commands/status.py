"""``passbook status``: which embedded servers run, and where."""

from __future__ import annotations

import argparse

from passbook import settings
from passbook.embedded import process, stack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no option."""


def run(_arguments: argparse.Namespace) -> int:
    """Print a line a server; the exit status is 1 unless all of them run."""
    home = settings.load().home.absolute()
    servers = {name: process.running(home, name) for name in stack.SERVERS}
    for name, server in servers.items():
        state = f"127.0.0.1:{server.port}, process {server.pid}" if server else "not running"
        print(f"{name:24} {state:32} {process.log_path(home, name)}")
    return 0 if all(servers.values()) else 1
