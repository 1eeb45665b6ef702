"""The newcomer's first hour: `make demo` from a fresh clone, then once more, with peak memory.

Clones this repository into a temporary folder, so that nothing installed here helps, and ends the
servers it started. Memory is the proportional share (PSS) of all processes that belong to the
clone, sampled once a second. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

REPOSITORY = Path(__file__).resolve().parents[1]


def belongs(process: psutil.Process, folder: str) -> bool:
    """Whether a process runs out of `folder`, whoever its parent is now."""
    try:
        traces = [process.cwd(), *process.cmdline(), *process.environ().values()]
    except psutil.Error:
        return False
    return any(folder in trace for trace in traces)


def memory(folder: str) -> int:
    """Return the bytes that the processes of `folder` hold at this moment."""
    total = 0
    for process in psutil.process_iter():
        if belongs(process, folder):
            try:
                total += process.memory_full_info().pss
            except psutil.Error:
                continue  # it has ended since
    return total


def measure(clone: Path, arguments: list[str]) -> dict[str, Any]:
    """Run `make` in the clone and return its seconds and peak memory."""
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(1.0):
            peak = max(peak, memory(str(clone)))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    start = time.perf_counter()
    try:
        subprocess.run(["make", *arguments], cwd=clone, check=True, stdout=2)
    finally:
        done.set()
        watcher.join()
    return {"seconds": round(time.perf_counter() - start, 1), "peak_mb": round(peak / 2**20)}


def main() -> None:
    """Measure and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--source", default="demo")
    parser.add_argument("--data", help="folder of the files of a source that is not simulated")
    options = parser.parse_args()
    arguments = ["demo", f"CUSTOMERS={options.customers}", f"SOURCE={options.source}"]
    arguments += [f"DATA={Path(options.data).resolve()}"] if options.data else []
    with tempfile.TemporaryDirectory(prefix="passbook-demo-") as folder:
        Path(folder).chmod(0o755)
        clone = Path(folder) / "passbook"
        subprocess.run(["git", "clone", "--quiet", REPOSITORY, clone], check=True)
        try:
            found = {"first": measure(clone, arguments), "again": measure(clone, arguments)}
        finally:
            subprocess.run(["make", "stop"], cwd=clone, check=True, stdout=2)
    ratio = round(found["again"]["seconds"] / found["first"]["seconds"], 3)
    print(json.dumps({"benchmark": "demo", **vars(options), **found, "ratio": ratio}))


if __name__ == "__main__":
    main()
