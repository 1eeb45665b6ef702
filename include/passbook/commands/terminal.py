"""Tables in the terminal, and as wide lines where the output is no terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table


def print_table(columns: Iterable[str], rows: Iterable[tuple[str, ...]]) -> None:
    """Print rows under their columns' names."""
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console(width=None if Console().is_terminal else 200, markup=False).print(table)
