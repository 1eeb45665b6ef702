"""Record batches that wait in a temporary file until it is their turn to be published."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from typing import Final

import pyarrow as pa

from passbook.errors import PublishingError

_NOT_YET: Final = "The set-aside rows were asked for before all of them were there."


class SetAside:
    """Passes one half of each pair on, and keeps the other half for later, outside memory."""

    def __init__(self, pairs: Iterable[tuple[pa.RecordBatch, pa.RecordBatch]]) -> None:
        self._pairs = pairs
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (deleted with this object)
        self._complete = False

    def first(self) -> Iterator[pa.RecordBatch]:
        """Yield the first half of every pair."""
        writer: pa.ipc.RecordBatchStreamWriter | None = None
        for now, later in self._pairs:
            writer = writer or pa.ipc.new_stream(self._file, later.schema)
            writer.write_batch(later)
            yield now
        if writer is not None:
            writer.close()
        self._complete = True

    def second(self) -> Iterator[pa.RecordBatch]:
        """Yield the second halves, in the same order.

        Raises
        ------
        PublishingError
            E700 when the first halves have not been taken yet.
        """
        if not self._complete:
            raise PublishingError(_NOT_YET)
        if self._file.tell():
            self._file.seek(0)
            yield from pa.ipc.open_stream(self._file)
