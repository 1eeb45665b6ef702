"""The real insurer's purchases: loaded as they are, and what its adapter makes of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from passbook import hive, sources
from passbook.demo import insurance_purchases
from passbook.errors import InputError

DATABASE = f"purchases_{os.getpid()}_test"
TRAIN = (
    "event_id,user_id,event_time,valid,item_id\n"
    "1,7,2020-02-29 23:59:59,0,item_1\n"
    "1,7,2020-02-29 23:59:59,0,item_2\n"
    "2,8,2020-03-29 00:00:00,1,item_1\n"
)
TEST = (
    "event_id,user_id,event_time,item_id\n"
    "3,7,2020-03-30 00:00:00,item_1\n"
    "4,9,2020-04-01 10:00:00,item_3\n"
)


def write(folder: Path, train: str = TRAIN, test: str = TEST) -> Path:
    (folder / "purchase_events_train.csv").write_text(train)
    (folder / "purchase_events_test.csv").write_text(test)
    return folder


def test_both_files_are_the_history(tmp_path: Path) -> None:
    purchases = insurance_purchases.read_purchases(write(tmp_path))
    assert purchases["event_id"].to_pylist() == [1, 1, 2, 3, 4]
    assert purchases["event_time"][0].as_py() == "2020-02-29 23:59:59"
    assert purchases.column_names == ["event_id", "user_id", "event_time", "item_id"]


@pytest.mark.parametrize("train", ["", "event_id,user_id\n1,2\n", TRAIN.replace("1,7,", "one,7,")])
def test_a_file_of_another_form_is_e803(tmp_path: Path, train: str) -> None:
    with pytest.raises(InputError, match=r"purchase_events_train\.csv is not a purchase file"):
        insurance_purchases.read_purchases(write(tmp_path, train=train))


def test_a_missing_file_is_e803(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"purchase_events_train\.csv"):
        insurance_purchases.read_purchases(tmp_path)


def test_the_real_files_are_read_whole(real_data: Path) -> None:
    purchases = insurance_purchases.read_purchases(real_data / "insurance_purchases")
    assert purchases.num_rows == 61_740
    assert len(purchases["event_id"].unique()) == 53_703
    assert len(purchases["item_id"].unique()) == 16


@pytest.fixture(scope="module")
def door(hive_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[hive.Hive]:
    folder = tmp_path_factory.mktemp("purchases")
    with hive.connect(hive_url) as connection:
        assert insurance_purchases.load(connection, write(folder), folder, DATABASE) == 5
        yield connection
        connection.execute(f"DROP DATABASE {DATABASE} CASCADE")


@pytest.mark.hive
@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("customer", [("7", date(2020, 2, 29)), ("8", date(2020, 3, 29))]),
        ("product", [("item_1", date(2020, 2, 29)), ("item_2", date(2020, 2, 29))]),
        (
            "insurance_holding",
            [("7", "item_1", date(2020, 2, 29)), ("7", "item_2", date(2020, 2, 29)),
             ("8", "item_1", date(2020, 3, 29))],
        ),
    ],
)  # fmt: skip
def test_a_base_date_knows_what_was_bought_up_to_it(
    door: hive.Hive, table: str, expected: list[tuple[object, ...]]
) -> None:
    keys = {"customer": "customer_id, joined_on", "product": "product_code, sale_start",
            "insurance_holding": "customer_id, product_code, opened_on"}[table]  # fmt: skip
    select = sources.find("insurance_purchases").statement(table, date(2020, 3, 29), DATABASE)
    rows = door.query(f"SELECT {keys} FROM (\n{select}\n) s ORDER BY {keys}").to_pylist()
    assert [tuple(row.values()) for row in rows] == expected
