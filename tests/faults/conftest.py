"""Hands what a fault came to on to the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from .report import DONE


@pytest.fixture(autouse=True)
def _told(record_property: Callable[[str, object], None]) -> Iterator[None]:
    DONE.clear()
    yield
    for fault, result in DONE.items():
        record_property(fault, result)
