"""``passbook migrate``: bring the mart to this code's schema."""

from __future__ import annotations

import argparse

from passbook import mart, settings
from passbook.errors import SettingsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no option."""


def run(_arguments: argparse.Namespace) -> int:
    """Migrate the mart as its owner.

    Raises
    ------
    SettingsError
        E801 when the owner's address is not set.
    """
    address = settings.load().mart_owner_url
    if address is None:
        raise SettingsError("PASSBOOK_MART_OWNER_URL is not set, and no stack has been started.")
    mart.migrate(address.get_secret_value())
    print("The mart is at this code's schema.")
    return 0
