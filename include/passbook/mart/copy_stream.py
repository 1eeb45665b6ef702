"""COPY into Postgres from blocks of bytes, of which a thread prepares the next ones meanwhile."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Iterator, Sequence

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (it is a class)

from passbook.mart.wire import SIGNATURE, TRAILER, WireColumn, rows

_READ_BYTES = 1 << 20
_BLOCKS_AHEAD = 2
_PATIENCE_SECONDS = 30.0
"""Longest wait for a block that is being made when the COPY has failed."""


def copy_blocks(
    cursor: Cursor,
    table: sql.Composable,
    columns: Sequence[str],
    blocks: Iterator[list[WireColumn]],
    *,
    freeze: bool = False,
) -> None:
    """COPY blocks of rows into `table`, in bounded memory.

    Parameters
    ----------
    cursor : psycopg2 cursor
    table : psycopg2.sql.Composable
    columns : sequence of str
        The blocks' columns, in their order.
    blocks : iterator of lists of WireColumn
        Advanced in a thread of its own; an error raised there is raised here.
    freeze : bool
        For a table made in the same transaction: its rows need no later vacuum.
    """
    statement = sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT binary{})").format(
        table,
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", FREEZE" if freeze else ""),
    )
    source = _ReadAhead(_stream(blocks))
    try:
        cursor.copy_expert(statement, source, size=_READ_BYTES)  # type: ignore[arg-type]
    except psycopg2.Error:
        if source.error is not None:
            raise source.error from None
        raise
    finally:
        source.close()


def _stream(blocks: Iterator[list[WireColumn]]) -> Iterator[memoryview]:
    yield memoryview(SIGNATURE)
    for block in blocks:
        yield rows(block).data
    yield memoryview(TRAILER)


class _ReadAhead:
    """A file to COPY from, filled by a thread that stays at most a few blocks ahead."""

    def __init__(self, blocks: Iterable[memoryview]) -> None:
        self.error: BaseException | None = None
        self._blocks = blocks
        self._queue: queue.Queue[memoryview | None] = queue.Queue(_BLOCKS_AHEAD)
        self._closed = threading.Event()
        self._current = memoryview(b"")
        self._ended = False
        self._thread = threading.Thread(target=self._fill, name="copy-ahead", daemon=True)
        self._thread.start()

    def read(self, size: int) -> bytes:
        """Return the next bytes, b"" at the end; raise what the thread met.

        psycopg2 makes an error of its own of whatever is raised here, also of a task's timeout:
        `error` keeps the first one.
        """
        try:
            while not self._ended:
                if self._current:
                    data = bytes(self._current[:size])
                    self._current = self._current[size:]
                    return data
                block = self._queue.get()
                if block is None:
                    self._ended = True
                    if self.error is not None:
                        raise self.error
                else:
                    self._current = block
        except BaseException as error:
            self.error = self.error or error
            raise
        return b""

    def close(self) -> None:
        """End the thread at its next block and wait for it, but not for ever."""
        self._closed.set()
        give_up = time.monotonic() + _PATIENCE_SECONDS
        while self._thread.is_alive() and time.monotonic() < give_up:
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                continue

    def _fill(self) -> None:
        try:
            for block in self._blocks:
                if self._closed.is_set():
                    return
                self._queue.put(block)
        except BaseException as error:
            self.error = self.error or error
        finally:
            self._queue.put(None)
