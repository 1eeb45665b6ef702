"""CSV files as Hive tables of a bank, for trying Passbook on an extract."""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from passbook.errors import InputError

if TYPE_CHECKING:
    from passbook.hive import Hive

_BLOCK_BYTES: Final = 64 << 20
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_CODE = "^-?0[^.]"
"""What starts with a zero is a code such as 0101, no number: as a number it would lose the zero."""
_HIVE_TYPES: Final = {
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.date32(): "DATE",
    pa.string(): "STRING",
}
"""Types by what a column is tried as first; every text is a STRING."""


@dataclass(frozen=True)
class LoadedTable:
    """A CSV file that became a Hive table."""

    name: str
    columns: dict[str, str]
    """Hive type of each column."""
    rows: int


@dataclass(frozen=True)
class CsvFile:
    """A CSV file with a header, and how it is written."""

    path: Path
    encoding: str = "utf8"
    delimiter: str = ","
    misfits: Counter[int] = field(default_factory=Counter)
    """Rows with more or fewer fields than the header, by how many the header has."""

    @contextmanager
    def opened(self, names: list[str] | None = None) -> Iterator[csv.CSVStreamingReader]:
        """Read the file block by block, columns as text when their names are given.

        Raises
        ------
        InputError
            E803, without a word of the rows: they are customers'.
        """
        self.misfits.clear()
        try:
            with csv.open_csv(
                self.path,
                read_options=csv.ReadOptions(block_size=_BLOCK_BYTES, encoding=self.encoding),
                parse_options=csv.ParseOptions(
                    delimiter=self.delimiter,
                    newlines_in_values=True,
                    invalid_row_handler=self._note,
                ),
                convert_options=csv.ConvertOptions(
                    column_types=dict.fromkeys(names or [], pa.string()), strings_can_be_null=True
                ),
            ) as reader:
                yield reader
        except (UnicodeError, LookupError):
            raise InputError(self._unreadable()) from None
        except (OSError, pa.ArrowInvalid) as error:
            told = str(error).splitlines()[0]
            raise InputError(
                self._unreadable() if "UTF8" in told else f"{self.path}: {told}."
            ) from None

    def _note(self, row: csv.InvalidRow) -> str:
        self.misfits[row.expected_columns] += 1
        return "skip"

    def _unreadable(self) -> str:
        return (
            f"{self.path} isn't written in {self.encoding}: name its --encoding, "
            "which is cp949 for a CSV that Excel saved in Korean."
        )


def load_csv(
    hive: Hive,
    path: Path,
    folder: Path,
    database: str,
    *,
    encoding: str = "utf8",
    delimiter: str = ",",
) -> LoadedTable:
    """Register a CSV file with a header as the table ``database.<file's name>``, replacing it.

    A column is BIGINT, DOUBLE, BOOLEAN or DATE (``YYYY-MM-DD``) when each of its values in the
    whole file is; anything else, moments in time and codes such as 0101 included, is STRING as it
    stands in the file.

    Parameters
    ----------
    hive : Hive
    path : pathlib.Path
    folder : pathlib.Path
        Where the Parquet file goes; HiveServer2 must reach it under the same path.
    database : str
    encoding : str, optional
        A name that Python knows, such as ``cp949``.
    delimiter : str, optional

    Raises
    ------
    InputError
        E803 when the file is missing, is no CSV file, or has names that Hive doesn't take.
    """
    database, table = _plain_name(database), _plain_name(path.stem)
    file = CsvFile(path, encoding, delimiter)
    names = _header(file)
    schema = _schema(file, names)
    place = (folder / table).resolve()
    rows = _write_parquet(file, names, schema, place)
    columns = {name: _HIVE_TYPES[schema.field(name).type] for name in schema.names}
    listed = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
    hive.execute(f"CREATE DATABASE IF NOT EXISTS {database}")
    hive.execute(f"DROP TABLE IF EXISTS {database}.{table}")
    hive.execute(
        f"CREATE EXTERNAL TABLE {database}.{table} ({listed}) STORED AS PARQUET "
        f"LOCATION '{place.as_uri()}'"
    )
    return LoadedTable(f"{database}.{table}", columns, rows)


def _header(file: CsvFile) -> list[str]:
    with file.opened() as reader:
        names: list[str] = reader.schema.names
    if len(names) == 1 and (other := re.search(r"[;\t|]", names[0])):
        told = "tab" if other[0] == "\t" else f"'{other[0]}'"
        raise InputError(f"{file.path} has one column: try --delimiter {told}.")
    return names


def _schema(file: CsvFile, names: list[str]) -> pa.Schema:
    """Return the columns of the table: their names in Hive, and the first type that all fit."""
    columns = [column_name(name) for name in names]
    repeated = [name for name, times in Counter(columns).items() if times > 1]
    if repeated or "" in columns:
        told = f"columns called {', '.join(repeated)} twice" if repeated else "an unnamed column"
        raise InputError(f"{file.path} has {told}: give each column a name of its own.")
    open_kinds = [list(_HIVE_TYPES) for _ in columns]
    empty = [True] * len(columns)
    with file.opened(names) as reader:
        for batch in reader:
            for at, values in enumerate(batch.columns):
                empty[at] &= values.null_count == len(values)
                while not _fits(values, open_kinds[at][0]):
                    del open_kinds[at][0]
    if file.misfits:
        ((expected, rows),) = file.misfits.items()
        raise InputError(
            f"{file.path}: not every row has {expected} fields, as the header has: {rows:,} don't."
        )
    return pa.schema(
        (name, pa.string() if none else kinds[0])
        for name, kinds, none in zip(columns, open_kinds, empty, strict=True)
    )


def _fits(values: pa.Array, kind: pa.DataType) -> bool:
    try:
        values[:100].cast(kind)  # Arrow goes on to the end when the first value fails
        values.cast(kind)
    except pa.ArrowInvalid:
        return False
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return not (is_number and pc.any(pc.match_substring_regex(values, _CODE)).as_py())


def _write_parquet(file: CsvFile, names: list[str], schema: pa.Schema, place: Path) -> int:
    """Write the CSV as one Parquet file block by block; return its rows."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    rows = 0
    with (
        file.opened(names) as reader,
        pq.ParquetWriter(place / f"{place.name}.parquet", schema) as writer,
    ):
        for batch in reader:
            table = pa.Table.from_batches([batch]).rename_columns(schema.names)
            writer.write_table(table.cast(schema))
            rows += batch.num_rows
    return rows


def column_name(header: str) -> str:
    """Return what a header is called in Hive: small letters of any script, digits, ``_``."""
    # macOS takes Korean letters apart, so that two names that look the same would differ.
    return re.sub(r"\W+", "_", unicodedata.normalize("NFC", header)).strip("_").lower()


def _plain_name(name: str) -> str:
    plain = name.lower()
    if not _NAME.fullmatch(plain):
        raise InputError(
            f"No table can be called {name!r}: rename the file, with a to z, 0 to 9 and _ only."
        )
    return plain
