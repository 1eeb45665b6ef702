"""A large bank, from nothing to nine checked work tables, in bounded memory.

Runs `passbook simulate` for `--customers` into a HiveServer2 of its own (or registers a `--bank`
that was simulated up to 2026-03-15 before), builds the nine work tables one after another as
`ingest_work_tables` does, checks their quality, then counts the same figures by one hand-written
statement a table. Prints a line a step to stderr and, at the end, one JSON line: seconds, rows and
bytes of each step, both sides of quality and their ratio, peak memory of the generator, of Hive and
of this process. Ten million customers take about 18 GB of disk for the bank, and more for the work
tables and what Hive spills, below `--folder`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from passbook import hive, sources
from passbook.demo import load
from passbook.embedded import hiveserver2, process
from passbook.settings import Settings
from passbook.steps.check_work_tables import check
from passbook.steps.ingest_work_tables import Built, Partition, build, check_selects
from passbook.steps.week import Week
from quality import by_hand

BASE_DATE = date(2026, 3, 15)
GIB = 2**30


def tell(step: str, **figures: object) -> None:
    """Say on stderr that a step is done."""
    print(time.strftime("%H:%M:%S"), step, json.dumps(figures), file=sys.stderr, flush=True)


def simulated(home: Path, url: str, customers: int, threads: int) -> dict[str, Any]:
    """Run `passbook simulate` in a process of its own; return seconds, bytes, peak memory."""
    command = [sys.executable, "-m", "passbook.cli", "simulate", "--customers", str(customers)]
    command += ["--end", str(BASE_DATE), "--folder", str(home / "bank"), "--database", "demo"]
    settings = {"PASSBOOK_HIVE_URL": url, "PASSBOOK_HOME": str(home)}
    environment = {**os.environ, **settings, "PASSBOOK_THREADS": str(threads)}
    start = time.perf_counter()
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    told = child.stdout.read() if child.stdout else ""
    _, status, used = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"passbook simulate ended with {status}.")
    size = sum(path.stat().st_size for path in (home / "bank" / "tables").rglob("*.parquet"))
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "rows": int(told.split()[0].replace(",", "")),
        "gb": round(size / GIB, 2),
        "peak_memory_gb": round(used.ru_maxrss / 2**20, 2),
    }


def registered(url: str, bank: Path) -> dict[str, Any]:
    """Register a bank that is there already; return what its files tell."""
    start = time.perf_counter()
    with hive.connect(url) as door:
        load.register(door, bank, "demo")
    seconds = time.perf_counter() - start
    files = list((bank / "tables").rglob("*.parquet"))
    return {
        "registered_seconds": round(seconds, 1),
        "rows": sum(pq.read_metadata(file).num_rows for file in files),
        "gb": round(sum(file.stat().st_size for file in files) / GIB, 2),
    }


def built(week: Week) -> dict[str, dict[str, Any]]:
    """Build the nine work tables in order; return each one's figures."""
    found = {}
    columns = check_selects(week)
    for table in week.source.tables:
        start = time.perf_counter()
        (one,) = build(week, [Partition(table, week.base_date)], columns)
        found[table] = figures_of(one, time.perf_counter() - start)
        tell(table, **found[table])
    return found


def figures_of(one: Built, seconds: float) -> dict[str, Any]:
    """Return rows and bytes of a work table, Hive's seconds and those with its reading back."""
    return {
        "rows": one.rows,
        "mb": round(one.bytes / 2**20),
        "hive_seconds": round(one.seconds, 1),
        "seconds": round(seconds, 1),
    }


def checked(week: Week) -> dict[str, Any]:
    """Check as the stage does, then count the figures by hand; return both sides."""
    start = time.perf_counter()
    findings = check(week).findings
    seconds = time.perf_counter() - start
    failed = sum(not f.passed and f.rule.severity == "fail" for f in findings)
    broken = [f"{f.table} {f.rule.name} ({f.rule.severity})" for f in findings if not f.passed]
    tell("quality", seconds=round(seconds, 1), rules=len(findings), failed=failed, broken=broken)
    engine = by_hand(week.hive, week.settings.work_database, f"DATE '{week.base_date}'")
    tell("by_hand", seconds=round(engine, 1))
    return {
        "rules": len(findings),
        "failed": failed,
        "broken": broken,
        "engine_seconds": round(engine, 1),
        "check_seconds": round(seconds, 1),
        "check_over_engine": round(seconds / engine, 2),
    }


def peak_memory_gb(pid: int) -> float:
    """Return the largest resident memory that a process has had so far."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 2**20, 2)
    raise LookupError(f"/proc/{pid}/status tells no peak")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=10_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--heap", default="4g", help="of Hive's JVM (4g)")
    parser.add_argument("--bank", type=Path, help="one that is there already")
    parser.add_argument("--folder", type=Path, help="where everything goes, removed at the end")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        home = Path(folder)
        server = hiveserver2.start(home, heap=given.heap, patience=900)
        try:
            if given.bank:
                bank = registered(server.url, given.bank)
            else:
                bank = simulated(home, server.url, given.customers, given.threads)
            tell("simulate", **bank)
            settings = Settings(source="demo", home=home, hive_concurrency=1)
            with hive.connect(server.url) as door:
                week = Week(BASE_DATE, settings, door, sources.find("demo"))
                tables = built(week)
                quality = checked(week)
            running = process.running(home, hiveserver2.NAME)
            hive_peak = peak_memory_gb(running.pid) if running else None
        finally:
            hiveserver2.stop(home)
    figures = {
        "benchmark": "large_bank",
        "customers": given.customers,
        "simulate": bank,
        "work_tables": tables,
        "work_tables_seconds": round(sum(table["seconds"] for table in tables.values()), 1),
        "quality": quality,
        "hive_peak_memory_gb": hive_peak,
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
