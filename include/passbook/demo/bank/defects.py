"""Faults to rehearse with: what a bank's load gets wrong, put into the written files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from passbook.demo.bank.simulation import read_manifest, write_manifest
from passbook.demo.bank.source_tables import SOURCE_TABLES

DEFECT_ROWS: Final = 25


def inject(defect: str, folder: Path) -> None:
    """Put one of `DEFECTS` into the demo bank written in `folder`, and note it in its manifest."""
    _INJECTORS[defect](folder)
    manifest = read_manifest(folder)
    manifest["defects"] = [*(manifest["defects"] or ()), defect]
    write_manifest(folder, manifest)


def _some(folder: Path, table: str) -> pa.Table:
    first = min((folder / "tables" / table).rglob("part-0*.parquet"))
    return pq.ParquetFile(first).read_row_group(0).slice(0, DEFECT_ROWS)


def _add(folder: Path, table: str, rows: pa.Table) -> None:
    base = folder / "tables" / table
    path = base / f"part-defect-{len(list(base.glob('part-defect-*'))):02d}.parquet"
    pq.write_table(rows.cast(SOURCE_TABLES[table].schema), path, store_schema=False)


def _replace(rows: pa.Table, column: str, values: pa.Array) -> pa.Table:
    return rows.set_column(rows.column_names.index(column), column, values)


def _missing_keys(folder: Path) -> None:
    rows = _some(folder, "customer_master")
    _add(folder, "customer_master", _replace(rows, "cust_no", pa.nulls(len(rows), pa.string())))


def _duplicates(folder: Path) -> None:
    _add(folder, "customer_master", _some(folder, "customer_master"))


def _negative_amounts(folder: Path) -> None:
    rows = _some(folder, "insurance_contract")
    _add(folder, "insurance_contract", _replace(rows, "prem_amt", pc.negate(rows["prem_amt"])))


def _future_row(folder: Path) -> None:
    """Date a birth after the bank's last day: no filter on the day of joining removes that."""
    rows = _some(folder, "customer_master").slice(0, 1)
    tomorrow = date.fromisoformat(read_manifest(folder)["end"]) + timedelta(days=1)
    rows = _replace(rows, "cust_no", pa.array(["9999999999"]))
    _add(folder, "customer_master", _replace(rows, "brth_dt", pa.array([tomorrow])))


def _empty_table(folder: Path) -> None:
    schema = SOURCE_TABLES["product_master"].schema
    for path in sorted((folder / "tables" / "product_master").glob("*.parquet")):
        pq.write_table(schema.empty_table(), path, store_schema=False)


_INJECTORS: Final[dict[str, Callable[[Path], None]]] = {
    "missing-keys": _missing_keys,
    "duplicates": _duplicates,
    "negative-amounts": _negative_amounts,
    "future-row": _future_row,
    "empty-table": _empty_table,
}
DEFECTS: Final = tuple(_INJECTORS)
