"""The mart in Postgres, what analysts read: set it up, connect, publish a week."""

from passbook.mart.connection import connect
from passbook.mart.prepare import Addresses, migrate, prepare, prepare_database
from passbook.mart.publishing import Publication, publish
from passbook.mart.retention import RetiredWeek, retire
from passbook.mart.rollback import RolledBackWeek, roll_back

__all__ = [
    "Addresses",
    "Publication",
    "RetiredWeek",
    "RolledBackWeek",
    "connect",
    "migrate",
    "prepare",
    "prepare_database",
    "publish",
    "retire",
    "roll_back",
]
