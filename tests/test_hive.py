"""The door to Hive on a real HiveServer2: statements, files, streams, and broken connections."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from passbook import hive
from passbook.contracts import WORK_TABLES
from passbook.errors import (
    ContractError,
    HiveStatementError,
    HiveUnreachableError,
    InputError,
    WarehouseError,
)
from passbook.hive import ATTEMPTS
from tcp_proxy import Proxy, proxy_before

pytestmark = pytest.mark.hive

BASE_DATE = date(2022, 12, 4)
PRODUCT = WORK_TABLES["product"]
NAMES = ["정기예금", "줄\n바꿈", "tab\tcomma,", "emoji 🏦", "'quote' \\ \"double\"", "nul\x00", ""]
PRODUCTS = pa.table(
    {
        "product_code": [f"P{n:03}" for n in range(700)],
        "product_name": (NAMES * 100)[:700],
        "family": ["deposit"] * 700,
        "sale_start": [date(2020, 2, 29)] * 700,
        "sale_end": [None, date(2022, 12, 31)] * 350,
        "min_age": pa.array([None, 19] * 350, pa.int32()),
        "max_age": pa.array([None, 99] * 350, pa.int32()),
        "customer_type": [None, "개인"] * 350,
    },
    schema=PRODUCT.schema,
)
HIVE_COLUMNS = (
    "product_code STRING, product_name STRING, family STRING, sale_start DATE, sale_end DATE, "
    "min_age INT, max_age INT, customer_type STRING"
)


@pytest.fixture(scope="module")
def opened(hive_url: str) -> Iterator[hive.Hive]:
    with hive.connect(hive_url) as connection:
        yield connection


def put(door: hive.Hive, database: str, at: date, folder: Path, table: pa.Table | None) -> Path:
    """Make `table`'s file the partition of work table ``product`` for a date; None: no file."""
    folder.mkdir()
    if table is not None:
        pq.write_table(table, folder / "part-0.parquet", row_group_size=100)
    door.execute(
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {database}.product ({HIVE_COLUMNS}) "
        f"PARTITIONED BY (base_date DATE) STORED AS PARQUET LOCATION '{folder.parent.as_uri()}'"
    )
    door.execute(
        f"ALTER TABLE {database}.product ADD PARTITION (base_date='{at}') "
        f"LOCATION '{folder.as_uri()}'"
    )
    return folder


