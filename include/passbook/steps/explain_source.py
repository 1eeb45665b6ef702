"""What Hive will scan for each SELECT of a source adapter, read off its plan."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from passbook.hive import Hive
    from passbook.sources import Source

_SPARK_SCAN = re.compile(
    r"(?:FileScan \w+|Scan hive) (?:spark_catalog\.)?(?P<table>\w+\.\w+)\s*\["
    r"(?:.*?Location: \w+\((?P<paths>\d+) paths?\))?(?:.*?PartitionFilters: \[(?P<filters>\]?))?"
)
_ALL = sys.maxsize
_DUMMY = "_dummy_database._dummy_table"
"""What Apache Hive reads for a SELECT without a table."""


@dataclass(frozen=True)
class Scan:
    """A table that a statement reads."""

    table: str
    partitions: int | None = None
    """Partitions that are read; None: the table has none, or the plan doesn't tell."""
    of: int | None = None
    """Partitions that there are."""
    built: bool = True
    """False: a work table that is not there before the first ingest."""

    @property
    def whole(self) -> bool:
        """Whether a partitioned table is read from end to end."""
        return self.of is not None and self.of > 1 and self.partitions == self.of

    def __str__(self) -> str:
        if not self.built:
            return f"{self.table}: not there before the first week is built; explain it again then"
        if self.of is None:
            return f"{self.table}: whole, it has no partitions"
        if self.partitions is None:
            return f"{self.table}: {self.of:,} partitions, the plan doesn't tell how many are read"
        told = f"{self.table}: {self.partitions:,} of {self.of:,} partitions"
        return f"{told}  <- read whole" if self.whole else told


def explain_source(
    hive: Hive, source: Source, base_date: date, bank_database: str
) -> Iterator[tuple[str, list[Scan], str]]:
    """Yield each work table with what its SELECT scans, and Hive's plan in full.

    Raises
    ------
    HiveStatementError, HiveUnreachableError
        E107, E101.
    """
    for table in source.tables:
        work = f"work_{source.name}"
        missing = [n for n in sorted(source.needs(table)) if not hive.table_exists(work, n)]
        if missing:
            yield table, [Scan(f"{work}.{name}", built=False) for name in missing], ""
            continue
        select = source.statement(table, base_date, bank_database)
        plan = "\n".join(
            str(line) for line in hive.query(f"EXPLAIN {select}").column(0).to_pylist()
        )
        read = spark_scans(plan) if "== Physical Plan ==" in plan else hive_scans(hive, select)
        yield table, [_scan(hive, name, found) for name, found in sorted(read.items())], plan


def spark_scans(plan: str) -> dict[str, int | None]:
    """Return the tables that a plan of Spark's reads and, where told, in how many partitions.

    A table that is read more than once counts with the most partitions.
    """
    found: dict[str, int | None] = {}
    for match in _SPARK_SCAN.finditer(plan):
        paths = int(match["paths"]) if match["paths"] else None
        if match["filters"]:
            paths = _ALL  # an empty list of filters; the one path is then the table's own folder
        known = found.get(match["table"])
        found[match["table"]] = max(paths, known or 0) if paths is not None else known
    return found


def hive_scans(hive: Hive, select: str) -> dict[str, int | None]:
    """Return the tables, and the number of their partitions, that Apache Hive says it will read."""
    told = json.loads(hive.query(f"EXPLAIN DEPENDENCY {select}").column(0)[0].as_py())
    return dependency_scans(told)


def dependency_scans(told: dict[str, Any]) -> dict[str, int | None]:
    """Return the same from what ``EXPLAIN DEPENDENCY`` answers."""
    partitions = Counter(
        ".".join(part["partitionName"].split("@")[:2]) for part in told["input_partitions"]
    )
    tables = [entry["tablename"].replace("@", ".") for entry in told["input_tables"]]
    return {name: partitions.get(name, 0) for name in tables if name != _DUMMY}


def _scan(hive: Hive, table: str, read: int | None) -> Scan:
    there = _partitions(hive, table)
    if there is None:
        return Scan(table)
    return Scan(table, None if read is None else min(read, there), there)


def _partitions(hive: Hive, table: str) -> int | None:
    """Return how many partitions a table has; None: it isn't partitioned."""
    described = hive.query(f"DESCRIBE {table}").column(0).to_pylist()
    if not any((name or "").startswith("# Partition") for name in described):
        return None
    return int(hive.query(f"SHOW PARTITIONS {table}").num_rows)
