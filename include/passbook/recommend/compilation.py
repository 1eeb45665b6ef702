"""Numba with types that mypy understands; compiled code is cached beside the source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from numba import get_num_threads, njit, set_num_threads
from threadpoolctl import ThreadpoolController, threadpool_limits

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(kernel: Kernel) -> Kernel:
    """Compile for one thread, which does not keep others from running."""
    return njit(cache=True, nogil=True)(kernel)  # type: ignore[return-value]


def in_parallel(kernel: Kernel) -> Kernel:
    """Compile so that `prange` runs on all threads."""
    return njit(cache=True, parallel=True)(kernel)  # type: ignore[return-value]


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let compiled loops and linear algebra use up to `count` of the threads that they have.

    Results do not depend on it.
    """
    before = get_num_threads()
    set_num_threads(min(count, before))
    try:
        with threadpool_limits(count):
            yield
    finally:
        set_num_threads(before)


@contextmanager
def single_threaded_algebra() -> Iterator[None]:
    """Keep linear algebra to one thread: its idle ones wait busily, where compiled loops run."""
    with _linear_algebra().limit(limits=1, user_api="blas"):
        yield


@cache
def _linear_algebra() -> ThreadpoolController:
    """Return the control over the threads of linear algebra; finding the libraries takes long."""
    return ThreadpoolController()
