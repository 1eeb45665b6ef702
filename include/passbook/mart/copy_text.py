"""From Arrow record batches into Postgres by COPY: columnar, in bounded memory.

Arrow writes the CSV; lists become Postgres's array literals by vectorised string functions. A
thread prepares the next blocks while the server takes in the last one.
"""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (it is a class)
from pyarrow import csv

_CSV = csv.WriteOptions(include_header=False, quoting_style="needed")
_READ_BYTES = 1 << 20
_BLOCKS_AHEAD = 2


def copy_batches(
    cursor: Cursor,
    table: sql.Composable,
    columns: Sequence[str],
    batches: Iterator[pa.RecordBatch],
    *,
    freeze: bool = False,
) -> None:
    """COPY `columns` of the batches into `table`.

    Parameters
    ----------
    cursor : psycopg2 cursor
    table : psycopg2.sql.Composable
    columns : sequence of str
        Columns to send; the batches may have others.
    batches : iterator of pyarrow.RecordBatch
        Advanced in a thread of its own; an error raised there is raised here.
    freeze : bool
        For a table made in the same transaction: its rows need no later vacuum.
    """
    statement = sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT csv{})").format(
        table,
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", FREEZE" if freeze else ""),
    )
    source = _ReadAhead(lambda: (to_csv(batch.select(list(columns))) for batch in batches))
    try:
        cursor.copy_expert(statement, source, size=_READ_BYTES)  # type: ignore[arg-type]
    except psycopg2.Error:
        if source.error is not None:
            raise source.error from None
        raise
    finally:
        source.close()


def to_csv(batch: pa.RecordBatch) -> pa.Buffer:
    """Return the batch as CSV that COPY reads back unchanged: NULL is empty, '' is quoted."""
    arrays = [
        array_literals(column) if pa.types.is_list(column.type) else column
        for column in batch.columns
    ]
    sink = pa.BufferOutputStream()
    csv.write_csv(pa.record_batch(arrays, names=batch.schema.names), sink, _CSV)
    return sink.getvalue()


def array_literals(lists: pa.ListArray) -> pa.StringArray:
    """Return Postgres's array literal of each list, e.g. ``{"a","b \\"c\\""}``; null stays null."""
    elements = lists.flatten()
    if pa.types.is_string(elements.type):
        for special in ("\\", '"'):
            elements = pc.replace_substring(elements, special, f"\\{special}")
        elements = pc.binary_join_element_wise('"', elements, '"', "")
    else:
        elements = elements.cast(pa.string())
    elements = elements.fill_null("NULL")
    joined = pc.binary_join(_with_elements(lists, elements), ",")
    return pc.binary_join_element_wise("{", joined, "}", "")


def _with_elements(lists: pa.ListArray, elements: pa.Array) -> pa.ListArray:
    """Return the same lists over other elements, which are the flattened ones, mapped."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    ends = pc.cumulative_sum(lengths)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends.cast(pa.int32())])
    return pa.ListArray.from_arrays(offsets, elements, mask=lists.is_null())


class _ReadAhead:
    """A file to COPY from, filled by a thread that stays at most a few blocks ahead."""

    def __init__(self, blocks: Callable[[], Iterable[pa.Buffer]]) -> None:
        self.error: BaseException | None = None
        self._blocks = blocks
        self._queue: queue.Queue[pa.Buffer | None] = queue.Queue(_BLOCKS_AHEAD)
        self._closed = threading.Event()
        self._current: io.BufferedIOBase | pa.NativeFile = io.BytesIO()
        self._ended = False
        self._thread = threading.Thread(target=self._fill, name="copy-ahead", daemon=True)
        self._thread.start()

    def read(self, size: int) -> bytes:
        """Return the next bytes, b"" at the end; raise what the thread met."""
        while not self._ended:
            if data := self._current.read(size):
                return bytes(data)
            block = self._queue.get()
            if block is None:
                self._ended = True
                if self.error is not None:
                    raise self.error
            else:
                self._current = pa.BufferReader(block)
        return b""

    def close(self) -> None:
        """End the thread at its next block and wait for it."""
        self._closed.set()
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                continue
        self._thread.join()

    def _fill(self) -> None:
        try:
            for block in self._blocks():
                if self._closed.is_set():
                    return
                self._queue.put(block)
        except BaseException as error:
            self.error = error
        finally:
            self._queue.put(None)
