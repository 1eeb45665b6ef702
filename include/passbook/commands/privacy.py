"""``passbook privacy``: masked analysts, keys, values sealed with a newer key."""

from __future__ import annotations

import argparse
import base64
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from passbook import mart, settings
from passbook.errors import SettingsError
from passbook.privacy.keys import KEY_BYTES
from passbook.privacy.pseudonyms import pseudonyms
from passbook.steps.privacy import pseudonym_key, reseal_block, sealing_ring

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what can be asked."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    for name, action, summary in (
        ("status", show, "Tell what analysts read, and which key sealed which week."),
        ("mask", mask, "Let analysts read pseudonyms instead of customer numbers."),
        ("unmask", unmask, "Let them read the numbers again."),
        ("new-key", new_key, "Print a random key."),
        ("rotate", rotate, "Seal with the newest key what an older one has sealed."),
    ):
        actions.add_parser(name, help=summary, description=summary).set_defaults(action=action)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    arguments.action()
    return 0


def show() -> None:
    """Tell what analysts read, and which key sealed which week."""
    with _owner() as connection:
        masked = mart.analysts_are_masked(connection)
        weeks = mart.sealed_weeks(connection)
    print(f"Analysts read {'pseudonyms (schema masked)' if masked else 'customer numbers'}.")
    for week in weeks:
        how = f"sealed with key {week.key_version}" if week.key_version else "nothing sealed"
        print(f"{week.base_date}: {week.customers:,} credit records, {how}")


def mask() -> None:
    """Give everybody in the mart a pseudonym, then let analysts read nothing else.

    Raises
    ------
    SettingsError
        E801 when there is no key.
    """
    key = pseudonym_key(settings.load())
    if key is None:
        raise SettingsError("PASSBOOK_PSEUDONYM_KEY is not set; see `passbook privacy new-key`.")
    with _owner() as connection:
        customers = mart.published_customers(connection)
        added = mart.keep_pseudonyms(connection, [customers], lambda block: pseudonyms(block, key))
        mart.mask_analysts(connection, masked=True)
    print(f"{added:,} new pseudonyms. Analysts read the schema masked.")


def unmask() -> None:
    """Let analysts read customer numbers again."""
    with _owner() as connection:
        mart.mask_analysts(connection, masked=False)
    print("Analysts read customer numbers.")


def new_key() -> None:
    """Print a random key in base64."""
    print(base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode())


def rotate() -> None:
    """Seal every week anew that an older key has sealed, a week a transaction.

    Raises
    ------
    SettingsError
        E801 when there is no key.
    SealError
        E503 when the key that sealed a week is not given; weeks before it are done.
    """
    ring = sealing_ring(settings.load())
    if ring is None:
        raise SettingsError("PASSBOOK_SEALING_KEYS is not set; see `passbook privacy new-key`.")
    with _owner() as connection:
        weeks = mart.sealed_weeks(connection)
        for week in weeks:
            if week.key_version in (None, ring.newest):
                mart.drop_replaced_records(connection, week.base_date)
                continue
            anew = partial(reseal_block, ring, week.base_date, week.key_version)
            done = mart.reseal(
                connection, week.base_date, "passbook privacy rotate", ring.newest, anew
            )
            print(
                f"{week.base_date}: {done:,} records from key {week.key_version} to {ring.newest}"
            )
    print(f"Key {ring.newest} is the only one in use.")


@contextmanager
def _owner() -> Iterator[Connection]:
    address = settings.load().mart_owner_url
    if address is None:
        raise SettingsError("PASSBOOK_MART_OWNER_URL is not set, and no stack has been started.")
    with closing(mart.connect(address.get_secret_value())) as connection:
        yield connection
