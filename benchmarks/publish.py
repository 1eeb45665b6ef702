"""Publishing a week: write-audit-publish against pandas and Postgres's own CREATE TABLE AS.

Starts a Postgres of its own, publishes recommendation lists of five offers and credit scores, and
prints one JSON line: rows a second of each way, their ratios, seconds of the analyst's two
commonest questions, peak memory of this process. `copy` is the transfer alone, `publish` all of
it: encoding, audit, hash, COPY, key and index, statistics, swap.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import ledger, mart
from passbook.contracts import MART_TABLES
from passbook.embedded import postgres
from passbook.mart.copy_stream import copy_blocks
from passbook.mart.wire import encode

BASE_DATE = date(2022, 12, 4)
BLOCK = 65_536
EXPLANATIONS = 2_000
OFFERS = 5
PAYLOADS = 4
PRODUCTS = 300
TABLES = ("recommendation_list", "credit_score")


def constant_date(rows: int) -> pa.Array:
    """Return the base date for every row."""
    return pa.repeat(pa.scalar(BASE_DATE, pa.date32()), rows)


def customer_ids(number: np.ndarray) -> pa.Array:
    """Return ten-digit customer numbers."""
    return pc.utf8_lpad(pa.array(number).cast(pa.string()), 10, "0")


def texts(values: list[str], rows: int, rng: np.random.Generator) -> pa.Array:
    """Return `rows` random ones of `values`."""
    return pa.array(values).take(pa.array(rng.integers(0, len(values), rows)))


def in_lists(values: pa.Array, length: int) -> pa.ListArray:
    """Return the values in lists of `length`."""
    offsets = np.arange(0, len(values) + 1, length, dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values)


def in_blocks(table: str, rows: int, payloads: list[list[pa.Array]]) -> Iterator[pa.RecordBatch]:
    """Yield `rows` rows: fresh keys beside payloads that repeat, so that making them costs little.

    Customers in turn have two and three lists.
    """
    scenarios = pa.array(["cross_sell.deposit", "new_customer", "up_sell.deposit"])
    schema = MART_TABLES[table].schema
    for place, first in enumerate(range(0, rows, BLOCK)):
        number = np.arange(first, min(first + BLOCK, rows))
        keys = [constant_date(len(number))]
        if table == "recommendation_list":
            two, within = np.divmod(number, 5)
            keys.append(customer_ids(2 * two + (within > 1)))
            keys.append(scenarios.take(pa.array(np.where(within > 1, within - 2, within))))
        else:
            keys.append(customer_ids(number))
        payload = [column.slice(0, len(number)) for column in payloads[place % len(payloads)]]
        yield pa.record_batch([*keys, *payload], schema=schema)


def lists(rows: int, seed: int) -> Iterator[pa.RecordBatch]:
    """Yield recommendation lists of five in key order."""
    rng = np.random.default_rng(seed)
    codes = [f"P{n:04d}" for n in range(PRODUCTS)]
    count = OFFERS * BLOCK
    payloads = [
        [
            in_lists(texts(codes, count, rng), OFFERS),
            in_lists(pa.array(rng.random(count, np.float32)), OFFERS),
            in_lists(pa.array(rng.integers(0, EXPLANATIONS, count), pa.int32()), OFFERS),
            pa.array(rng.integers(0, 8, BLOCK), pa.int32()),
        ]
        for _ in range(PAYLOADS)
    ]
    return in_blocks("recommendation_list", rows, payloads)


def scores(rows: int, seed: int) -> Iterator[pa.RecordBatch]:
    """Yield credit scores in key order."""
    rng = np.random.default_rng(seed)
    styles = list(MART_TABLES["credit_score"].columns[2].codes)
    reasons = ["잔액 변동이 큼", "연체 없음", "소득 대비 지출"]
    payloads = [
        [
            texts(styles, BLOCK, rng),
            pa.array(rng.random(BLOCK)),
            pa.array(rng.random(BLOCK)),
            pa.array(rng.integers(300, 851, BLOCK), pa.int32()),
            texts(list("ABCDE"), BLOCK, rng),
            in_lists(texts(reasons, 3 * BLOCK, rng), 3),
        ]
        for _ in range(PAYLOADS)
    ]
    return in_blocks("credit_score", rows, payloads)


def customers(lists: int) -> Iterator[pa.RecordBatch]:
    """Yield what the hard rules know of the customers of so many lists."""
    schema = MART_TABLES["offer_customer"].schema
    count = 2 * (-(-lists // 5))
    for first in range(0, count, BLOCK):
        number = np.arange(first, min(first + BLOCK, count))
        rows = len(number)
        columns = {
            "base_date": constant_date(rows),
            "customer_id": customer_ids(number),
            "age": pa.array(number % 80 + 10, pa.int32()),
            "customer_type": pa.nulls(rows, pa.string()),
            "opted_out": pa.repeat(pa.scalar(False), rows),
            "control_group": pa.repeat(pa.scalar(False), rows),
            "bought": in_lists(pa.array(["Q0001", "Q0002"] * rows), 2),
        }
        yield pa.record_batch([columns[name] for name in schema.names], schema=schema)


def products() -> pa.RecordBatch:
    """Return the products, all of them on sale."""
    codes = [f"P{n:04d}" for n in range(PRODUCTS)]
    columns = [
        constant_date(PRODUCTS),
        pa.array(codes),
        pa.array([f"정기예금 {code}" for code in codes]),
        pa.array(["deposit"] * PRODUCTS),
        pa.array([True] * PRODUCTS),
        pa.repeat(pa.scalar(date(2005, 1, 1), pa.date32()), PRODUCTS),
        pa.nulls(PRODUCTS, pa.date32()),
        *(pa.nulls(PRODUCTS, pa.int32()) for _ in ("min_age", "max_age")),
        pa.nulls(PRODUCTS, pa.string()),
    ]
    return pa.record_batch(columns, schema=MART_TABLES["product"].schema)


def explanations() -> pa.RecordBatch:
    """Return what the numbers in the lists stand for."""
    reasons = [f"비슷한 고객의 {n}%가 가입한 상품입니다" for n in range(EXPLANATIONS)]
    columns = [
        constant_date(EXPLANATIONS),
        pa.array(range(EXPLANATIONS), pa.int32()),
        pa.array(["ranker"] * EXPLANATIONS),
        pa.array(reasons),
        pa.array(reasons),
        *(pa.nulls(EXPLANATIONS, pa.string()) for _ in ("second_reason", "second_reason_ko")),
    ]
    return pa.record_batch(columns, schema=MART_TABLES["explanation"].schema)


def seconds(work: Callable[[], Any]) -> float:
    """Return how long `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def execute(connection: Connection, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run a statement and commit."""
    with connection, connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def copy_alone(connection: Connection, rows: dict[str, int], seed: int) -> float:
    """Return seconds of COPY into bare tables; the rows are made beforehand, block by block."""
    spent = 0.0
    for table, makers in (("recommendation_list", lists), ("credit_score", scores)):
        contract = MART_TABLES[table]
        name = sql.Identifier("bench", f"{table}_copy")
        batches = list(makers(min(rows[table], 4 * BLOCK), seed))
        times = -(-rows[table] // (4 * BLOCK))
        blocks = ([encode(c) for c in b.columns] for _ in range(times) for b in batches)
        with connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE TABLE {} (LIKE mart.{})").format(
                name, sql.Identifier(table)))  # fmt: skip
            started = time.perf_counter()
            copy_blocks(cursor, name, contract.column_names, blocks, freeze=True)
            spent += (time.perf_counter() - started) * rows[table] / cursor.rowcount
    return spent


def with_pandas(url: str, rows: dict[str, int], seed: int, sample: int) -> float:
    """Return seconds that `DataFrame.to_sql` would take, scaled up from a sample."""
    engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
    spent = 0.0
    for table, makers in (("recommendation_list", lists), ("credit_score", scores)):
        frame = next(makers(sample, seed)).slice(0, sample).to_pandas()
        for column in frame.columns[frame.map(type).eq(np.ndarray).any()]:
            frame[column] = frame[column].map(np.ndarray.tolist)
        name = f"{table}_pandas"
        taken = seconds(partial(frame.to_sql, name, engine, schema="bench", index=False))
        spent += taken * rows[table] / len(frame)
    engine.dispose()
    return spent


def questions(connection: Connection, customers: int, seed: int) -> dict[str, float]:
    """Return the median milliseconds of a customer's offers, and seconds of who got a product."""
    rng = np.random.default_rng(seed)
    one = "SELECT * FROM mart.product_recommendation WHERE base_date = %s AND customer_id = %s"
    asked = [f"{n:010d}" for n in rng.integers(0, customers, 200)]
    times = [seconds(partial(execute, connection, one, BASE_DATE, c)) for c in asked]
    who = """SELECT count(*) FROM mart.recommendation_list
             WHERE base_date = %s AND product_codes @> ARRAY[%s]"""
    return {
        "customer_lookup_ms": round(1000 * statistics.median(times), 2),
        "who_was_offered_s": round(
            seconds(lambda: execute(connection, who, BASE_DATE, "P0042")), 3
        ),
    }


def measure(url: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures on a migrated mart."""
    rows = {"recommendation_list": options.lists, "credit_score": options.scores}
    total = sum(rows.values())
    with closing(mart.connect(url)) as connection:
        fence = ledger.begin_stage(connection, "recommend_products", BASE_DATE, "benchmark")
        week = {
            "product": [products()],
            "offer_customer": customers(options.lists),
            "recommendation_list": lists(options.lists, options.seed),
            "explanation": [explanations()],
            "credit_score": scores(options.scores, options.seed),
        }
        mart.publish(connection, fence, {"segment": []}, inputs={})  # compiles the kernels
        published = seconds(lambda: mart.publish(connection, fence, week, inputs={}))
        figures = questions(connection, 2 * (options.lists // 5), options.seed)
        execute(connection, "CREATE SCHEMA bench")
        copied = copy_alone(connection, rows, options.seed)
        created = 0.0
        for table in TABLES:
            statement = f"CREATE TABLE bench.{table}_ctas AS SELECT * FROM mart.{table}"
            created += seconds(partial(execute, connection, statement))
        pandas = with_pandas(url, rows, options.seed, options.pandas_rows)
    return {
        **rows,
        "publish_s": round(published, 2),
        "publish_rows_per_s": round(total / published),
        "copy_rows_per_s": round(total / copied),
        "create_table_as_rows_per_s": round(total / created),
        "pandas_rows_per_s": round(total / pandas),
        "publish_vs_pandas": round(pandas / published, 1),
        "copy_vs_pandas": round(pandas / copied, 1),
        "copy_vs_create_table_as": round(created / copied, 2),
        **figures,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lists", type=int, default=1_000_000, help="recommendation lists")
    parser.add_argument("--scores", type=int, default=400_000, help="credit scores")
    parser.add_argument("--pandas-rows", type=int, default=20_000, help="rows for pandas, a table")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="passbook-publish-") as folder:
        server = postgres.start(Path(folder))
        try:
            url = server.url
            mart.migrate(url)
            print(json.dumps(measure(url, options)))
        finally:
            postgres.stop(Path(folder))


if __name__ == "__main__":
    main()
