"""``passbook prepare``: make the mart's database, roles and logins, as Postgres's superuser."""

from __future__ import annotations

import argparse

from passbook import mart, settings
from passbook.errors import SettingsError

ADDRESSES = ("mart_admin_url", "mart_owner_url", "mart_url", "analyst_url")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no option: addresses hold passwords, which have no place in a list of processes."""
    parser.epilog = "Reads " + ", ".join(f"PASSBOOK_{name.upper()}" for name in ADDRESSES) + "."


def run(_arguments: argparse.Namespace) -> int:
    """Prepare the database that the logins' addresses name.

    Raises
    ------
    SettingsError
        E801 naming the addresses that are not set.
    """
    given = settings.load()
    secrets = {name: getattr(given, name) for name in ADDRESSES}
    missing = [f"PASSBOOK_{name.upper()}" for name, secret in secrets.items() if secret is None]
    if missing:
        raise SettingsError(f"Not set: {', '.join(missing)}.")
    admin, *addresses = (secret.get_secret_value() for secret in secrets.values())
    mart.prepare(admin, mart.Addresses(*addresses))
    print("The mart's database and logins are there. Next: passbook migrate.")
    return 0
