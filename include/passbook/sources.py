"""Source adapters: a folder of SELECT statements, one a work table, over one bank's own tables.

An adapter may name these parameters, and nothing else is replaced in its SQL:

==============================  ==============================================================
``${base_date}``                ``DATE '2022-12-04'``, the date that the table speaks for
``${observation_date}``         the later credit observation date of that base date
``${earlier_observation_date}`` the earlier one
``${bank}``                     the Hive database of the bank's own tables
``${work}``                     the Hive database of the work tables, for a statement that builds
                                on another work table (filter it on ``base_date``)
==============================  ==============================================================
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

from passbook.base_date import observation_dates
from passbook.contracts import FAMILIES, MANDATORY, WORK_TABLES
from passbook.errors import AdapterError, UnknownSourceError

BUILT_IN: Final = Path(__file__).parent / "sql" / "sources"
PARAMETERS: Final = (
    "base_date",
    "observation_date",
    "earlier_observation_date",
    "bank",
    "work",
)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PARAMETER = re.compile(r"\$\{(\w*)\}")
_WORK_TABLE = re.compile(r"\$\{work\}\s*\.\s*`?(\w+)`?")
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_EMPTY_COLUMN = re.compile(r"(?i)\bCAST\s*\(\s*NULL\s+AS\s+\w+\s*\)\s+AS\s+`?(\w+)`?")
_LITERAL = re.compile(r"'(?:\\.|[^'\\])*'", re.DOTALL)


@dataclass(frozen=True)
class Source:
    """A source adapter, read and checked."""

    name: str
    folder: Path
    statements: Mapping[str, str]
    """SQL of each work table that the source offers, in build order."""

    @property
    def tables(self) -> tuple[str, ...]:
        """Work tables in build order: one that reads another comes after it."""
        return tuple(self.statements)

    def offers(self, table: str) -> bool:
        """Whether the source builds this work table."""
        return table in self.statements

    def needs(self, table: str) -> frozenset[str]:
        """Work tables that this one's statement reads."""
        return frozenset(_WORK_TABLE.findall(_COMMENT.sub(" ", self.statements[table])))

    def empty_columns(self, table: str) -> frozenset[str]:
        """Columns that this table leaves empty on purpose: ``CAST(NULL AS …) AS column``."""
        return frozenset(_EMPTY_COLUMN.findall(_COMMENT.sub(" ", self.statements[table])))

    def statement(
        self, table: str, base_date: date, bank_database: str, work_database: str = ""
    ) -> str:
        """Return the SELECT of a work table for a base date.

        Only dates and two database names enter the SQL; a database's name is checked.

        Raises
        ------
        AdapterError
            E106 when the source doesn't offer the table or a database's name is none.
        """
        if not self.offers(table):
            raise AdapterError(f"Source {self.name!r} has no {table}.sql.")
        work_database = work_database or f"work_{self.name}"
        for database in (bank_database, work_database):
            if not _DATABASE.fullmatch(database):
                raise AdapterError(f"{database!r} is no name of a Hive database.")
        earlier, later = observation_dates(base_date)
        values = {
            "base_date": f"DATE '{base_date.isoformat()}'",
            "observation_date": f"DATE '{later.isoformat()}'",
            "earlier_observation_date": f"DATE '{earlier.isoformat()}'",
            "bank": bank_database,
            "work": work_database,
        }
        sql = _PARAMETER.sub(lambda match: values[match[1]], self.statements[table])
        return sql.strip().rstrip(";").rstrip()


def check_name(name: str) -> str:
    """Return `name` when a source may be called so.

    Raises
    ------
    AdapterError
        E106.
    """
    if not _NAME.fullmatch(name):
        raise AdapterError(f"{name!r} is no name of a source: small letters, digits and _ only.")
    return name


def names(extra: Path | None = None) -> list[str]:
    """Return the known sources, those of the folder `extra` included."""
    folders = [BUILT_IN, *([extra] if extra else [])]
    return sorted({
        path.name
        for folder in folders
        if folder.is_dir()
        for path in folder.iterdir()
        if _NAME.fullmatch(path.name) and any(path.glob("*.sql"))
    })  # fmt: skip


def find(name: str, extra: Path | None = None) -> Source:
    """Find and read a source adapter; one in `extra` goes before a built-in of the same name.

    Raises
    ------
    UnknownSourceError
        E105 when there is none of this name.
    AdapterError
        E106 with everything that is wrong with it at once.
    """
    candidates = [folder / name for folder in (extra, BUILT_IN) if folder]
    folder = next((path for path in candidates if path.is_dir()), None)
    if not _NAME.fullmatch(name) or folder is None:
        raise UnknownSourceError(f"{name!r}; known: {', '.join(names(extra)) or 'none'}.")
    files = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql"))}
    faults = [*_missing(files), *(f for table, sql in files.items() for f in _faults(table, sql))]
    if faults:
        raise AdapterError(f"Source {name!r}: {'; '.join(faults)}.")
    unordered = Source(name, folder, files)
    return Source(name, folder, {table: files[table] for table in _build_order(unordered)})


def _missing(files: Mapping[str, str]) -> list[str]:
    faults = [f"{table}.sql is missing" for table in MANDATORY if table not in files]
    if not any(f"{family}_holding" in files for family in FAMILIES):
        faults.append(f"a holding table is missing ({', '.join(f'{f}_holding' for f in FAMILIES)})")
    return faults


def _faults(table: str, sql: str) -> list[str]:
    if table not in WORK_TABLES:
        return [f"{table}.sql: no work table has this name"]
    bare = _LITERAL.sub("''", _COMMENT.sub(" ", sql)).strip()
    if not bare:
        return [f"{table}.sql is empty"]
    faults = []
    if not re.match(r"(?i)(select|with)\b", bare):
        faults.append(f"{table}.sql does not start with SELECT or WITH")
    if ";" in bare.rstrip(";").rstrip():
        faults.append(f"{table}.sql holds more than one statement")
    faults += [
        f"{table}.sql: ${{{name}}} is no parameter (known: {', '.join(PARAMETERS)})"
        for name in sorted(set(_PARAMETER.findall(sql)) - set(PARAMETERS))
    ]
    return faults


def _build_order(source: Source) -> list[str]:
    """Return the tables so that each comes after those it reads; else in contract order."""
    rank = {table: position for position, table in enumerate(WORK_TABLES)}
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for table in sorted(source.statements, key=rank.__getitem__):
        needs = source.needs(table)
        if absent := needs - set(source.statements):
            raise AdapterError(
                f"Source {source.name!r}: {table}.sql reads {', '.join(sorted(absent))}, "
                "which the source does not build."
            )
        sorter.add(table, *sorted(needs, key=rank.__getitem__))
    try:
        return list(sorter.static_order())
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise AdapterError(f"Source {source.name!r}: tables read each other: {circle}.") from None
