"""A stage as a process of its own, which a test can stop, kill or starve.

Usage: ``stage_process.py RUN MOMENT [BYTES]``; settings come from the environment. Prints one JSON
line, what `run_stage` returned or the error's code. At MOMENT it prints ``paused`` and goes on when
it is given a line.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from passbook import artifacts
from passbook.contracts import MART_TABLES
from passbook.errors import PassbookError
from passbook.steps.stage import Stage, run_stage

BASE_DATE = date(2022, 12, 4)
ROWS = 40_000
RUN, MOMENT = sys.argv[1:3]


def pause(moment: str) -> None:
    """Wait for a line when it is the moment."""
    if moment == MOMENT:
        print("paused", flush=True)
        sys.stdin.readline()


def segments(first: int, rows: int) -> pa.RecordBatch:
    """Return rows of mart.customer_segment."""
    schema = MART_TABLES["customer_segment"].schema
    known: dict[str, Any] = {
        "base_date": [BASE_DATE] * rows,
        "customer_id": [f"C{i:07d}" for i in range(first, first + rows)],
        "balance_band": [i % 6 for i in range(rows)],
    }
    return pa.record_batch(
        [pa.array(known.get(f.name, [None] * rows), f.type) for f in schema], schema=schema
    )


def work(stage: Stage) -> dict[str, Any]:
    """Publish a week in two blocks."""
    pause("begun")
    if MOMENT == "disk full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
        artifacts.write(stage.settings.artifacts, "m", BASE_DATE, {"a.npz": bytes(90_000)}, {})
    if MOMENT == "memory":
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, resource.RLIM_INFINITY))
        np.ones(16 << 30)

    def batches() -> Iterator[pa.RecordBatch]:
        yield segments(0, ROWS // 2)
        pause("copying")
        yield segments(ROWS // 2, ROWS // 2)

    (published,) = stage.publish({"customer_segment": batches()}, inputs={"customer": "1"})
    pause("published")
    return {"rows": published.rows, "sha256": published.sha256}


try:
    print(json.dumps(run_stage("segment_customers", BASE_DATE, RUN, work)), flush=True)
except PassbookError as error:
    print(json.dumps({"code": error.code}), flush=True)
    sys.exit(1)
