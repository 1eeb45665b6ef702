"""Privacy as the settings ask for it: which keys, whose pseudonyms, what is sealed."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa

from passbook.contracts import MART_TABLES
from passbook.credit import features, scoring
from passbook.credit.records import Sealing
from passbook.errors import SettingsError
from passbook.privacy.keys import KeyRing, read_key, read_ring
from passbook.privacy.pseudonyms import pseudonyms
from passbook.privacy.sealing import Sealer

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from passbook.settings import Settings
    from passbook.steps.stage import Stage

RECORDS = "credit_score_record"


def keep_pseudonyms(stage: Stage, tables: Collection[str]) -> None:
    """Give every customer of the week a pseudonym before `tables` name them, if there is a key."""
    key = pseudonym_key(stage.settings)
    if key is None or not any("customer_id" in MART_TABLES[name].column_names for name in tables):
        return
    from passbook import mart  # noqa: PLC0415 (doors are opened when a stage runs)

    customers = stage.week.table("customer", ["customer_id"])["customer_id"]
    mart.keep_pseudonyms(stage.mart, customers.chunks, lambda block: pseudonyms(block, key))


def pseudonym_key(settings: Settings) -> bytes | None:
    """Return the key of pseudonyms, or None where none are kept.

    Raises
    ------
    SettingsError
        E801 when it is no key.
    """
    if settings.pseudonym_key is None:
        return None
    return read_key(settings.pseudonym_key.get_secret_value(), "PASSBOOK_PSEUDONYM_KEY")


def sealing_ring(settings: Settings) -> KeyRing | None:
    """Return the sealing keys, or None where none are given.

    Raises
    ------
    SettingsError
        E801 when they are no keys.
    """
    if settings.sealing_keys is None:
        return None
    return read_ring(settings.sealing_keys.get_secret_value(), "PASSBOOK_SEALING_KEYS")


def sealing(settings: Settings, names: Sequence[str], base_date: date) -> Sealing | None:
    """Return how the records of a week are sealed; None where nothing is.

    Raises
    ------
    SettingsError
        E801 when a feature to be sealed is unknown, or there is no key for it.
    """
    wanted = set(settings.sealed_features or ())
    known = set(features.names(features.FEATURES)) | {f.name for f in scoring.STYLE_FEATURES}
    if wanted - known:
        raise SettingsError(
            f"PASSBOOK_SEALED_FEATURES: no credit feature is called {sorted(wanted - known)}."
        )
    chosen = tuple(name for name in names if name in wanted)
    if not chosen:
        return None
    ring = sealing_ring(settings)
    if ring is None:
        raise SettingsError("PASSBOOK_SEALED_FEATURES needs PASSBOOK_SEALING_KEYS.")
    return Sealing(chosen, ring.newest, Sealer(ring, RECORDS, base_date).seal)


def reseal_block(
    ring: KeyRing, base_date: date, version: int, customers: pa.Array, sealed: pa.Array
) -> pa.Array:
    """Open sealed values with a version of the key and seal them with the newest."""
    sealer = Sealer(ring, RECORDS, base_date)
    return sealer.seal(customers, sealer.open(customers, sealed, version))
