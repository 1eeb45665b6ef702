"""``passbook summary``: what a published week says, to read in a terminal.

It reads the mart as any analyst can; the ledger's drift it reads as the loader.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing
from datetime import date
from itertools import groupby
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from passbook import mart, settings
from passbook.base_date import parse_base_date
from passbook.contracts import STAGES
from passbook.errors import InputError
from passbook.steps.stage import mart_url

CUSTOMERS = 3
BAR = 40
INDEX_STEP = 25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--base-date", help="A Sunday (default: the newest published week).")
    parser.add_argument(
        "--customers", type=int, default=CUSTOMERS, help="How many customers to show as examples."
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the summary of a published week."""
    with closing(mart.connect(mart_url(settings.load()))) as connection:
        wanted = arguments.base_date
        base_date = parse_base_date(wanted) if wanted else newest_week(connection)
        print_week(Console(), connection, base_date, customers=arguments.customers)
    return 0


def newest_week(connection: Connection) -> date:
    """Return the newest base date that a stage has a verdict for.

    Raises
    ------
    InputError
        E803 when there is none.
    """
    ((newest,),) = _rows(connection, "SELECT max(base_date) FROM mart.verdict")
    if newest is None:
        raise InputError("No stage has run yet. Run `make demo`, or a DAG in Airflow.")
    return date.fromisoformat(str(newest))


def print_week(
    console: Console, connection: Connection, base_date: date, *, customers: int = CUSTOMERS
) -> None:
    """Print verdicts, segments, leaderboard, examples, credit index and drift of a base date."""
    console.rule(f"[bold]Week of {base_date}")
    parts = (
        verdicts(connection, base_date),
        segments(connection, base_date),
        leaderboard(connection, base_date),
        examples(connection, base_date, customers),
        exclusions(connection, base_date),
        credit_index(connection, base_date),
        drift(connection, base_date),
    )
    for part in parts:
        if part is not None:
            console.print(part)


def verdicts(connection: Connection, base_date: date) -> Table:
    """Tell what each stage came to."""
    found = _rows(
        connection,
        "SELECT stage, verdict, code, reason, finished_at - started_at FROM mart.verdict"
        " WHERE base_date = %s",
        base_date,
    )
    by_stage = {row[0]: row[1:] for row in found}
    table = _table("Stages", "stage", "verdict", "seconds", "reason")
    for stage in STAGES:
        verdict, code, reason, took = by_stage.get(stage, ("has not run", "", "", None))
        colour = {"pass": "green", "reject": "red"}.get(verdict, "yellow")
        seconds = f"{took.total_seconds():.0f}" if took else ""
        said = reason if not code or str(reason).startswith(code) else f"{code} {reason}"
        table.add_row(stage, f"[{colour}]{verdict}", seconds, Text(said or ""))
    return table


def segments(connection: Connection, base_date: date) -> Table | None:
    """Name the segments, how many customers they have, and what makes them."""
    found = _rows(
        connection,
        "SELECT family, segment, customers, share, name FROM mart.segment"
        " WHERE base_date = %s ORDER BY family, segment",
        base_date,
    )
    table = _table("Segments", "family", "segment", "customers", "share", "what makes it")
    for family, segment, customers, share, name in found:
        table.add_row(family, str(segment), f"{customers:,}", f"{share:.1%}", Text(name))
    return table if found else None


def leaderboard(connection: Connection, base_date: date) -> Group | None:
    """Rank the recommenders of each scenario on the holdout month; the published one is marked."""
    found = _rows(
        connection,
        "SELECT model, recommender, customers, hit_rate_1, hit_rate_3, hit_rate_5, mrr_1, mrr_3,"
        " mrr_5, ndcg_1, ndcg_3, ndcg_5, champion FROM mart.leaderboard WHERE base_date = %s"
        " ORDER BY model, mrr DESC, recommender",
        base_date,
    )
    boards = [_board(model, list(rows)) for model, rows in groupby(found, key=lambda row: row[0])]
    return Group(*boards) if boards else None


