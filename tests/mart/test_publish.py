"""Publishing on a real Postgres: whole weeks, fenced writers, undisturbed readers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import ledger, mart
from passbook.errors import (
    AuditError,
    InputError,
    MartBusyError,
    ProofError,
    StaleWriterError,
)

from .weeks import BASE_DATE, addressees, batch, explanation, offer_week, products, rows, segments

pytestmark = pytest.mark.postgres

STAGE = "recommend_products"
INPUTS = {"work.customer": "1f", "model.recommend.up_sell.deposit": "2022-12-04-abc"}


NEXT_DAY = BASE_DATE + timedelta(days=1)


def terms(**columns: list[Any]) -> pa.RecordBatch:
    """Return the products A and B with some of their terms."""
    known = {"family": ["deposit"] * 2, **columns}
    starts = [start or date(2000, 1, 1) for start in known.pop("sale_start", [None, None])]
    return batch("product", product_code=["A", "B"], sale_start=starts, **known)


@pytest.fixture
def fence(loader: Connection) -> ledger.Fence:
    return ledger.begin_stage(loader, STAGE, BASE_DATE, "run")


def test_a_week_is_published_whole(
    loader: Connection, analyst: Connection, fence: ledger.Fence
) -> None:
    tables = offer_week(["1", "2"], [["B", "A"], ["A"]], sold=("A", "B"))
    master, _, _, listed = mart.publish(loader, fence, tables, inputs=INPUTS)
    assert (listed.table, listed.base_date, listed.rows) == ("recommendation_list", BASE_DATE, 2)
    assert (master.table, master.rows) == ("product", 2)
    found = rows(
        analyst,
        """SELECT customer_id, rank, product_code, product_name, model, reason, reasons_ko
           FROM mart.product_recommendation WHERE base_date = %s ORDER BY 1, 2""",
        BASE_DATE,
    )
    assert found == [
        ("1", 1, "B", "우체국 B", "popularity", "Popular", ["인기 상품"]),
        ("1", 2, "A", "우체국 A", "popularity", "Popular", ["인기 상품"]),
        ("2", 1, "A", "우체국 A", "popularity", "Popular", ["인기 상품"]),
    ]
    record = rows(
        analyst,
        """SELECT rows, sha256, inputs, run_id, length(inputs_sha256), code_version
           FROM mart.publication WHERE mart_table = 'recommendation_list' AND base_date = %s""",
        BASE_DATE,
    )
    assert record[0][:5] == (2, listed.sha256, INPUTS, "run", 64)
    assert record[0][5].startswith("0.1.0+")


def test_the_hash_is_what_sql_computes_from_the_rows(
    loader: Connection, analyst: Connection, fence: ledger.Fence
) -> None:
    """Over several blocks and every type of the mart, with nulls, empty lists and Korean."""
    rng = np.random.default_rng(1)
    count = 70_000
    ids = [f"고객{n:07d}" for n in range(count)]
    customers = batch(
        "customer_segment",
        customer_id=ids,
        deposit_segment=[None if n % 3 else n % 7 for n in range(count)],
        deposit_distance=pa.array(rng.random(count), pa.float32()).to_pylist(),
        balance_band=[n % 6 for n in range(count)],
    )
    scores = batch(
        "credit_score",
        customer_id=ids[:1000],
        style=["loose_passive"] * 1000,
        style_probability=list(rng.random(1000)),
        default_probability=list(10.0 ** rng.integers(-300, 0, 1000)),
        credit_index=list(rng.integers(300, 851, 1000)),
        band=["A"] * 1000,
        reasons=[["잔액 변동", ""][: n % 3] for n in range(1000)],
    )
    names = batch(
        "segment", family=["deposit"], segment=[0], name=["적립형"], customers=[7], share=[0.1],
        profile=["{}"], name_ko=["적립형"], description=["x"], description_ko=["x"],
    )  # fmt: skip
    lists = [["A", "B"][: n % 3] for n in range(500)]
    tables = {
        "customer_segment": [customers.slice(0, 9), customers.slice(9)],
        "credit_score": [scores],
        "segment": [names],
        **offer_week(ids[:500], lists, score=0.1),
    }
    published = mart.publish(loader, fence, tables, inputs=INPUTS)
    for one in published:
        assert rows(analyst, "SELECT ops.content_hash(%s, %s)", one.table, BASE_DATE) == [
            (one.sha256,)
        ]


def test_one_changed_value_changes_the_hash(loader: Connection, fence: ledger.Fence) -> None:
    hashes = set()
    for bands in ([1, 2, None], [1, 3, None], [1, None, 2], [1, 2]):
        (done,) = mart.publish(loader, fence, {"customer_segment": [segments(bands)]}, inputs={})
        hashes.add(done.sha256)
    assert len(hashes) == 4


def test_the_same_content_stays_where_it_is(
    loader: Connection, analyst: Connection, fence: ledger.Fence
) -> None:
    query = """SELECT customer_segment.tableoid::regclass::text, sha256, published_at
               FROM mart.customer_segment JOIN mart.publication USING (base_date)
               WHERE mart_table = 'customer_segment' AND base_date = %s LIMIT 1"""
    week = {"customer_segment": [segments([4, 5])]}
    first = mart.publish(loader, fence, week, inputs={"a": "1"})
    before = rows(analyst, query, BASE_DATE)
    again = ledger.begin_stage(loader, STAGE, BASE_DATE, "second run")
    assert mart.publish(loader, again, week, inputs={"a": "2"}) == first
    assert rows(analyst, query, BASE_DATE) == before
    record = rows(
        analyst,
        "SELECT run_id, inputs FROM mart.publication"
        " WHERE mart_table = 'customer_segment' AND base_date = %s",
        BASE_DATE,
    )
    assert record == [("second run", {"a": "2"})]


def test_a_rerun_replaces_only_its_base_date(loader: Connection, analyst: Connection) -> None:
    other = BASE_DATE - timedelta(weeks=1)
    for day, bands in ((other, [1, 1]), (BASE_DATE, [2]), (BASE_DATE, [3, 3, 3])):
        fence = ledger.begin_stage(loader, STAGE, day, "run")
        mart.publish(loader, fence, {"customer_segment": [segments(bands, day)]}, inputs={})
    found = rows(
        analyst,
        """SELECT base_date, count(*), max(balance_band) FROM mart.customer_segment
           WHERE base_date IN (%s, %s) GROUP BY 1 ORDER BY 1""",
        other,
        BASE_DATE,
    )
    assert found == [(other, 2, 1), (BASE_DATE, 3, 3)]


def test_an_empty_table_is_published_as_such(
    loader: Connection, analyst: Connection, fence: ledger.Fence
) -> None:
    (done,) = mart.publish(loader, fence, {"segment": []}, inputs={})
    assert done.rows == 0
    assert rows(analyst, "SELECT ops.content_hash('segment', %s)", BASE_DATE) == [(done.sha256,)]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"product": [products("A")]}, "1 of an unknown product"),
        ({"product": [products("A", "B", on_sale=False)]}, "2 discontinued"),
        ({"product": [terms(sale_start=[None, NEXT_DAY])]}, "1 not yet sold"),
        ({"product": [terms(min_age=[None, 41])]}, "1 below the age limit"),
        ({"product": [terms(max_age=[39, None])]}, "1 above the age limit"),
        ({"product": [terms(customer_type=["business", None])]}, "1 not for this customer type"),
        ({"product": [terms(family=["deposit", "fund"])]}, "1 of another family"),
        ({"offer_customer": [addressees(["2"])]}, "2 of an unknown customer"),
        ({"offer_customer": [addressees(["1"], bought=[["C", "A"]])]}, "1 bought before"),
        ({"offer_customer": [addressees(["1"], opted_out=[True])]}, "2 to a customer who opted"),
        ({"offer_customer": [addressees(["1"], control_group=[True])]}, "2 to the control group"),
        (
            {
                "offer_customer": [addressees(["1"], age=[None])],
                "product": [terms(max_age=[39, None])],
            },
            "1 above the age limit",
        ),
    ],
)
def test_offers_that_break_a_hard_rule_are_refused_whole(
    loader: Connection,
    analyst: Connection,
    fence: ledger.Fence,
    fault: dict[str, list[pa.RecordBatch]],
    sentence: str,
) -> None:
    before = rows(analyst, "SELECT * FROM mart.publication ORDER BY 1, 2")
    tables = {**offer_week(["1"], [["A", "B"]]), **fault}
    with pytest.raises(ProofError, match=f"E708.*{sentence}"):
        mart.publish(loader, fence, tables, inputs=INPUTS)
    assert rows(analyst, "SELECT * FROM mart.publication ORDER BY 1, 2") == before


def test_offers_of_what_the_customer_was_offered_of_late_are_refused(
    loader: Connection, fence: ledger.Fence
) -> None:
    """A week counts while it is the one that was read: published anew, it makes this one stale."""
    day = BASE_DATE - timedelta(weeks=3)
    before = ledger.begin_stage(loader, STAGE, day, "run")
    weeks = offer_week(["1", "2"], [["A"], ["B"]], base_date=day)
    *_, offered = mart.publish(loader, before, weeks, inputs=INPUTS)
    again, read = offer_week(["1", "2"], [["B", "A"], ["A"]]), f"recommendation_list {day}"
    with pytest.raises(ProofError, match=r"E708.*: 1 offered of late"):
        mart.publish(loader, fence, again, inputs={read: offered.sha256}, cool_off_weeks=3)
    for sha256, weeks_of_rest in ((offered.sha256, 2), ("another", 3)):
        mart.publish(loader, fence, again, inputs={read: sha256}, cool_off_weeks=weeks_of_rest)


def test_offers_at_the_limits_themselves_are_published(
    loader: Connection, fence: ledger.Fence
) -> None:
    tables = offer_week(["1"], [["A", "B"]]) | {
        "offer_customer": [addressees(["1"], age=[40], customer_type=["개인"])],
        "product": [terms(min_age=[40, 19], max_age=[40, 65], customer_type=["개인", None])],
    }
    assert {done.table for done in mart.publish(loader, fence, tables, inputs=INPUTS)} == set(
        tables
    )


def test_offers_whose_explanation_is_not_told_are_refused(
    loader: Connection, fence: ledger.Fence
) -> None:
    told = explanation()
    other = told.set_column(1, told.schema.field(1), pa.array([7], pa.int32()))
    tables = offer_week(["1"], [["A"]]) | {"explanation": [other]}
    with pytest.raises(AuditError, match="1 explanations of recommendation_list are not told"):
        mart.publish(loader, fence, tables, inputs=INPUTS)


def test_a_bad_last_row_leaves_everything_as_it_was(
    loader: Connection, analyst: Connection, fence: ledger.Fence
) -> None:
    mart.publish(loader, fence, {"customer_segment": [segments([1, 2])]}, inputs={})
    before = rows(analyst, "SELECT * FROM mart.publication ORDER BY 1, 2")
    for bad in (segments([5] * 99_999 + [6]), pa.concat_batches([segments([5]), segments([5])])):
        with pytest.raises(AuditError):
            mart.publish(loader, fence, {"customer_segment": [bad]}, inputs={})
    assert rows(analyst, "SELECT * FROM mart.publication ORDER BY 1, 2") == before
    assert rows(analyst, "SELECT count(*) FROM mart.customer_segment WHERE base_date = %s",
                BASE_DATE) == [(2,)]  # fmt: skip


def test_no_message_quotes_a_customer(loader: Connection, fence: ledger.Fence) -> None:
    secret = "C-7788\0"
    with pytest.raises(AuditError) as caught:
        mart.publish(
            loader,
            fence,
            {"customer_segment": [batch("customer_segment", customer_id=[secret])]},
            inputs={},
        )
    assert "7788" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_an_unknown_table_is_refused(loader: Connection, fence: ledger.Fence) -> None:
    with pytest.raises(InputError, match="no table customers"):
        mart.publish(loader, fence, {"customers": []}, inputs={})


def test_a_stale_writer_is_fenced_before_it_starts(loader: Connection, fence: ledger.Fence) -> None:
    ledger.begin_stage(loader, STAGE, BASE_DATE, "newer run")
    with pytest.raises(StaleWriterError, match=f"{STAGE} for {BASE_DATE}"):
        mart.publish(loader, fence, {"customer_segment": [segments([1])]}, inputs={})


def test_a_writer_overtaken_while_it_writes_publishes_nothing(
    loader: Connection, analyst: Connection, addresses: mart.Addresses
) -> None:
    """A newer run begins, and ends, while the older one is in the middle of its COPY."""
    older = ledger.begin_stage(loader, STAGE, BASE_DATE, "older run")
    newer: list[mart.Publication] = []

    def overtaken() -> Iterator[pa.RecordBatch]:
        yield segments([1, 1])
        with closing(mart.connect(addresses.loader)) as other:
            fence = ledger.begin_stage(other, STAGE, BASE_DATE, "newer run")
            week = {"customer_segment": [segments([5, 5, 5])]}
            newer.extend(mart.publish(other, fence, week, inputs={}))

    with pytest.raises(StaleWriterError):
        mart.publish(loader, older, {"customer_segment": overtaken()}, inputs={})
    found = rows(
        analyst,
        """SELECT rows, sha256, run_id FROM mart.publication
           WHERE mart_table = 'customer_segment' AND base_date = %s""",
        BASE_DATE,
    )
    assert found == [(3, newer[0].sha256, "newer run")]


def test_readers_see_one_week_or_the_other(
    loader: Connection, analyst: Connection, addresses: mart.Addresses
) -> None:
    """Two tables change together fifty times under readers in both isolation levels."""
    day = date(2022, 11, 6)
    stop = threading.Event()
    seen: list[set[tuple[int, int, int]]] = [set(), set()]
    faults: list[BaseException] = []

    def read(place: int, isolation: str) -> None:
        try:
            with closing(mart.connect(addresses.analyst, check_migration=False)) as connection:
                connection.set_session(isolation_level=isolation)
                while not stop.is_set():
                    with connection, connection.cursor() as cursor:
                        cursor.execute(
                            "SELECT count(*), max(balance_band) FROM mart.customer_segment"
                            " WHERE base_date = %s", (day,))  # fmt: skip
                        count, band = cursor.fetchone() or (0, 0)
                        if isolation == "REPEATABLE READ":
                            cursor.execute("SELECT max(segment) FROM mart.segment"
                                           " WHERE base_date = %s", (day,))  # fmt: skip
                            (segment,) = cursor.fetchone() or (0,)
                        else:
                            cursor.execute(
                                """SELECT count(*), max(balance_band), max(segment)
                                   FROM mart.customer_segment c JOIN mart.segment s
                                   USING (base_date) WHERE base_date = %s""", (day,))  # fmt: skip
                            count, band, segment = cursor.fetchone() or (0, 0, 0)
                    seen[place].add((count, band, segment))
        except BaseException as fault:
            faults.append(fault)

    def week(generation: int) -> None:
        band = generation % 2 + 1
        name = batch("segment", day, family=["deposit"], segment=[band], name=["x"],
                     customers=[1], share=[1.0], profile=["{}"], name_ko=["x"],
                     description=["x"], description_ko=["x"])  # fmt: skip
        fence = ledger.begin_stage(loader, "segment_customers", day, f"run {generation}")
        tables = {"customer_segment": [segments([band] * 100 * band, day)], "segment": [name]}
        mart.publish(loader, fence, tables, inputs={})

    week(0)
    levels = ("READ COMMITTED", "REPEATABLE READ")
    readers = [threading.Thread(target=read, args=pair) for pair in enumerate(levels)]
    for reader in readers:
        reader.start()
    for generation in range(1, 51):
        week(generation)
    stop.set()
    for reader in readers:
        reader.join()
    assert not faults
    assert seen[0] | seen[1] <= {(100, 1, 1), (200, 2, 2)}
    assert rows(analyst, "SELECT count(*) FROM mart.customer_segment WHERE base_date = %s", day)


def test_an_analysts_lock_makes_the_mart_busy_and_blocks_no_other_reader(
    loader: Connection, analyst: Connection, addresses: mart.Addresses
) -> None:
    fence = ledger.begin_stage(loader, STAGE, BASE_DATE, "run")
    mart.publish(loader, fence, {"customer_segment": [segments([1])]}, inputs={})
    with closing(mart.connect(addresses.analyst, check_migration=False)) as holder:
        with holder.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM mart.customer_segment")
        with pytest.raises(MartBusyError):
            mart.publish(
                loader,
                fence,
                {"customer_segment": [segments([2])]},
                inputs={},
                lock_timeout_seconds=0.5,
            )
        assert rows(analyst, "SELECT max(balance_band) FROM mart.customer_segment"
                    " WHERE base_date = %s", BASE_DATE) == [(1,)]  # fmt: skip
        release = threading.Timer(1.0, holder.rollback)
        release.start()
        mart.publish(loader, fence, {"customer_segment": [segments([2])]}, inputs={})
        release.join()
    assert rows(analyst, "SELECT max(balance_band) FROM mart.customer_segment"
                " WHERE base_date = %s", BASE_DATE) == [(2,)]  # fmt: skip


def test_nothing_stays_in_stage_but_the_newest_replaced_contents(
    loader: Connection, postgres_database: str
) -> None:
    day = date(2022, 10, 2)
    for band in (0, 1, 2, 3, 4, 3):
        fence = ledger.begin_stage(loader, STAGE, day, "run")
        mart.publish(loader, fence, {"customer_segment": [segments([band], day)]}, inputs={})
    with closing(mart.connect(postgres_database)) as superuser:
        kept = rows(
            superuser,
            """SELECT r.partition, r.rows FROM ops.replaced_publication r
               WHERE base_date = %s ORDER BY replaced_at""",
            day,
        )
        there = rows(
            superuser,
            """SELECT relname, 1::bigint FROM pg_class
               WHERE relnamespace = 'stage'::regnamespace AND relkind = 'r'
                 AND relname LIKE %s ORDER BY oid""",
            "customer_segment_20221002_%",
        )
    assert kept == there
    assert len(kept) == 2
