"""The small bank of these tests, and how to read it."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow.dataset as ds

CUSTOMERS = 8_000
SEED = 7
END = date(2026, 3, 15)


def read(folder: Path, table: str) -> pd.DataFrame:
    """Return a source table."""
    return ds.dataset(folder / "tables" / table, format="parquet").to_table().to_pandas()


def checksums(folder: Path) -> dict[str, str]:
    """Return every file's sha256 by its relative path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