def _board(model: str, rows: Sequence[tuple[Any, ...]]) -> Table:
    measures = [f"{name}\n@{k}" for name in ("HR", "MRR", "NDCG") for k in (1, 3, 5)]
    scenario = model.removeprefix("recommend.")
    title = f"Leaderboard of {scenario}: {rows[0][2]:,} buyers in the holdout month (●: published)"
    table = _table(title, "recommender", *measures)
    for _, recommender, _, *values, champion in rows:
        figures = ["–" if value is None else f"{value:.3f}".lstrip("0") for value in values]
        name = f"● {recommender}" if champion else f"  {recommender}"
        table.add_row(Text(name, style="green" if champion else ""), *figures)
    return table


def examples(connection: Connection, base_date: date, count: int) -> Table | None:
    """Show a few customers with the most scenarios: the best offers and why."""
    found = _rows(
        connection,
        "WITH chosen AS (SELECT customer_id FROM mart.recommendation_list WHERE base_date = %(day)s"
        " GROUP BY customer_id ORDER BY count(*) DESC, md5(customer_id) LIMIT %(count)s)"
        " SELECT customer_id, scenario, rank, product_name,"
        " array_to_string(reasons, ', '), array_to_string(reasons_ko, ', ')"
        " FROM mart.product_recommendation JOIN chosen USING (customer_id)"
        " WHERE base_date = %(day)s AND rank <= 2 ORDER BY customer_id, scenario, rank",
        {"day": base_date, "count": count},
    )
    columns = ("customer", "scenario", "", "product", "why", "이유")
    table = _table("A few customers' offers", *columns)
    for customer, rows in groupby(found, key=lambda row: row[0]):
        table.add_section()
        for place, (_, scenario, rank, product, reasons, reasons_ko) in enumerate(rows):
            texts = (Text(text or "") for text in (product, reasons, reasons_ko))
            table.add_row(Text(customer if place == 0 else ""), scenario, str(rank), *texts)
    return table if found else None


def exclusions(connection: Connection, base_date: date) -> Table | None:
    """Tell what the hard rules kept from customers."""
    found = _rows(
        connection,
        "SELECT rule, sum(customers), sum(products) FROM mart.offer_exclusion"
        " WHERE base_date = %s GROUP BY rule HAVING sum(products) > 0 ORDER BY 3 DESC",
        base_date,
    )
    table = _table("Kept from customers, over all scenarios", "rule", "customers", "products")
    for rule, customers, products in found:
        table.add_row(rule, f"{customers:,}", f"{products:,}")
    return table if found else None


def credit_index(connection: Connection, base_date: date) -> Text:
    """Draw how the credit index is distributed."""
    found = _rows(
        connection,
        f"SELECT credit_index / {INDEX_STEP} * {INDEX_STEP} AS low, count(*)"  # noqa: S608
        " FROM mart.credit_score WHERE base_date = %s GROUP BY low ORDER BY low",
        base_date,
    )
    if not found:
        return Text("Credit index: none, this source offers no behaviour and outcomes.")
    counts = dict(found)
    highest = max(counts.values())
    picture = Text("Credit index\n", style="bold")
    for low in range(min(counts), max(counts) + 1, INDEX_STEP):
        count = counts.get(low, 0)
        bar = "█" * round(BAR * count / highest) or ("▏" if count else "")
        picture.append(f"{low:4}–{low + INDEX_STEP - 1:<4} {bar:<{BAR}} {count:>9,}\n", style="")
    return picture


def drift(connection: Connection, base_date: date) -> Table | Text:
    """Say whether the work tables have moved away from what the champions learnt on."""
    found = _rows(
        connection,
        "SELECT model, count(*), count(*) FILTER (WHERE drifted), max(psi),"
        " (array_agg(feature ORDER BY psi DESC NULLS LAST))[1]"
        " FROM ops.drift WHERE base_date = %s GROUP BY model ORDER BY model",
        base_date,
    )
    if not found:
        return Text("Drift: nothing to compare with, no champion was in force before this week.")
    table = _table("Drift", "model", "features", "drifted", "largest PSI", "feature", "verdict")
    for model, features, drifted, psi, feature in found:
        verdict = "[red]drift" if drifted else "[green]no drift"
        figure = "–" if psi is None else f"{psi:.3f}"
        table.add_row(model, str(features), str(drifted), figure, feature, verdict)
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _rows(connection: Connection, query: str, *parameters: Any) -> Sequence[tuple[Any, ...]]:
    values = parameters[0] if parameters and isinstance(parameters[0], dict) else parameters
    with connection, connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())
