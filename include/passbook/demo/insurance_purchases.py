"""A real insurer's purchases as the Hive table of a bank.

The data set is the one published with doi 10.1145/3523227.3546775: ``purchase_events_train.csv``
and ``purchase_events_test.csv`` (event_id, user_id, event_time, item_id; the train file also has
`valid`, its authors' mark for their last weeks). Both together are the insurer's history; Passbook
splits time by its own base dates, so the authors' split is not carried over.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from passbook.errors import InputError

if TYPE_CHECKING:
    from passbook.hive import Hive

FILES: Final = ("purchase_events_train.csv", "purchase_events_test.csv")
SCHEMA: Final = pa.schema(
    [
        ("event_id", pa.int64()),
        ("user_id", pa.int64()),
        ("event_time", pa.string()),
        ("item_id", pa.string()),
    ]
)


def read_purchases(data: Path) -> pa.Table:
    """Read both files, in the order of their events.

    Raises
    ------
    InputError
        E803 when a file is missing or isn't of this form.
    """
    return pa.concat_tables([_read(data / name) for name in FILES])


def _read(path: Path) -> pa.Table:
    options = csv.ConvertOptions(
        column_types={field.name: field.type for field in SCHEMA}, include_columns=SCHEMA.names
    )
    try:
        return csv.read_csv(path, convert_options=options)
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise InputError(f"{path} is not a purchase file: {str(error).splitlines()[0]}.") from None


def load(hive: Hive, data: Path, folder: Path, database: str = "insurance_purchases") -> int:
    """Write the purchases as Parquet under `folder` and register them as ``database.purchase``.

    Parameters
    ----------
    hive : Hive
    data : pathlib.Path
        Where the CSV files are.
    folder : pathlib.Path
        Where the Parquet file goes; HiveServer2 must reach it under the same path.
    database : str

    Returns
    -------
    int
        Rows loaded.
    """
    purchases = read_purchases(data)
    location = (folder / "purchase").resolve()
    location.mkdir(parents=True, exist_ok=True)
    pq.write_table(purchases, location / "purchase.parquet")
    hive.execute(f"CREATE DATABASE IF NOT EXISTS {database}")
    hive.execute(f"DROP TABLE IF EXISTS {database}.purchase")
    hive.execute(
        f"CREATE EXTERNAL TABLE {database}.purchase (event_id BIGINT, user_id BIGINT, "
        f"event_time STRING, item_id STRING) STORED AS PARQUET LOCATION '{location.as_uri()}'"
    )
    return int(purchases.num_rows)
