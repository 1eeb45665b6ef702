"""Weeks of all five DAGs in another order, in other numbers, and with changed inputs.

One bank behind two stacks, so two marts. On the first its weeks run oldest first, and then again
in other orders; on the second they run in another order from the start, and a row of the source
changes. `tests/chain/test_weekly_chain.py` has one week, twice.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from passbook import hive
from passbook.base_date import observation_dates
from passbook.contracts import MART_TABLES, STAGES
from passbook.demo import load
from passbook.embedded.week_runs import await_dags
from tiny_bank import WHOLE_WEEK, TinyBank, start_backfill, tiny_bank

pytestmark = [
    pytest.mark.order, pytest.mark.airflow, pytest.mark.hive, pytest.mark.postgres,
    pytest.mark.timeout(3600),
]  # fmt: skip

WEEKS = 3
CUSTOMERS = 2000
NOT_OFFERED = ("fund_holding",)
"""Work tables of which the bank has none, so that its models are trained sooner."""
PATIENCE = 1800
INGEST, RETRAIN, SEGMENT, RECOMMEND, SCORE = STAGES
SETTINGS = WHOLE_WEEK | {
    # A week's offers depend on those of the week before, and of two weeks before.
    "PASSBOOK_OFFER_COOL_OFF_WEEKS": "1",
    "PASSBOOK_OFFER_OUTCOME_WEEKS": "2",
    # The last week has models of its own.
    "PASSBOOK_RETRAIN_WEEKS": str(WEEKS - 1),
    # So few customers are no proof of fairness, and every week needs scores.
    "PASSBOOK_CREDIT_FAIRNESS_APPROVAL": "the test",
}
FRESH = "No stale weeks.\n"
STALE = re.compile(r"^(\S+) (\w+): (.*)\n    passbook (.*)$", re.MULTILINE)

Publications = dict[tuple[str, date], tuple[Any, ...]]
"""Rows, hash of the content, fingerprints of the inputs and of the code, by table and base date."""


def a_bank(home: Path, folder: Path, source: str) -> AbstractContextManager[TinyBank]:
    """Return a stack for the same bank under a name of its own, with a mart of its own."""
    return tiny_bank(home, folder, source, SETTINGS, customers=CUSTOMERS, without=NOT_OFFERED)


def weeks_of(bank: TinyBank) -> list[date]:
    return [bank.base_date - timedelta(weeks=n) for n in reversed(range(WEEKS))]


def publications(bank: TinyBank) -> Publications:
    """Return the ledger's live rows, after comparing each with what the mart really holds."""
    found = bank.rows(
        "SELECT mart_table, base_date, rows, sha256, inputs_sha256, code_version,"
        " ops.content_hash(mart_table, base_date) FROM ops.publication"
    )
    assert all(row[3] == row[-1] for row in found)
    assert len({row[:2] for row in found}) == len(found)
    return {row[:2]: row[2:6] for row in found}


def changed(before: Publications, after: Publications) -> set[tuple[str, date]]:
    """Return the tables and base dates whose content is another one."""
    assert before.keys() == after.keys()
    return {key for key in before if before[key][1] != after[key][1]}


def at_once(bank: TinyBank, stages: Sequence[str], weeks: Sequence[date], runs: int) -> None:
    """Backfill all weeks of some DAGs at the same time, newest first where the DAG allows it."""
    with bank.api() as api:
        await_dags(api)
        for dag in stages:
            api.pause(dag, paused=False)
            api.await_backfills(dag, patience=PATIENCE)
            start_backfill(api, dag, weeks, max_active_runs=runs, run_backwards=dag != RETRAIN)
        for dag in stages:
            api.await_backfills(dag, patience=PATIENCE)
            found = {run.base_date: run.state for run in api.runs(dag)}
            assert {week: found[week] for week in weeks} == dict.fromkeys(weeks, "success"), dag


@pytest.fixture(scope="module")
def bank(servers_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyBank]:
    """A bank whose weeks have run oldest first."""
    with a_bank(servers_home, tmp_path_factory.mktemp("in-order"), "in_order_test") as found:
        weeks = weeks_of(found)
        found.command("backfill", weeks[0], weeks[-1])
        yield found


@pytest.fixture(scope="module")
def in_order(bank: TinyBank) -> Publications:
    """What was published when the weeks ran oldest first."""
    return publications(bank)


def test_every_table_of_every_week_is_published_and_none_is_stale(
    bank: TinyBank, in_order: Publications
) -> None:
    assert set(in_order) == {(table, week) for table in MART_TABLES for week in weeks_of(bank)}
    assert bank.command("stale") == FRESH
    trained = bank.rows("SELECT DISTINCT base_date FROM ops.model_version ORDER BY 1")
    assert trained == [(weeks_of(bank)[0],), (weeks_of(bank)[-1],)]
    offered_on = "SELECT DISTINCT base_date, offered_on FROM mart.offer_outcome"
    assert bank.rows(offered_on) == [(weeks_of(bank)[-1], weeks_of(bank)[0])]


def test_the_middle_week_alone_changes_nothing(bank: TinyBank, in_order: Publications) -> None:
    middle = weeks_of(bank)[1]
    bank.command("backfill", middle, middle, "--again")
    assert publications(bank) == in_order
    assert bank.command("stale") == FRESH


