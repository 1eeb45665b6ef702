"""The frame that all pages share, and tables. Everything that is put in is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

Row = Sequence[Any]


def page(title: str, body: str, *, refresh_seconds: int | None = None) -> str:
    """Return a page; one that refreshes itself may be left open."""
    refresh = f'<meta http-equiv="refresh" content="{refresh_seconds}">' if refresh_seconds else ""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">{refresh}'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def section(title: str, content: str, note: str = "") -> str:
    """Return a part of a page under a heading, with a line on how to read it."""
    told = f'<p class="note">{escape(note)}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{told}{content}</section>"


def table(head: Iterable[str], rows: Sequence[Row], empty: str = "Nothing yet.") -> str:
    """Return a table, numbers on the right; without rows the words `empty`."""
    if not rows:
        return f'<p class="note">{escape(empty)}</p>'
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = ("".join(map(_cell, row)) for row in rows)
    return (
        f"<table><thead><tr>{names}</tr></thead>"
        f"<tbody>{''.join(f'<tr>{line}</tr>' for line in lines)}</tbody></table>"
    )


def link(address: str, words: str) -> str:
    """Return a link inside Passbook's pages."""
    return f'<a href="{escape(address)}">{escape(words)}</a>'


def text(value: Any) -> str:
    """Return a value as a person reads it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _cell(value: Any) -> str:
    kind = "number" if isinstance(value, int | float) and not isinstance(value, bool) else ""
    kind = "bad" if value is True else kind
    kind = kind or ("word" if " " not in text(value) else "")
    return f'<td class="{kind}">{escape(text(value))}</td>'


_STYLE = """
:root { color-scheme: light dark; font: 14px/1.45 system-ui, sans-serif;
  --line: #8884; --soft: #8881; --pass: #2e7d32; --reject: #c62828; --running: #1565c0;
  --stale: #b26a00; }
@media (prefers-color-scheme: dark) { :root { --pass: #7cc47f; --reject: #ef8a85;
  --running: #7db4ee; --stale: #e8b057; } }
body { margin: 1.5rem 2rem; max-width: 76rem; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; }
h2 { font-size: 1.05rem; margin: 0 0 .5rem; }
section { margin: 1.4rem 0 0; }
.note { opacity: .7; margin: 0 0 .5rem; max-width: 60rem; }
table { border-collapse: collapse; }
th, td { padding: .35rem .8rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; white-space: nowrap; }
thead th { background: var(--soft); }
tbody tr:hover { background: var(--soft); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.word { white-space: nowrap; }
.bad { color: var(--reject); font-weight: 600; }
a { color: inherit; }
.grid td { min-width: 8.5rem; border-left: .35rem solid transparent; }
.grid a { text-decoration: none; display: block; }
.grid small { display: block; opacity: .75; }
.grid .pass { border-left-color: var(--pass); }
.grid .reject { border-left-color: var(--reject); color: var(--reject); }
.grid .running { border-left-color: var(--running); }
.grid .stale { border-left-color: var(--stale); color: var(--stale); }
.grid .none { opacity: .45; }
"""
