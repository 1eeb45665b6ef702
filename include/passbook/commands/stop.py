"""``passbook stop``: end the embedded servers."""

from __future__ import annotations

import argparse

from passbook import settings
from passbook.embedded import stack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no option."""


def run(_arguments: argparse.Namespace) -> int:
    """End every server that runs under ``PASSBOOK_HOME``, and say which."""
    home = settings.load().home.absolute()
    stopped = stack.stop(home)
    print(f"Stopped: {', '.join(stopped)}." if stopped else f"Nothing was running in {home}.")
    return 0
