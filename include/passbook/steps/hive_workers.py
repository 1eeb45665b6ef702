"""A few connections to Hive at work at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from passbook.hive import Hive
    from passbook.steps.week import Week

Item = TypeVar("Item")
Result = TypeVar("Result")


def concurrently(
    week: Week, items: Sequence[Item], do: Callable[[Week, Hive, Item], Result]
) -> list[Result]:
    """Do each item, a few at once, each worker over its own connection to Hive.

    The first failure is raised: items that have not begun by then are left undone, statements
    that run are waited for.
    """
    workers = min(week.settings.hive_concurrency, len(items))
    idle: SimpleQueue[Hive] = SimpleQueue()

    def one(item: Item) -> Result:
        hive = idle.get()
        try:
            return do(week, hive, item)
        finally:
            idle.put(hive)

    with ExitStack() as opened, ThreadPoolExecutor(workers) as pool:
        for _ in range(workers):
            idle.put(opened.enter_context(closing(week.hive.another())))
        futures = [pool.submit(one, item) for item in items]
        try:
            return [future.result() for future in futures]
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
