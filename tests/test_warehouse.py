"""A partition's files: formats, file systems, order, blocks, and what breaks the contract."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import orc

from passbook import warehouse
from passbook.contracts import WORK_TABLES
from passbook.errors import ContractError, WarehouseError

HOLDING = WORK_TABLES["fund_holding"]
ROWS = pa.table(
    {
        "customer_id": [f"{n:03}" for n in range(10)],
        "product_code": ["펀드"] * 10,
        "opened_on": [date(2020, 2, 29)] * 10,
        "closed_on": [None, date(2021, 1, 1)] * 5,
        "amount": [None, 2**62] * 5,
    },
    schema=HOLDING.schema,
)


def read(location: str, kind: str = "parquet") -> pa.Table:
    dataset, _ = warehouse.open_partition(warehouse.Partition(location, kind))
    return warehouse.read(dataset, HOLDING, HOLDING.column_names)


def test_files_follow_in_the_order_of_their_names(tmp_path: Path) -> None:
    pq.write_table(ROWS.slice(4), tmp_path / "part-1.parquet")
    pq.write_table(ROWS.slice(0, 4), tmp_path / "part-0.parquet")
    for ignored in ("_SUCCESS", ".part-0.parquet.crc"):
        (tmp_path / ignored).write_text("not data")
    assert read(tmp_path.as_uri()).equals(ROWS)


def test_orc_is_read_as_well(tmp_path: Path) -> None:
    orc.write_table(ROWS, tmp_path / "000000_0")
    assert read(tmp_path.as_uri(), "orc").equals(ROWS)


def test_a_place_that_fsspec_reaches_is_read() -> None:
    with fsspec.open("memory://warehouse/base_date=2022-12-04/part-0.parquet", "wb") as file:
        pq.write_table(ROWS, file)
    assert read("memory://warehouse/base_date=2022-12-04").equals(ROWS)


def test_a_place_that_is_not_there_is_e108(tmp_path: Path) -> None:
    for location in ((tmp_path / "missing").as_uri(), "nosuchscheme://host/place"):
        with pytest.raises(WarehouseError):
            read(location)


@pytest.mark.parametrize("rows", [1, 3, 10, 100])
def test_blocks_have_the_size_asked_for(tmp_path: Path, rows: int) -> None:
    pq.write_table(ROWS, tmp_path / "part-0.parquet", row_group_size=4)
    dataset, size = warehouse.open_partition(warehouse.Partition(tmp_path.as_uri(), "parquet"))
    blocks = list(warehouse.iter_batches(dataset, HOLDING, HOLDING.column_names, rows))
    assert pa.Table.from_batches(blocks).equals(ROWS)
    assert {block.num_rows for block in blocks[:-1]} <= {rows}
    assert size == (tmp_path / "part-0.parquet").stat().st_size


def test_a_null_where_none_may_be_is_e103(tmp_path: Path) -> None:
    schema = pa.schema([field.with_nullable(True) for field in HOLDING.schema])
    holed = ROWS.set_column(0, schema.field(0), pa.array([None, *"123456789"])).cast(schema)
    pq.write_table(holed, tmp_path / "part-0.parquet")
    with pytest.raises(ContractError, match="nulls in customer_id"):
        read(tmp_path.as_uri())
    dataset, _ = warehouse.open_partition(warehouse.Partition(tmp_path.as_uri(), "parquet"))
    with pytest.raises(ContractError, match="nulls in customer_id"):
        list(warehouse.iter_batches(dataset, HOLDING, ["customer_id"], 5))
    unchecked = warehouse.iter_unchecked(dataset, HOLDING, ["customer_id"], 5)
    assert next(unchecked).column(0).null_count == 1


@pytest.mark.parametrize(
    ("found", "wanted", "fits"),
    [
        (pa.int32(), pa.int64(), True),
        (pa.int64(), pa.int32(), False),
        (pa.int32(), pa.float64(), True),
        (pa.int64(), pa.float64(), False),
        (pa.float32(), pa.float64(), True),
        (pa.decimal128(20, 0), pa.int64(), False),
        (pa.dictionary(pa.int32(), pa.string()), pa.string(), True),
        (pa.string(), pa.date32(), False),
        (pa.timestamp("us"), pa.date32(), False),
        (pa.int32(), pa.bool_(), False),
    ],
)
def test_a_type_fits_when_no_value_can_be_lost(
    found: pa.DataType, wanted: pa.DataType, fits: bool
) -> None:
    assert warehouse.fits(found, wanted) is fits
