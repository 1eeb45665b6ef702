"""The credit models in force for a base date, for questions asked outside a stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from passbook import artifacts, ledger, mart, settings
from passbook.credit.explanation import Explanation, explain
from passbook.credit.scoring import CreditModels
from passbook.errors import InputError, NoChampionError
from passbook.steps import stage
from passbook.steps.score_credit import DEFAULT_MODEL, STYLE_MODEL, read_features

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

    from passbook.artifacts import Artifact
    from passbook.steps.week import Week


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
    InputError
        E803 when no base date is given and none has been published.
    """
    day = base_date or _newest(connection)
    found = []
    for model in (STYLE_MODEL, DEFAULT_MODEL):
        version = ledger.champion(connection, model, day)
        if version is None:
            raise NoChampionError(f"{model} has not been promoted for {day}.")
        found.append(artifacts.read(folder, model, version.version))
    return InForce(day, *found)


@contextmanager
def connected() -> Iterator[Connection]:
    """Open the mart by the settings' address."""
    connection = mart.connect(stage.mart_url(settings.load()))
    try:
        yield connection
    finally:
        connection.close()


def explain_customer(week: Week, in_force: InForce, customer_id: str) -> Explanation:
    """Explain a customer's index for the week.

    Raises
    ------
    InputError
        E803 when the week does not know the customer.
    """
    table = read_features(week)
    row = table.filter(pc.equal(table["customer_id"], pa.scalar(customer_id)))
    if not row.num_rows:
        raise InputError(f"The customer is not known on {week.base_date}.")
    models = CreditModels.from_files(in_force.style.files, in_force.default.files)
    versions = [
        f"{artifact.model} {artifact.version}" for artifact in (in_force.style, in_force.default)
    ]
    (batch,) = row.combine_chunks().to_batches()
    return explain(batch, models, week.base_date, versions)


def _newest(connection: Connection) -> date:
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(base_date) FROM mart.credit_score")
        row = cursor.fetchone()
    connection.commit()
    if row is None or row[0] is None:
        raise InputError("No week of credit scores has been published; name a base date.")
    newest: date = row[0]
    return newest
