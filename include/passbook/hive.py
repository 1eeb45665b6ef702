"""The door to Hive: statements go through HiveServer2, tables come straight from their files."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date
from time import monotonic
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from passbook import warehouse
from passbook.contracts import WORK_TABLES, Table
from passbook.errors import HiveStatementError, HiveUnreachableError, InputError, WarehouseError
from passbook.hive_session import Operation, Session, first_line, parse_url

log = logging.getLogger(__name__)

ATTEMPTS: Final = 3
"""How often a statement is tried when the connection is lost."""
SMALL_RESULT: Final = 100_000
"""Most rows that `Hive.query` hands over; tables are for `Hive.read_table`."""
_NAME = re.compile(r"\w+")
_FORMATS: Final = {"parquet": "parquet", "orc": "orc"}


@contextmanager
def connect(url: str) -> Iterator[Hive]:
    """Open Hive, for one thread.

    Parameters
    ----------
    url : str
        ``hive://user:password@host:port/?auth=NONE``. Options: ``auth`` (NONE, NOSASL, LDAP,
        CUSTOM, KERBEROS), ``kerberos_service_name``, ``tls`` (true or false), ``tls_ca`` (file of
        the authority to trust), ``timeout`` (seconds that a connection or an answer may take, 60),
        ``statement_timeout`` (seconds that a statement may run, 0: no limit), ``read`` (``files``:
        tables straight from the warehouse, or ``thrift``: through HiveServer2, for machines that
        cannot reach the files).

    Raises
    ------
    HiveUnreachableError
        E101.
    SettingsError
        E801 for a URL that isn't one.
    """
    hive = Hive(url)
    try:
        yield hive
    finally:
        hive.close()


class Hive:
    """An open connection to Hive, for one thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = Session(parse_url(url))

    def another(self) -> Hive:
        """Open a second connection to the same Hive, for another thread; the caller closes it."""
        return Hive(self._url)

    def close(self) -> None:
        """End the session."""
        self._session.close()

    def execute(self, sql: str) -> None:
        """Run a statement to its end; Hive's log lines and progress go to the Python log.

        A statement whose connection breaks is taken up again where the server still knows it,
        else started again: only statements that may run twice (``INSERT OVERWRITE``, ``… IF NOT
        EXISTS``) belong here.

        Raises
        ------
        HiveStatementError
            E107 with the first line of what Hive said; the whole is in the debug log.
        HiveUnreachableError
            E101 when the connection cannot be had again.
        """
        self._run(sql).close()

    def query(self, sql: str) -> pa.Table:
        """Run a statement and return its small result (counts, DESCRIBE).

        Raises
        ------
        HiveStatementError, HiveUnreachableError
            As `execute`; E107 too for a result beyond `SMALL_RESULT` rows.
        """
        for attempt in range(1, ATTEMPTS + 1):
            operation = self._run(sql)
            try:
                return self._fetch(operation)
            except HiveUnreachableError:
                if attempt == ATTEMPTS:
                    raise
                self._session.reconnect()
            finally:
                operation.close()
        raise AssertionError

    def describe(self, select: str) -> pa.Schema:
        """Return names and Arrow types of a SELECT's columns, without reading a row."""
        operation = self._run(f"SELECT * FROM (\n{select}\n) described LIMIT 0")
        try:
            return operation.schema()
        finally:
            operation.close()

    def partitions(self, database: str, name: str) -> list[date]:
        """Return the base dates of a table's partitions, oldest first; none without the table.

        Raises
        ------
        HiveStatementError, HiveUnreachableError
            As `query`.
        """
        if not self.table_exists(database, name):
            return []
        (column,) = self.query(f"SHOW PARTITIONS {database}.{name}").columns
        return sorted(date.fromisoformat(text.partition("=")[2]) for text in column.to_pylist())

    def drop_partition(self, database: str, name: str, base_date: date) -> None:
        """Drop a partition with its files, if it is there."""
        _check_names(database, name)
        self.execute(
            f"ALTER TABLE {database}.{name} DROP IF EXISTS PARTITION (base_date='{base_date}')"
        )

    def _fetch(self, operation: Operation) -> pa.Table:
        schema, batches, rows = operation.schema(), [], 0
        for batch in operation.batches(rows=10_000):
            batches.append(batch)
            rows += batch.num_rows
            if rows > SMALL_RESULT:
                raise HiveStatementError(f"The result has more than {SMALL_RESULT:,} rows.")
        return pa.Table.from_batches(batches, schema)

    def _run(self, sql: str) -> Operation:
        start = monotonic()
        log.debug("Statement: %s", sql)
        operation: Operation | None = None
        for attempt in range(1, ATTEMPTS + 1):
            try:
                if attempt > 1:
                    self._session.reconnect()
                if operation is not None:  # Hive may still work on it, and it writes the same
                    operation.cancel()
                operation = self._session.start(sql)
                self._finish(operation)
            except HiveUnreachableError as error:
                if attempt == ATTEMPTS:
                    raise
                log.warning("Connection lost (%s); the statement starts again", first_line(error))
            except HiveStatementError as error:
                log.info("Statement failed: %s", sql)
                raise HiveStatementError(error.detail) from None
            else:
                log.debug("Statement took %.1f s", monotonic() - start)
                return operation
        raise AssertionError

    def _finish(self, operation: Operation) -> None:
        """Wait for an operation; after a lost connection, ask a new session about it once."""
        try:
            operation.wait()
        except HiveUnreachableError as lost:
            self._session.reconnect()
            log.warning("Connection lost; asking Hive whether the statement still runs")
            try:
                operation.wait()
            except HiveStatementError:
                raise lost from None

    def table_exists(self, database: str, name: str) -> bool:
        """Whether a table is there. What cannot be asked is an error, never a no."""
        _check_names(database, name)
        databases = self.query(f"SHOW DATABASES LIKE '{database}'").column(0).to_pylist()
        return database.lower() in databases and name.lower() in self.tables(database)

    def tables(self, database: str) -> list[str]:
        """Return the names of a database's tables."""
        _check_names(database)
        tables = self.query(f"SHOW TABLES IN {database}")
        # Hive answers with the names alone; Spark puts the database before them.
        column = "tableName" if "tableName" in tables.column_names else tables.column_names[0]
        return [str(name) for name in tables[column].to_pylist()]

    def partition_exists(self, database: str, name: str, base_date: date) -> bool:
        """Whether a table has a partition for this base date."""
        if not self.table_exists(database, name):
            return False
        return bool(
            self.query(
                f"SHOW PARTITIONS {database}.{name} PARTITION (base_date='{base_date}')"
            ).num_rows
        )

    def count_rows(self, database: str, name: str, base_date: date) -> int:
        """Return Hive's own count of a partition's rows."""
        return int(self.query(_count(database, name, base_date)).column(0)[0].as_py())

    def _started(self, sql: str) -> Operation:
        """Start a statement, over a new connection where the present one was lost."""
        try:
            return self._session.start(sql)
        except HiveUnreachableError:
            self._session.reconnect()
            return self._session.start(sql)

    def _counted(self, counting: Operation, database: str, name: str, base_date: date) -> int:
        """Return what a count that was started came to; one that is lost is asked for again."""
        try:
            counting.wait()
            return int(self._fetch(counting).column(0)[0].as_py())
        except HiveUnreachableError:
            self._session.reconnect()
            return self.count_rows(database, name, base_date)

    def partition(self, database: str, name: str, base_date: date) -> warehouse.Partition:
        """Return where a partition's files are, and of which format.

        Raises
        ------
        WarehouseError
            E108 when Hive names no location or a format that cannot be read.
        """
        _check_names(database, name)
        rows = self.query(
            f"DESCRIBE FORMATTED {database}.{name} PARTITION (base_date='{base_date}')"
        )
        told: dict[str, str] = {}
        seen_details = False
        for label, value in zip(
            rows.column(0).to_pylist(), rows.column(1).to_pylist(), strict=True
        ):
            key = (label or "").strip().rstrip(":")
            seen_details = seen_details or key == "# Detailed Partition Information"
            if seen_details and key:
                told.setdefault(key, (value or "").strip())
        library = told.get("SerDe Library", told.get("Serde Library", "")).lower()
        format_ = next((f for word, f in _FORMATS.items() if word in library), None)
        if not told.get("Location") or not format_:
            raise WarehouseError(
                f"Hive names no Parquet or ORC location of {database}.{name} for {base_date}."
            )
        return warehouse.Partition(told["Location"], format_)

    def read_table(
        self, database: str, name: str, base_date: date, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Read a partition of a work table.

        Parameters
        ----------
        database, name : str
        base_date : datetime.date
        columns : sequence of str, optional
            Default: all of the contract.

        Returns
        -------
        pyarrow.Table
            Typed as the contract says, without ``base_date``; in the order of the table's files,
            which `ingest_work_tables` sorts by key.

        Raises
        ------
        ContractError
            E103 when the files' columns differ from the contract.
        WarehouseError
            E108 when the files cannot be read or hold other than the rows that Hive counts.
        """
        table, names = _columns(name, columns)
        if self._session.address.reader == "thrift":
            blocks = list(self._stream(database, table, base_date, names, 250_000))
            return pa.Table.from_batches(blocks, warehouse.schema_of(table, names))
        dataset, _ = warehouse.open_partition(self.partition(database, name, base_date))
        # Hive counts while the files are read.
        with closing(self._started(_count(database, name, base_date))) as counting:
            found = warehouse.read(dataset, table, names)
            rows = found.num_rows if names else dataset.count_rows()
            counted = self._counted(counting, database, name, base_date)
        _hold_rows(database, name, base_date, rows, counted)
        return found

    def iter_batches(
        self,
        database: str,
        name: str,
        base_date: date,
        columns: Sequence[str] | None = None,
        rows: int = 250_000,
    ) -> Iterator[pa.RecordBatch]:
        """Yield a partition in blocks of `rows` rows, the last one fewer; else as `read_table`."""
        table, names = _columns(name, columns)
        if self._session.address.reader == "thrift":
            yield from self._stream(database, table, base_date, names, rows)
            return
        dataset, _ = self.open_files(database, name, base_date)
        yield from warehouse.iter_batches(dataset, table, names, rows)

    def open_files(self, database: str, name: str, base_date: date) -> tuple[ds.Dataset, int]:
        """Return a partition's files, their rows held against Hive's count, and their bytes."""
        dataset, size = warehouse.open_partition(self.partition(database, name, base_date))
        counted = self.count_rows(database, name, base_date)
        _hold_rows(database, name, base_date, dataset.count_rows(), counted)
        return dataset, size

    def _stream(
        self, database: str, table: Table, base_date: date, columns: Sequence[str], rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Yield a partition's rows through HiveServer2, sorted by key, held against its count."""
        _check_names(database, table.name)
        schema = warehouse.schema_of(table, columns)
        order = ", ".join(f"`{c}`" for c in (table.key or table.column_names))
        select = (
            f"SELECT {', '.join(f'`{c}`' for c in columns)} FROM {database}.{table.name} "
            f"WHERE base_date = DATE '{base_date}' ORDER BY {order}"
        )
        seen = 0
        with closing(self._run(select)) as operation:
            for batch in operation.batches(rows):
                seen += batch.num_rows
                yield pa.record_batch(
                    [pc.cast(column, field.type)
                     for column, field in zip(batch.columns, schema, strict=True)],
                    schema=schema,
                )  # fmt: skip
        # Not at the same time: a session of Hive's has one Tez master, and of two statements that
        # needed it the earlier one has been seen to wait for good.
        with closing(self._started(_count(database, table.name, base_date))) as counting:
            expected = self._counted(counting, database, table.name, base_date)
        if seen != expected:
            raise WarehouseError(
                f"{database}.{table.name} for {base_date}: Hive counts {expected:,} rows, "
                f"it sent {seen:,}."
            )


def _count(database: str, name: str, base_date: date) -> str:
    _check_names(database, name)
    return f"SELECT count(*) AS n FROM {database}.{name} WHERE base_date = DATE '{base_date}'"


def _hold_rows(database: str, name: str, base_date: date, rows: int, counted: int) -> None:
    if rows != counted:
        raise WarehouseError(
            f"{database}.{name} for {base_date}: Hive counts {counted:,} rows, "
            f"its files hold {rows:,}."
        )


def _columns(name: str, columns: Sequence[str] | None) -> tuple[Table, Sequence[str]]:
    try:
        table = WORK_TABLES[name]
    except KeyError:
        raise InputError(f"{name!r} is no work table.") from None
    return table, list(columns) if columns is not None else table.column_names


def _check_names(*names: str) -> None:
    for name in names:
        if not _NAME.fullmatch(name):
            raise InputError(f"{name!r} is no name of a Hive database or table.")