@pytest.fixture(scope="module")
def products(
    opened: hive.Hive, hive_database: str, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Database with the work table ``product`` for the base date."""
    put(opened, hive_database, BASE_DATE, tmp_path_factory.mktemp(".w") / "good", PRODUCTS)
    return hive_database


def test_every_type_of_a_result_comes_as_arrow(opened: hive.Hive) -> None:
    found = opened.query(
        "SELECT true b, CAST(1 AS TINYINT) t, CAST(2 AS SMALLINT) s, 3 i, CAST(4 AS BIGINT) l, "
        "CAST(0.5 AS FLOAT) f, CAST(2.5 AS DOUBLE) d, CAST('1.50' AS DECIMAL(5,2)) n, "
        "DATE '2020-02-29' day, '한글 🏦' w, CAST(NULL AS INT) nothing"
    )
    row = found.to_pylist()[0]
    assert [str(found.schema.field(c).type) for c in "btsilfdn"] == [
        "bool", "int8", "int16", "int32", "int64", "float", "double", "decimal128(5, 2)"
    ]  # fmt: skip
    assert (row["day"], row["w"], row["nothing"]) == (date(2020, 2, 29), "한글 🏦", None)
    assert (row["b"], row["l"], row["d"], str(row["n"])) == (True, 4, 2.5, "1.50")


def test_a_statement_that_hive_refuses_is_e107_in_one_line(
    opened: hive.Hive, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), pytest.raises(HiveStatementError) as caught:
        opened.query("SELECT * FROM no_such_database.no_such_table")
    assert "no_such_table" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "SELECT * FROM no_such_database" in caplog.text
    assert "\tat org.apache" not in caplog.text


def test_a_result_too_large_for_a_query_is_refused(opened: hive.Hive) -> None:
    with pytest.raises(HiveStatementError, match="100,000 rows"):
        opened.query("SELECT * FROM (SELECT explode(split(repeat('a,', 100001), ','))) t")


def test_a_select_is_described_without_being_run(opened: hive.Hive) -> None:
    schema = opened.describe("SELECT 1 AS a, CAST('x' AS VARCHAR(3)) AS b, 1.5 AS c")
    assert schema.names == ["a", "b", "c"]
    assert [str(kind) for kind in schema.types] == ["int32", "string", "decimal128(2, 1)"]


def test_existence_is_asked_not_guessed(opened: hive.Hive, products: str) -> None:
    assert opened.table_exists(products, "product")
    assert not opened.table_exists(products, "produc_")
    assert not opened.table_exists("no_such_database", "product")
    assert opened.partition_exists(products, "product", BASE_DATE)
    assert not opened.partition_exists(products, "product", date(2022, 11, 27))
    assert not opened.partition_exists(products, "customer", BASE_DATE)


@pytest.mark.parametrize("name", ["product; DROP TABLE x", "a.b", "x' OR '1'='1"])
def test_a_name_cannot_carry_sql(opened: hive.Hive, products: str, name: str) -> None:
    with pytest.raises(InputError):
        opened.table_exists(products, name)


@pytest.mark.parametrize("reader", ["files", "thrift"])
def test_a_table_comes_whole_and_unchanged(hive_url: str, products: str, reader: str) -> None:
    with hive.connect(f"{hive_url}&read={reader}") as door:
        assert door.read_table(products, "product", BASE_DATE).equals(PRODUCTS)
        some = door.read_table(products, "product", BASE_DATE, ["sale_end", "product_code"])
        assert some.equals(PRODUCTS.select(["sale_end", "product_code"]))
        blocks = list(door.iter_batches(products, "product", BASE_DATE, rows=300))
    assert [block.num_rows for block in blocks] == [300, 300, 100]
    assert pa.Table.from_batches(blocks).equals(PRODUCTS)


def test_an_unknown_column_or_table_is_refused(opened: hive.Hive, products: str) -> None:
    with pytest.raises(ContractError, match="no column colour"):
        opened.read_table(products, "product", BASE_DATE, ["colour"])
    with pytest.raises(InputError, match="no work table"):
        opened.read_table(products, "productss", BASE_DATE)


def test_a_missing_partition_is_an_error_not_an_empty_table(
    opened: hive.Hive, products: str
) -> None:
    with pytest.raises(HiveStatementError):
        opened.read_table(products, "product", date(2022, 11, 27))


def test_a_partition_without_a_file_has_no_rows(
    opened: hive.Hive, products: str, tmp_path: Path
) -> None:
    at = date(2022, 10, 2)
    put(opened, products, at, tmp_path / "empty", None)
    assert opened.read_table(products, "product", at).equals(PRODUCT.schema.empty_table())
    assert list(opened.iter_batches(products, "product", at)) == []


def test_files_that_break_the_contract_are_e103(
    opened: hive.Hive, products: str, tmp_path: Path
) -> None:
    at = date(2022, 10, 9)
    wrong = PRODUCTS.drop_columns(["family"]).append_column("colour", PRODUCTS["family"])
    wrong = wrong.set_column(4, "min_age", PRODUCTS["min_age"].cast(pa.int64()))
    put(opened, products, at, tmp_path / "wrong", wrong)
    with pytest.raises(ContractError) as caught:
        opened.read_table(products, "product", at)
    for fault in ("colour is not in the contract", "family is missing", "min_age is int64"):
        assert fault in str(caught.value)


def test_files_with_other_rows_than_hive_counts_are_e108(
    opened: hive.Hive, products: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = date(2022, 10, 16)
    put(opened, products, at, tmp_path / "cut", PRODUCTS)
    # A count that Hive took from statistics of yesterday, which the embedded engine never does.
    monkeypatch.setattr(opened, "count_rows", lambda *place: 701)
    monkeypatch.setattr(opened, "_counted", lambda *place: 701)
    for read in (opened.read_table, lambda *place: list(opened.iter_batches(*place))):
        with pytest.raises(WarehouseError, match="Hive counts 701 rows, its files hold 700"):
            read(products, "product", at)


def test_a_file_that_is_no_parquet_is_e108(
    opened: hive.Hive, products: str, tmp_path: Path
) -> None:
    at = date(2022, 10, 23)
    folder = put(opened, products, at, tmp_path / "broken", None)
    (folder / "part-0.parquet").write_bytes(b"PAR1 this is no parquet file")
    with pytest.raises(WarehouseError):
        opened.read_table(products, "product", at)


@pytest.fixture
def proxy(hive_url: str) -> Iterator[Proxy]:
    address = urlsplit(hive_url)
    with proxy_before(address.hostname or "", address.port or 0) as proxy:
        yield proxy


def test_a_connection_cut_in_a_statement_is_had_again(proxy: Proxy, products: str) -> None:
    with hive.connect(f"hive://me@127.0.0.1:{proxy.port}/?auth=NONE") as door:
        door.execute(f"CREATE TABLE {products}.cut (n BIGINT) STORED AS PARQUET")
        timer = threading.Timer(0.5, proxy.cut)
        timer.start()
        door.execute(
            f"INSERT OVERWRITE TABLE {products}.cut SELECT count(*) FROM "
            "(SELECT explode(split(repeat('a,', 400000), ','))) t"
        )
        timer.join()
        assert proxy.accepted >= 2
        assert door.query(f"SELECT n FROM {products}.cut")["n"].to_pylist() == [400_001]


def often_cut(database: str, rows: int) -> str:
    return (
        f"INSERT OVERWRITE TABLE {database}.often PARTITION (base_date='{BASE_DATE}') "
        f"SELECT count(*) FROM (SELECT explode(split(repeat('a,', {rows - 1}), ','))) t"
    )


@pytest.fixture(scope="module")
def often(opened: hive.Hive, hive_database: str) -> str:
    """A database whose table ``often`` has a partition of one row, 10."""
    opened.execute(
        f"CREATE TABLE {hive_database}.often (n BIGINT) PARTITIONED BY (base_date DATE) "
        "STORED AS PARQUET"
    )
    opened.execute(often_cut(hive_database, 10))
    return hive_database


def test_a_connection_that_cannot_be_had_again_at_once_is_tried_again(
    proxy: Proxy, often: str
) -> None:
    with hive.connect(f"hive://me@127.0.0.1:{proxy.port}/?auth=NONE") as door:
        proxy.refuses = ATTEMPTS - 2
        proxy.cut()
        door.execute(often_cut(often, 10))
        assert proxy.refuses == 0
        proxy.refuses = ATTEMPTS - 1
        proxy.cut()
        with pytest.raises(HiveUnreachableError):
            door.execute(often_cut(often, 10))


def test_a_statement_cut_as_often_as_it_is_tried_leaves_the_partition_whole(
    proxy: Proxy, often: str, opened: hive.Hive
) -> None:
    """The task retries on E101; what Hive still works on may be finished or not, never half."""
    ended = threading.Event()

    def cut_often() -> None:
        while not ended.wait(0.3):
            proxy.cut()

    with hive.connect(f"hive://me@127.0.0.1:{proxy.port}/?auth=NONE") as door:
        cutting = threading.Thread(target=cut_often)
        cutting.start()
        with pytest.raises(HiveUnreachableError) as lost:
            door.execute(often_cut(often, 2_000_000))
        ended.set()
        cutting.join()
    assert proxy.accepted > ATTEMPTS
    assert lost.value.code == "E101"
    rows = f"SELECT n FROM {often}.often WHERE base_date = '{BASE_DATE}'"
    assert opened.query(rows)["n"].to_pylist() in ([10], [2_000_000])
    opened.execute(often_cut(often, 500))
    assert opened.query(rows)["n"].to_pylist() == [500]


def test_a_connection_cut_between_statements_is_had_again(proxy: Proxy) -> None:
    with hive.connect(f"hive://me@127.0.0.1:{proxy.port}/?auth=NONE") as door:
        proxy.cut()
        assert door.query("SELECT 7 AS n")["n"].to_pylist() == [7]


def test_two_statements_may_write_into_one_table_at_once(
    hive_url: str, hive_database: str, opened: hive.Hive
) -> None:
    opened.execute(
        f"CREATE TABLE {hive_database}.shared (n STRING) PARTITIONED BY (base_date DATE) "
        "STORED AS PARQUET"
    )

    def fill(day: int) -> None:
        with hive.connect(hive_url) as door:
            for _ in range(2):
                door.execute(
                    f"INSERT OVERWRITE TABLE {hive_database}.shared "
                    f"PARTITION (base_date='2022-12-{day:02d}') SELECT * FROM "
                    f"(SELECT explode(split(repeat('{day},', 2999), ','))) t"
                )

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(fill, (4, 11, 18)))
    found = opened.query(
        f"SELECT base_date, count(*) AS n FROM {hive_database}.shared GROUP BY base_date"
    )
    assert found["n"].to_pylist() == [3000] * 3
    # Written at the table's root, it would tell that statements share a folder there.
    location = opened.partition(hive_database, "shared", BASE_DATE).location
    assert not (Path(urlsplit(location).path).parent / "_SUCCESS").exists()


def test_a_stream_that_breaks_is_an_error_not_fewer_rows(proxy: Proxy, products: str) -> None:
    url = f"hive://me@127.0.0.1:{proxy.port}/?auth=NONE&read=thrift"
    with hive.connect(url) as door:
        blocks = door.iter_batches(products, "product", BASE_DATE, rows=100)
        assert next(blocks).num_rows == 100
        proxy.close()
        with pytest.raises(HiveUnreachableError):
            list(blocks)


def test_a_server_that_freezes_runs_into_the_timeout(proxy: Proxy) -> None:
    with hive.connect(f"hive://me@127.0.0.1:{proxy.port}/?auth=NONE&timeout=2") as door:
        proxy.freeze()
        with pytest.raises(HiveUnreachableError, match="timeout"):
            door.query("SELECT 1")


def test_a_server_that_freezes_in_a_fetch_runs_into_the_timeout(
    proxy: Proxy, products: str
) -> None:
    url = f"hive://me@127.0.0.1:{proxy.port}/?auth=NONE&read=thrift&timeout=5"
    with hive.connect(url) as door:
        blocks = door.iter_batches(products, "product", BASE_DATE, rows=100)
        assert next(blocks).num_rows == 100
        proxy.freeze()
        with pytest.raises(HiveUnreachableError, match="timeout"):
            list(blocks)


def test_a_stream_of_other_rows_than_hive_counts_is_e108(
    hive_url: str, products: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hive.connect(f"{hive_url}&read=thrift") as door:
        monkeypatch.setattr(door, "_counted", lambda *place: 701)
        with pytest.raises(WarehouseError, match="Hive counts 701 rows, it sent 700"):
            door.read_table(products, "product", BASE_DATE)


def test_a_statement_beyond_its_limit_is_cancelled(hive_url: str) -> None:
    with (
        hive.connect(f"{hive_url}&statement_timeout=1") as door,
        pytest.raises(HiveStatementError, match=r"longer than 1 s"),
    ):
        door.query(
            "SELECT count(DISTINCT concat(a.x, b.x)) FROM "
            "(SELECT explode(split(repeat('a,', 15000), ',')) AS x) a CROSS JOIN "
            "(SELECT explode(split(repeat('a,', 15000), ',')) AS x) b"
        )
