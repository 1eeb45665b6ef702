"""The files of a Hive partition, read as Arrow without passing any row through HiveServer2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import fsspec
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs

from passbook.contracts import Table
from passbook.errors import ContractError, WarehouseError

_IGNORED = (".", "_")
"""First letters of file names that Hive doesn't read either."""


@dataclass(frozen=True)
class Partition:
    """A partition's files."""

    location: str
    """URI, as Hive tells it."""
    format: str
    """``parquet`` or ``orc``."""


def open_partition(partition: Partition) -> tuple[ds.Dataset, int]:
    """Return a partition's files, in the order of their names, as a dataset; and their bytes.

    Raises
    ------
    WarehouseError
        E108 when the location cannot be reached or a file cannot be read.
    """
    try:
        filesystem, folder, is_local = _filesystem(partition.location)
        files = sorted(
            (info for info in filesystem.get_file_info(pafs.FileSelector(folder, recursive=True))
             if info.is_file and not info.base_name.startswith(_IGNORED) and info.size),
            key=lambda info: info.path,
        )  # fmt: skip
        dataset = ds.dataset(
            [info.path for info in files],
            schema=None if files else pa.schema([]),
            format=_format(partition.format, is_local),
            filesystem=filesystem,
        )
    except (OSError, pa.ArrowInvalid, ImportError, ValueError) as error:
        raise WarehouseError(f"{partition.location}: {_first_line(error)}") from error
    return dataset, sum(info.size for info in files)


def _filesystem(location: str) -> tuple[pafs.FileSystem, str, bool]:
    parts = urlsplit(location)
    if parts.scheme in ("", "file"):
        return pafs.LocalFileSystem(use_mmap=True), unquote(parts.path), True
    filesystem, path = fsspec.core.url_to_fs(location)
    return pafs.PyFileSystem(pafs.FSSpecHandler(filesystem)), path, False


def _format(name: str, is_local: bool) -> ds.FileFormat:
    """Return how files are read: mapped ones from where they lie, others ahead in large pieces."""
    if name == "orc":
        return ds.OrcFileFormat()
    options = ds.ParquetFragmentScanOptions(pre_buffer=not is_local)
    return ds.ParquetFileFormat(default_fragment_scan_options=options)


def check_schema(found: pa.Schema, table: Table) -> None:
    """Hold the files' columns against the contract.

    Raises
    ------
    ContractError
        E103, naming every missing, unknown or wrongly typed column at once.
    """
    faults = [f"{name} is not in the contract" for name in found.names
              if name not in table.column_names]  # fmt: skip
    for column in table.columns:
        if column.name not in found.names:
            faults.append(f"{column.name} is missing")
        elif not fits(found.field(column.name).type, column.type):
            faults.append(
                f"{column.name} is {found.field(column.name).type}, the contract says {column.type}"
            )
    if faults:
        raise ContractError(f"{table.name}: {'; '.join(faults)}.")


def fits(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether every value of type `found` is one of type `wanted`."""
    if found == wanted:
        return True
    if pa.types.is_integer(wanted):
        return bool(pa.types.is_integer(found) and found.bit_width <= wanted.bit_width)
    if pa.types.is_floating(wanted):
        if pa.types.is_integer(found):
            return bool(found.bit_width < wanted.bit_width)
        return bool(pa.types.is_floating(found) and found.bit_width <= wanted.bit_width)
    if pa.types.is_string(wanted):
        plain = found.value_type if pa.types.is_dictionary(found) else found
        return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))
    return False


def read(dataset: ds.Dataset, table: Table, columns: Sequence[str]) -> pa.Table:
    """Read columns whole, typed as the contract says."""
    schema = schema_of(table, columns)
    if not dataset.schema.names:
        return schema.empty_table()
    check_schema(dataset.schema, table)
    try:
        found = dataset.to_table(columns=list(columns), memory_pool=_pool())
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(table, error) from error
    return _typed(found, schema, table)


def iter_batches(
    dataset: ds.Dataset, table: Table, columns: Sequence[str], rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield columns in blocks of exactly `rows` rows, the last one fewer, in file order.

    Raises
    ------
    ContractError
        E103 when a column is missing, of another type, or null where it must not be.
    """
    schema = schema_of(table, columns)
    for block in iter_unchecked(dataset, table, columns, rows):
        yield _typed(pa.Table.from_batches([block]), schema, table).to_batches()[0]


def iter_unchecked(
    dataset: ds.Dataset, table: Table, columns: Sequence[str], rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield blocks as `iter_batches`, but nulls pass where the contract allows none."""
    schema = _nullable(schema_of(table, columns))
    if not dataset.schema.names:
        return
    check_schema(dataset.schema, table)
    scanner = dataset.scanner(
        columns=list(columns), batch_size=min(rows, 1 << 17), batch_readahead=4,
        fragment_readahead=2, memory_pool=_pool(),
    )  # fmt: skip
    try:
        yield from _blocks(scanner.to_batches(), schema, rows)
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(table, error) from error


def _pool() -> pa.MemoryPool:
    """Return jemalloc's pool where there is one: a new process fills it about twice as fast."""
    if "jemalloc" in pa.supported_memory_backends():
        return pa.jemalloc_memory_pool()
    return pa.default_memory_pool()


def _nullable(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_nullable(True) for field in schema])


def _typed(found: pa.Table, schema: pa.Schema, table: Table) -> pa.Table:
    """Cast to the contract's types, and hold columns that must not be null to it."""
    empty = [field.name for field in schema
             if not field.nullable and found[field.name].null_count]  # fmt: skip
    if empty:
        raise ContractError(
            f"{table.name}: nulls in {', '.join(empty)}, which has none by contract."
        )
    return found.cast(schema)


def _blocks(batches: Any, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += batch.num_rows
        while count >= rows:
            whole = pa.Table.from_batches(waiting)
            yield _block(whole.slice(0, rows), schema)
            waiting = whole.slice(rows).to_batches()
            count -= rows
    if count:
        yield _block(pa.Table.from_batches(waiting), schema)


def _block(table: pa.Table, schema: pa.Schema) -> pa.RecordBatch:
    combined = table.cast(schema).combine_chunks()
    return combined.to_batches()[0]


def schema_of(table: Table, columns: Sequence[str]) -> pa.Schema:
    """Return the contract's schema of some columns, in the order asked for.

    Raises
    ------
    ContractError
        E103 when a column isn't one of the contract's.
    """
    unknown = [name for name in columns if name not in table.column_names]
    if unknown:
        raise ContractError(f"{table.name} has no column {', '.join(unknown)}.")
    return pa.schema([table.schema.field(name) for name in columns])


def _unreadable(table: Table, error: Exception) -> WarehouseError:
    return WarehouseError(f"{table.name}: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
