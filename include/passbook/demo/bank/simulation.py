"""The whole bank: blocks of customers into Parquet files, the truths beside them."""

from __future__ import annotations

import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from passbook.demo.bank.block import Piece, simulate_block
from passbook.demo.bank.calendar import EPOCH
from passbook.demo.bank.catalogue import LINES, product_master
from passbook.demo.bank.drift import Drift
from passbook.demo.bank.plan import BLOCK_CUSTOMERS, Plan, make_plan
from passbook.demo.bank.source_tables import SOURCE_TABLES, TRUTHS, SourceTable
from passbook.errors import InputError, StorageError

MANIFEST: Final = "truth.json"
FILE_BLOCKS: Final = 10
"""Blocks that share a file: half a million customers."""
ROW_GROUP_ROWS: Final = 2**20
IDENTIFIERS: Final = frozenset(
    ("cust_no", "customer_id", "acct_no", "cntr_no", "card_no", "arrr_no")
)


@dataclass(frozen=True)
class Simulated:
    """What was written: rows of each source table, and where."""

    tables: Path
    truth: Path
    rows: dict[str, int]


def simulate(
    folder: Path,
    *,
    customers: int,
    seed: int,
    end: date,
    months: int = 30,
    threads: int = 2,
    drift: Drift | None = None,
) -> Simulated:
    """Write the demo bank's source tables below ``folder/tables``, its truths in ``folder/truth``.

    Parameters
    ----------
    customers : int
        Number of customers.
    end : date
        Last simulated day.
    months : int
        Calendar months, `end`'s included. Credit outcomes need 19 and a full year before 30.
    threads : int
        Files written at the same time; the result does not depend on it.
    drift : Drift, optional
        A change of behaviour from a day on.

    Raises
    ------
    InputError
        E803, when a figure makes no sense.
    StorageError
        E805, when the folder cannot be written.
    """
    plan = make_plan(customers, seed, end, months, drift)
    _prepare(folder)
    spans = [
        range(at, min(at + FILE_BLOCKS, plan.blocks)) for at in range(0, plan.blocks, FILE_BLOCKS)
    ]
    with ThreadPoolExecutor(threads) as pool:
        counts = list(pool.map(lambda span: _write_span(folder, plan, span), spans))
    rows = {name: sum(count.get(name, 0) for count in counts) for name in SOURCE_TABLES}
    master = product_master(plan.shelves)
    _write_alone(folder, SOURCE_TABLES["product_master"], master)
    rows["product_master"] = len(master)
    _describe(folder, plan, drift, rows)
    return Simulated(folder / "tables", folder / "truth", rows)


def _prepare(folder: Path) -> None:
    """Remove an earlier bank: files of a larger one must not stay beside the new ones.

    The manifest, in ``truth``, goes first and comes last, so that no half bank has one.
    """
    try:
        for part in ("truth", "tables"):
            if (folder / part).exists():
                shutil.rmtree(folder / part)
            (folder / part).mkdir(parents=True)
    except OSError as error:
        raise StorageError(f"{folder}: {error.strerror}.") from error


@dataclass
class _Files:
    """Open Parquet files of one span of blocks."""

    folder: Path
    part: int
    open: dict[tuple[str, str | None], pq.ParquetWriter] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    def write(self, piece: Piece) -> None:
        table = SOURCE_TABLES.get(piece.table) or TRUTHS[piece.table]
        key = (piece.table, piece.month)
        if key not in self.open:
            path = _path(self.folder, table, piece.month, self.part)
            self.open[key] = _open(path, table.schema)
        writer = self.open[key]
        writer.write_table(piece.rows.cast(writer.schema), row_group_size=ROW_GROUP_ROWS)
        self.rows[piece.table] = self.rows.get(piece.table, 0) + len(piece.rows)

    def close(self) -> None:
        for writer in self.open.values():
            writer.close()


def _open(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Amounts and numbers of customers and accounts hardly repeat in a block: a dictionary of them
    # is work thrown away, and larger than the sorted numbers themselves.
    repeating = [f.name for f in schema if f.type != pa.int64() and f.name not in IDENTIFIERS]
    return pq.ParquetWriter(
        path, schema, compression="snappy", store_schema=False, use_dictionary=repeating
    )


def _path(folder: Path, table: SourceTable, month: str | None, part: int) -> Path:
    if table.name in TRUTHS:
        return folder / "truth" / table.name.removeprefix("truth_") / f"part-{part:05d}.parquet"
    base = folder / "tables" / table.name
    return (base / f"{table.partition}={month}" if month else base) / f"part-{part:05d}.parquet"


def _write_span(folder: Path, plan: Plan, span: range) -> dict[str, int]:
    files = _Files(folder, span.start // FILE_BLOCKS)
    try:
        for block in span:
            for piece in simulate_block(plan, block):
                files.write(piece)
    finally:
        files.close()
    return files.rows


def _write_alone(folder: Path, table: SourceTable, rows: pa.Table) -> None:
    with _open(_path(folder, table, None, 0), table.schema) as writer:
        writer.write_table(rows.cast(table.schema))


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of the bank written in `folder`.

    Raises
    ------
    InputError
        E803 when there is none.
    """
    path = folder / "truth" / MANIFEST
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: is {folder} a demo bank?") from error
    return found


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest of the bank in `folder`."""
    text = json.dumps(manifest, ensure_ascii=False, indent=1)
    (folder / "truth" / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _describe(folder: Path, plan: Plan, drift: Drift | None, rows: dict[str, int]) -> None:
    """Write ``truth.json``: the plan, the products' true weights, and every truth's checksum."""
    calendar = plan.calendar
    holdout = plan.holdout_month
    manifest = {
        "customers": plan.customers,
        "seed": plan.seed,
        "block_customers": BLOCK_CUSTOMERS,
        "start": _iso(calendar.start),
        "end": _iso(calendar.end),
        "months": calendar.months,
        "holdout_month": [_iso(int(calendar.first[holdout])), _iso(int(calendar.last[holdout]))],
        "drift": None if drift is None else {"kind": drift.kind, "start": f"{drift.start}"},
        "defects": None,
        "rows": rows,
        "products": {
            family: [
                {"product_code": code, "line": LINES[line].name, "popularity": round(weight, 6)}
                for code, line, weight in zip(
                    shelf.codes, shelf.line.tolist(), shelf.popularity.tolist(), strict=True
                )
            ]
            for family, shelf in plan.shelves.items()
        },
        "files": {
            str(path.relative_to(folder / "truth")): _sha256(path)
            for path in sorted((folder / "truth").rglob("*.parquet"))
        },
    }
    write_manifest(folder, manifest)


def _iso(day: int) -> str:
    return f"{EPOCH + timedelta(days=day)}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
