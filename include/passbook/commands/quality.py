"""``passbook quality``: what the rules came to on a base date; let a broken one pass."""

from __future__ import annotations

import argparse
import getpass
from contextlib import closing
from datetime import date, datetime, time, timedelta

from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import ledger, ledger_quality, mart, settings
from passbook.base_date import BANK_TIMEZONE, newest_base_date, now, parse_base_date
from passbook.commands import options
from passbook.commands.terminal import print_table
from passbook.contracts import STAGES, WORK_TABLES
from passbook.errors import InputError
from passbook.ledger_quality import Override, Result
from passbook.quality.history import overridable_rules
from passbook.steps.stage import mart_url

REJECTED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what can be done about quality."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser(
        "show", help="The broken rules of a base date: how many rows, what an example looks like."
    )
    show.add_argument(
        "--base-date", metavar="DATE", help="a Sunday (default: the newest scheduled)"
    )
    show.add_argument("--all", action="store_true", help="the rules that held, too")
    show.set_defaults(action=_show)
    override = actions.add_parser(
        "override", help="Let a broken rule pass for one base date, until a day, for a reason."
    )
    override.add_argument("base_date", metavar="DATE")
    override.add_argument("work_table", metavar="TABLE", choices=tuple(WORK_TABLES))
    override.add_argument("rule", metavar="RULE", help="as `quality show` names it")
    override.add_argument("--reason", required=True, help="kept in the ledger")
    override.add_argument(
        "--until",
        metavar="DAY",
        required=True,
        type=options.day,
        help="last day on which a run honours it; a past day ends an override",
    )
    override.set_defaults(action=_override)


def run(arguments: argparse.Namespace) -> int:
    """Do it on the mart of the settings, or of Airflow's connection."""
    with closing(mart.connect(mart_url(settings.load()))) as connection:
        return int(arguments.action(connection, arguments))


def _show(connection: Connection, arguments: argparse.Namespace) -> int:
    """Print a base date's results; exit status 1 when it was rejected."""
    given = arguments.base_date
    day = parse_base_date(given) if given else _newest()
    found = ledger_quality.results(connection, day)
    verdict = ledger.latest_verdict(connection, STAGES[0], day)
    if verdict is None or not found:
        raise InputError(f"No rule was checked for {day}: name a week's --base-date.")
    told = f" ({verdict.code}: {verdict.reason})" if verdict.code else ""
    print(f"{day}: {verdict.verdict}{told}")
    broken = [result for result in found if not result.passed]
    print_table(
        ("work table", "rule", "severity", "broken by", "of rows", "for example"),
        (_line(result) for result in (found if arguments.all else broken)),
    )
    print(f"{len(found)} rules, {len(broken)} of them broken.")
    for override in ledger_quality.overrides(connection, day):
        print(_told(override))
    for result in broken:
        if result.rule in overridable_rules(result.work_table) and result.severity == "fail":
            print(f"{result.work_table} {result.rule} can be overridden: passbook quality override")
    return REJECTED if verdict.verdict == "reject" else 0


def _newest() -> date:
    return newest_base_date(until=settings.load().schedule_until)


def _line(result: Result) -> tuple[str, ...]:
    severity = "overridden" if result.overridden else result.severity
    counts = (f"{result.unexpected:,}", f"{result.rows:,}")
    return (result.work_table, result.rule, severity, *counts, result.example_shape)


def _told(override: Override) -> str:
    until = f"{override.expires_at.astimezone(BANK_TIMEZONE) - timedelta(microseconds=1):%Y-%m-%d}"
    state = "in force" if override.in_force else "no longer in force"
    return (
        f"Override of {override.work_table} {override.rule}, {state}: until {until}, "
        f"by {override.made_by} on {override.made_at:%Y-%m-%d}: {override.reason}"
    )


def _override(connection: Connection, arguments: argparse.Namespace) -> int:
    """Record the override; the ingest run that follows honours it."""
    day, table, rule = parse_base_date(arguments.base_date), arguments.work_table, arguments.rule
    known = overridable_rules(table)
    if rule not in known:
        raise InputError(
            f"{table} {rule} cannot be overridden; of this table can: {', '.join(known)}."
        )
    expires_at = datetime.combine(arguments.until + timedelta(days=1), time(), BANK_TIMEZONE)
    ledger_quality.add_override(
        connection,
        day,
        table,
        rule,
        reason=arguments.reason,
        expires_at=expires_at,
        made_by=getpass.getuser(),
    )
    if expires_at <= now():
        print(f"{table} {rule} is no longer overridden for {day}.")
    else:
        print(
            f"{table} {rule} may be broken for {day}, by a run up to {arguments.until}. "
            "Clear the run's failed task now."
        )
    return 0