def test_all_weeks_at_once_and_newest_first_change_nothing(
    bank: TinyBank, in_order: Publications
) -> None:
    at_once(bank, STAGES, weeks_of(bank), WEEKS)
    assert publications(bank) == in_order
    assert bank.command("stale") == FRESH


@pytest.fixture(scope="module")
def other(
    in_order: Publications, servers_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TinyBank]:
    """The same bank with an empty mart, whose weeks are all computed at once, newest first.

    But for the offers; and models go by the weeks before.
    """
    folder = tmp_path_factory.mktemp("other-order")
    with a_bank(servers_home, folder, "other_order_test") as found:
        at_once(found, [stage for stage in STAGES if stage != RECOMMEND], weeks_of(found), WEEKS)
        yield found


def test_weeks_computed_newest_first_from_the_start_are_the_same(
    other: TinyBank, in_order: Publications
) -> None:
    found = publications(other)
    trained = other.rows(
        "SELECT base_date, started_at, finished_at FROM ops.verdict"
        " WHERE stage = %s ORDER BY started_at", RETRAIN,
    )  # fmt: skip
    assert [week for week, _, _ in trained] == weeks_of(other)
    assert all(before[2] <= after[1] for before, after in pairwise(trained))
    offers = {table for table, _ in in_order} - {table for table, _ in found}
    assert "recommendation_list" in offers
    assert found == {key: of for key, of in in_order.items() if key[0] not in offers}
    assert other.command("stale") == FRESH


def test_offers_made_before_those_that_they_go_by_are_stale_until_made_again(
    other: TinyBank, in_order: Publications
) -> None:
    first, second, third = weeks_of(other)
    for week in (first, third, second):
        other.command("backfill", week, week, "--only", RECOMMEND)
    assert changed(in_order, publications(other)) >= {("recommendation_list", third)}
    ((week, stage, reasons, mend),) = stale(other)
    assert (week, stage) == (third, RECOMMEND)
    assert reasons.split("; ") == [
        f"offers of {second} have changed since",
        f"offers to the control group of {second} have changed since",
    ]
    other.command(*mend)
    assert publications(other) == in_order
    assert other.command("stale") == FRESH


def test_a_changed_row_of_the_source_makes_stale_what_depends_on_it_and_nothing_else(
    other: TinyBank, in_order: Publications
) -> None:
    """A customer with offers of the second week wants none any more."""
    _, second, third = weeks_of(other)
    opt_out(other, second)
    other.command("backfill", second, second, "--only", INGEST, "--again")
    assert publications(other) == in_order
    told = {(week, stage): reasons.split("; ") for week, stage, reasons, _ in stale(other)}
    changed_since = "customer has changed since"
    assert set(told) == {(second, stage) for stage in (RETRAIN, SEGMENT, RECOMMEND, SCORE)}
    for stage in (SEGMENT, RECOMMEND, SCORE):
        assert told[second, stage] == [changed_since]
    observed = [f"customer of {day} has changed since" for day in observation_dates(second)]
    assert sorted(told[second, RETRAIN]) == sorted([changed_since, *observed])

    mended = []
    while found := stale(other):
        week, stage, _, mend = found[0]
        assert len(mended) < WEEKS * len(STAGES)
        mended.append((week, stage))
        other.command(*mend)
    assert mended == [
        *((second, stage) for stage in (RETRAIN, SEGMENT, RECOMMEND, SCORE)),
        (third, RECOMMEND),
    ]
    after = publications(other)
    assert {("recommendation_list", second), ("offer_customer", second)} <= changed(in_order, after)
    by_stage = dict(other.rows("SELECT DISTINCT mart_table, stage FROM ops.publication"))
    assert {(by_stage[table], week) for table, week in changed(in_order, after)} == {
        (RECOMMEND, second), (RECOMMEND, third),
    }  # fmt: skip
    assert other.command("stale") == FRESH


def stale(bank: TinyBank) -> list[tuple[date, str, str, list[str]]]:
    """Return week, stage, reasons and the command that mends it, as ``passbook stale`` tells."""
    told = bank.command("stale", status=None)
    found = STALE.findall(told)
    weeks = len({week for week, *_ in found})
    assert told.splitlines()[-1] == (FRESH.strip() if not weeks else f"{weeks} stale week."
                                     if weeks == 1 else f"{weeks} stale weeks.")  # fmt: skip
    return [(date.fromisoformat(w), stage, why, mend.split()) for w, stage, why, mend in found]


def opt_out(bank: TinyBank, week: date) -> None:
    """Change a customer's row in the bank's own table: one who is offered something that week."""
    ((customer,),) = bank.rows(
        "SELECT min(customer_id) FROM mart.recommendation_list WHERE base_date = %s", week
    )
    folder = bank.files / "tables" / "customer_master"
    rows = pq.read_table(folder)
    theirs = pc.equal(rows["cust_no"], customer)
    assert pc.sum(theirs).as_py() == 1
    place = rows.schema.get_field_index("mktg_rfs_yn")
    wanted = pc.if_else(theirs, "Y", rows["mktg_rfs_yn"])
    assert not rows["mktg_rfs_yn"].equals(wanted)
    rows = rows.set_column(place, rows.schema.field(place), wanted)
    shutil.rmtree(folder)
    folder.mkdir()
    pq.write_table(rows, folder / "changed.parquet")
    with hive.connect(bank.stack.hive.url) as connection:
        load.register(connection, bank.files, bank.stack.source)
