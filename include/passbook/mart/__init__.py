"""The mart in Postgres, what analysts read: set it up, connect, publish a week."""

from passbook.mart.connection import connect
from passbook.mart.prepare import Addresses, migrate, prepare, prepare_database
from passbook.mart.privacy import (
    SealedWeek,
    analysts_are_masked,
    drop_replaced_records,
    keep_pseudonyms,
    mask_analysts,
    published_customers,
    reseal,
    sealed_weeks,
)
from passbook.mart.publishing import Publication, publish
from passbook.mart.retention import RetiredWeek, retire
from passbook.mart.rollback import RolledBackWeek, roll_back

__all__ = [
    "Addresses",
    "Publication",
    "RetiredWeek",
    "RolledBackWeek",
    "SealedWeek",
    "analysts_are_masked",
    "connect",
    "drop_replaced_records",
    "keep_pseudonyms",
    "mask_analysts",
    "migrate",
    "prepare",
    "prepare_database",
    "publish",
    "published_customers",
    "reseal",
    "retire",
    "roll_back",
    "sealed_weeks",
]
