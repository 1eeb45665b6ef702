"""The credit models in force for a base date, for questions asked outside a stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from psycopg2.extras import RealDictCursor

from passbook import ledger, mart, settings
from passbook.credit.explanation import Explanation, explain
from passbook.credit.records import opened_values
from passbook.errors import InputError, NoChampionError
from passbook.mart.connection import transaction
from passbook.privacy.sealing import Sealer
from passbook.steps import stage
from passbook.steps.model_files import read_version
from passbook.steps.privacy import RECORDS
from passbook.steps.score_credit import DEFAULT_MODEL, STYLE_MODEL

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

    from passbook.artifacts import Artifact
    from passbook.privacy.keys import KeyRing

_RECORD = """
    SELECT * FROM mart.credit_score JOIN mart.credit_score_record USING (base_date, customer_id)
    WHERE base_date = %(base_date)s AND customer_id = %(customer_id)s"""
_FEATURES = "SELECT * FROM mart.credit_score_feature WHERE base_date = %(base_date)s ORDER BY place"
_STYLE_VERSION = """
    SELECT v.version FROM ops.publication p
    JOIN ops.model_version v ON v.manifest_sha256 = p.inputs ->> v.model
    WHERE p.mart_table = 'credit_score' AND p.base_date = %(base_date)s
      AND v.model = 'credit.style'"""


@dataclass(frozen=True)
class InForce:
    """The newest promoted versions for a base date, verified."""

    base_date: date
    style: Artifact
    default: Artifact


def find(connection: Connection, folder: Path, base_date: date | None) -> InForce:
    """Return the models in force, for the newest published base date when none is given.

    Parameters
    ----------
    connection : psycopg2 connection
    folder : Path
        Of the source's artifacts.
    base_date : datetime.date, optional

    Raises
    ------
    NoChampionError
        E601 when a model has not been promoted yet.
    ArtifactError
        E602 when files differ from what was promoted.
    InputError
        E803 when no base date is given and none has been published.
    """
    day = base_date or _newest(connection)
    found = []
    for model in (STYLE_MODEL, DEFAULT_MODEL):
        version = ledger.champion(connection, model, day)
        if version is None:
            raise NoChampionError(f"{model} has not been promoted for {day}.")
        found.append(read_version(folder, version))
    return InForce(day, *found)


@contextmanager
def connected() -> Iterator[Connection]:
    """Open the mart by the settings' address."""
    connection = mart.connect(stage.mart_url(settings.load()))
    try:
        yield connection
    finally:
        connection.close()


def explain_customer(
    connection: Connection, base_date: date | None, customer_id: str, ring: KeyRing | None
) -> Explanation:
    """Return the explanation of a customer's published index.

    Parameters
    ----------
    connection : psycopg2 connection
    base_date : datetime.date, optional
        The newest published week when none is given.
    customer_id : str
    ring : KeyRing, optional
        Opens what is sealed; without it sealed values stay so.

    Raises
    ------
    InputError
        E803 when the week has no score of the customer.
    SealError
        E503 when the keys are not those that sealed.
    """
    day = base_date or _newest(connection)
    keys = {"base_date": day, "customer_id": customer_id}
    with transaction(connection), connection.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(_RECORD, keys)
        record = cursor.fetchone()
        cursor.execute(_FEATURES, keys)
        features = cursor.fetchall()
        cursor.execute(_STYLE_VERSION, keys)
        style = cursor.fetchone()
    if record is None:
        raise InputError(f"No credit score of the customer was published for {day}.")
    versions = [f"{DEFAULT_MODEL} {features[0]['version']}"]
    if style is not None:
        versions.insert(0, f"{STYLE_MODEL} {style['version']}")
    return explain(
        record, record, features, base_date=day, versions=versions,
        opened=_opened(record, day, customer_id, ring),
    )  # fmt: skip


def _opened(
    record: Mapping[str, Any], day: date, customer_id: str, ring: KeyRing | None
) -> np.ndarray | None:
    if ring is None or record["sealed"] is None:
        return None
    sealed = pa.array([bytes(record["sealed"])], pa.binary())
    customer = pa.array([customer_id])
    content = Sealer(ring, RECORDS, day).open(customer, sealed, record["key_version"])
    values: np.ndarray = opened_values(content)[0]
    return values


def _newest(connection: Connection) -> date:
    with transaction(connection) as cursor:
        cursor.execute("SELECT max(base_date) FROM mart.credit_score")
        row = cursor.fetchone()
    if row is None or row[0] is None:
        raise InputError("No week of credit scores has been published; name a base date.")
    newest: date = row[0]
    return newest
