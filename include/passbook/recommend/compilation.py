"""Numba with types that mypy understands; compiled code is cached beside the source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(kernel: Kernel) -> Kernel:
    """Compile for one thread."""
    return njit(cache=True)(kernel)  # type: ignore[return-value]


def in_parallel(kernel: Kernel) -> Kernel:
    """Compile so that `prange` runs on all threads."""
    return njit(cache=True, parallel=True)(kernel)  # type: ignore[return-value]
