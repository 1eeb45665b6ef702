"""``passbook source``: list, begin, check and explain the source adapters; load CSV files."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

from passbook import base_date, hive, settings, source_template, sources
from passbook.demo import csv_tables
from passbook.errors import SettingsError
from passbook.steps.check_source import ColumnCheck, TableCheck, check_source, source_faults
from passbook.steps.explain_source import explain_source
from passbook.steps.stage import hive_url

FAULTY = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what can be done with sources."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="Name each source and the work tables it offers.")
    listing.set_defaults(action=list_sources)
    new = actions.add_parser("new", help="Write a commented SELECT per work table to fill in.")
    new.add_argument("name", metavar="NAME")
    new.set_defaults(action=new_source)
    load = actions.add_parser("load", help="Register CSV files as Hive tables of the source.")
    load.add_argument("name", metavar="NAME")
    load.add_argument("files", metavar="FILE", type=Path, nargs="+")
    load.add_argument(
        "--encoding",
        default="utf8",
        help="How the files are written, such as cp949 (default: utf8).",
    )
    load.add_argument(
        "--delimiter",
        default=",",
        type=_delimiter,
        help="The sign between fields, or the word tab (default: a comma).",
    )
    load.set_defaults(action=load_csv_files)
    check = actions.add_parser("check", help="Run each SELECT in Hive and tell every fault.")
    explain = actions.add_parser("explain", help="Show what Hive will scan for each SELECT.")
    for action, function in ((check, check_in_hive), (explain, explain_in_hive)):
        action.add_argument("name", metavar="NAME")
        action.add_argument(
            "--base-date", metavar="DATE", help="A Sunday; without it the newest that is scheduled."
        )
        action.add_argument(
            "--database", help="Hive database of the bank's tables; without it the source's name."
        )
        action.set_defaults(action=function)
    explain.add_argument("--plan", action="store_true", help="Print Hive's plans as well.")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    return int(arguments.action(arguments))


def list_sources(_arguments: argparse.Namespace) -> int:
    """Print a line a source."""
    extra = settings.load().sources
    for name in sources.names(extra):
        print(f"{name:24} {', '.join(sources.find(name, extra).tables)}")
    return 0


def new_source(arguments: argparse.Namespace) -> int:
    """Write the files of a new adapter into the folder of adapters outside the repository."""
    folder = settings.load().sources
    if folder is None:
        raise SettingsError("PASSBOOK_SOURCES names no folder for adapters.")
    sources.check_name(arguments.name)
    for path in source_template.write(folder / arguments.name):
        print(path)
    return 0


def load_csv_files(arguments: argparse.Namespace) -> int:
    """Make each CSV file a table of the bank's database, named after the file."""
    loaded = settings.load()
    database = loaded.source_database or sources.check_name(arguments.name)
    folder = loaded.home / arguments.name / "tables"
    with hive.connect(hive_url(loaded)) as connection:
        for file in arguments.files:
            table = csv_tables.load_csv(
                connection,
                file,
                folder,
                database,
                encoding=arguments.encoding,
                delimiter=arguments.delimiter,
            )
            print(f"{table.name}: {table.rows:,} rows")
            for column, kind in table.columns.items():
                print(f"  {column:24} {kind}")
    return 0


def _delimiter(given: str) -> str:
    sign = "\t" if given == "tab" else given
    if len(sign) != 1:
        raise argparse.ArgumentTypeError("one sign, or tab")
    return sign


def check_in_hive(arguments: argparse.Namespace) -> int:
    """Print what each SELECT gives; exit status 1 when any breaks its contract or a rule."""
    loaded, source, day = _chosen(arguments)
    database = arguments.database or loaded.source_database or source.name
    checks: list[TableCheck] = []
    with hive.connect(hive_url(loaded)) as connection:
        for checked in check_source(connection, source, day, database):
            print(report(checked), flush=True)
            checks.append(checked)
    faults = source_faults(checks)
    told = f"{len(faults)} fault{'s' * (len(faults) > 1)}" if faults else "sound"
    print(f"\n{source.name} for {day}: {told}")
    for fault in faults:
        print(f"  {fault}")
    return FAULTY if faults else 0


def explain_in_hive(arguments: argparse.Namespace) -> int:
    """Print what each SELECT scans and, if asked for, Hive's plan."""
    loaded, source, day = _chosen(arguments)
    database = arguments.database or loaded.source_database or source.name
    with hive.connect(hive_url(loaded)) as connection:
        for table, scans, plan in explain_source(connection, source, day, database):
            print(f"{table} reads", *scans, sep="\n  ", flush=True)
            if arguments.plan:
                print(plan)
    return 0


def _chosen(arguments: argparse.Namespace) -> tuple[settings.Settings, sources.Source, date]:
    loaded = settings.load()
    source = sources.find(arguments.name, loaded.sources)
    given = arguments.base_date
    newest = base_date.newest_base_date(until=settings.schedule_until(source.name))
    day = base_date.parse_base_date(given) if given else newest
    return loaded, source, day


def report(checked: TableCheck) -> str:
    """Return a table check as text: a line a column."""
    rows = "unknown" if checked.rows is None else f"{checked.rows:,}"
    lines = [f"\n{checked.table} ({rows} rows)"]
    form = "  {:22} {:8} {:16} {:>10} {:>10} {:>18} {:>18}  {}"
    lines.append(
        form.format(
            "column", "contract", "found", "nulls", "distinct", "smallest", "largest", "verdict"
        )
    )
    for c in checked.columns:
        nulls, distinct = ("" if n is None else f"{n:,}" for n in (c.nulls, c.distinct))
        verdict = ", ".join(c.broken) or ("ok" if c.nulls is not None else _unfit(c))
        shown = (c.smallest[:18], c.largest[:18])
        lines.append(form.format(c.name, c.wanted, c.found, nulls, distinct, *shown, verdict))
    lines += [f"  fault: {fault}" for fault in checked.faults]
    lines += [f"  warning: {warning}" for warning in checked.warnings]
    return "\n".join(lines)


def _unfit(column: ColumnCheck) -> str:
    """Return why a column has no figures."""
    if column.found in {"absent", "missing"}:
        return column.found
    return "type" if column.found != column.wanted else ""
