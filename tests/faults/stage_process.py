"""A stage as a process of its own, which a test can stop, kill or starve.

Usage: ``stage_process.py RUN MOMENT``; settings come from the environment, beside them
``FAULTS_ROWS`` and ``FAULTS_BASE_DATES``. Prints one JSON line, what `run_stage` returned or the
error's code, of the last base date. At MOMENT it prints ``paused`` and goes on when it is given a
line.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from typing import Any

import numpy as np
import psycopg2
import pyarrow as pa
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (it is a class)

from passbook import artifacts, ledger, mart
from passbook.contracts import MART_TABLES
from passbook.errors import PassbookError, StageBusyError
from passbook.mart import publishing
from passbook.steps.stage import Stage, run_stage

RUN, MOMENT = sys.argv[1:3] if len(sys.argv) > 2 else ("", "")
ROWS = int(os.environ.get("FAULTS_ROWS", "40000"))
BASE_DATES = [
    date.fromisoformat(day) for day in os.environ.get("FAULTS_BASE_DATES", "2022-12-04").split()
]
STAGE = "segment_customers"
RETRIED = len(BASE_DATES) > 1 or MOMENT == "each statement"


def pause(moment: str) -> None:
    """Wait for a line when it is the moment."""
    if moment == MOMENT:
        print("paused", flush=True)
        sys.stdin.readline()


def segments(base_date: date, first: int, rows: int) -> pa.RecordBatch:
    """Return rows of mart.customer_segment."""
    schema = MART_TABLES["customer_segment"].schema
    known: dict[str, Any] = {
        "base_date": [base_date] * rows,
        "customer_id": [f"C{i:07d}" for i in range(first, first + rows)],
        "balance_band": [i % 6 for i in range(rows)],
    }
    return pa.record_batch(
        [pa.array(known.get(f.name, [None] * rows), f.type) for f in schema], schema=schema
    )


def before_work(stage: Stage) -> None:
    """Do what the moment asks for before anything is published."""
    pause("begun")
    folder = stage.settings.artifacts
    if MOMENT == "disk full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
        artifacts.write(folder, "m", stage.base_date, {"a.npz": bytes(90_000)}, {})
    if MOMENT == "memory":
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, resource.RLIM_INFINITY))
        np.ones(16 << 30)
    if MOMENT == "hive":
        for number in range(3):
            stage.week.hive.query(f"SELECT {number} AS number")
            pause("hive")
    if MOMENT == "corrupt":
        written = artifacts.write(folder, "damaged", stage.base_date, {"a.npz": bytes(90_000)}, {})
        version = ledger.ModelVersion(
            "damaged", written.version, stage.base_date, written.manifest_sha256
        )
        ledger.record_model_version(stage.mart, stage.fence, version)
        ledger.record_promotion(
            stage.mart, stage.fence, "damaged", written.version, promoted=True, reason="A test."
        )
        file = folder / "damaged" / written.version / "a.npz"
        file.chmod(0o600)
        file.write_bytes(bytes(89_999) + b"\1")
        stage.champion("damaged")


def work(stage: Stage) -> dict[str, Any]:
    """Publish a week in two blocks."""
    before_work(stage)
    half = ROWS // 2

    def batches() -> Iterator[pa.RecordBatch]:
        yield segments(stage.base_date, 0, half)
        pause("copying")
        yield segments(stage.base_date, half, ROWS - half)

    (published,) = stage.publish({"customer_segment": batches()}, inputs={"customer": "1"})
    pause("published")
    return {"rows": published.rows, "sha256": published.sha256}


def run(base_date: date) -> dict[str, Any]:
    """Run the stage; one that is busy elsewhere is tried again, as Airflow would."""
    for _ in range(30 if RETRIED else 1):
        try:
            return run_stage(STAGE, base_date, f"{RUN} {base_date}", work, last_attempt=not RETRIED)
        except StageBusyError as error:
            busy = error
            time.sleep(0.2)
    raise busy


def at_each_statement() -> dict[str, Any]:
    """Run the stage until it passes; try n loses its backend before its statement n."""
    connect, codes = mart.connect, []
    for number in itertools.count(1):
        mart.connect = partial(connect_ending, connect, ending_at(number))
        try:
            return {**run(BASE_DATES[0]), "ended": number - 1, "codes": sorted(set(codes))}
        except PassbookError as error:
            codes.append(error.code)
        finally:
            mart.connect = connect
    raise AssertionError


def connect_ending(
    connect: Callable[..., Connection], cursor_class: type[Cursor], *arguments: Any, **options: Any
) -> Connection:
    """Connect, with this class of cursors."""
    made = connect(*arguments, **options)
    made.cursor_factory = cursor_class
    return made


def ending_at(number: int) -> type[Cursor]:
    """Return a cursor class that has its backend ended before its statement of this number."""
    count = itertools.count(1)

    class Ending(Cursor):
        def execute(self, *arguments: Any) -> None:
            self._count()
            super().execute(*arguments)

        def copy_expert(self, *arguments: Any, **options: Any) -> None:
            self._count()
            super().copy_expert(*arguments, **options)

        def _count(self) -> None:
            if next(count) == number:
                end_backend(self.connection.info.backend_pid)

    return Ending


def end_backend(pid: int) -> None:
    """End a backend of our own login."""
    other = psycopg2.connect(os.environ["PASSBOOK_MART_URL"])
    with other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    other.close()


def main() -> None:
    """Run what the arguments ask for."""
    swap = publishing._swap

    def swap_at_moment(*arguments: Any) -> None:
        pause("staged")
        swap(*arguments)

    publishing._swap = swap_at_moment
    try:
        found = at_each_statement() if MOMENT == "each statement" else [*map(run, BASE_DATES)][-1]
        print(json.dumps(found), flush=True)
    except PassbookError as error:
        print(json.dumps({"code": error.code}), flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
