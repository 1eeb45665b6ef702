"""``passbook airflow …``: Airflow's own command, configured as the running stack is."""

from __future__ import annotations

import argparse
import subprocess
import sys

from passbook import settings
from passbook.embedded import airflow


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take everything that follows as Airflow's."""
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="dags list, …")


def run(arguments: argparse.Namespace) -> int:
    """Run ``airflow …`` and return its exit status.

    Raises
    ------
    SettingsError
        E801 when no stack was ever started here.
    """
    variables = airflow.kept_environment(settings.load().home.absolute())
    command = [sys.executable, "-m", "airflow", *arguments.rest]
    done = subprocess.run(command, env=variables, check=False)  # noqa: S603 (the user's own words)
    return done.returncode
