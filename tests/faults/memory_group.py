"""A control group that gives its processes no memory to speak of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PLACES = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max"),
)
"""Where groups are made, and the file of their limit: first and second version."""

LIMIT = 1 << 20
"""Bytes. What a process had before it came into the group does not count."""


@contextmanager
def memory_group() -> Iterator[Path | None]:
    """Make a group in which the kernel ends a process that takes more memory.

    None where this user may not make one.
    """
    group = next((made for root, limit in PLACES if (made := _made(root, limit))), None)
    try:
        yield group
    finally:
        if group is not None:
            group.rmdir()


def _made(root: Path, limit: str) -> Path | None:
    if not (root / "cgroup.procs").exists():
        return None
    group = root / f"passbook-faults-{os.getpid()}"
    with suppress(OSError):
        group.mkdir()
        if (group / limit).exists():
            (group / limit).write_text(str(LIMIT))
            return group
        group.rmdir()
    return None
