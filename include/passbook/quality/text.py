"""Text that cannot be kept: what is no UTF-8, and NUL, which Postgres refuses."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

REPLACEMENT: Final = "\ufffd"
"""What Hive's writers put in place of bytes that are no UTF-8."""


def text_faults(batch: pa.RecordBatch) -> dict[str, str]:
    """Return what is wrong with the text of a block's columns, by column; never the text."""
    faults = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if not pa.types.is_string(column.type):
            continue
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            faults[name] = "text that is no UTF-8"
            continue
        if pc.any(pc.match_substring(column, REPLACEMENT)).as_py():
            faults[name] = "text that is no UTF-8"
        elif pc.any(pc.match_substring(column, "\0")).as_py():
            faults[name] = "text with a NUL"
    return faults
