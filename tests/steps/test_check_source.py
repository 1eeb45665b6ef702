"""docs/bring-your-own-bank.md, tried as it says: three CSV files, its SELECTs, a sound source."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from passbook import hive, sources
from passbook.commands.source import report
from passbook.contracts import WORK_TABLES
from passbook.demo.csv_tables import load_csv
from passbook.errors import InputError
from passbook.steps.check_source import TableCheck, check_source, coarse, source_faults
from passbook.steps.explain_source import explain_source

pytestmark = pytest.mark.hive

PAGE = Path(__file__).resolve().parents[2] / "docs" / "bring-your-own-bank.md"
BASE_DATE = date(2022, 12, 4)
BANK = f"insurer_{os.getpid()}_test"
UNBUILT = f"unbuilt_{os.getpid()}_test"
FILES = {
    "client.csv": "client_no,birth,gender,since\n"
    "101,1990-02-28,1,2020-02-29\n102,,2,2021-01-01\n103,1933-07-01,9,2022-12-05\n",
    "plan.csv": "plan_code,plan_name,from_day,to_day\n"
    'D1,"무배당 암보험, 갱신형",2019-01-01,\nC1,어린이보험,2019-01-01,2022-06-30\n',
    "contract.csv": "client_no,plan_code,signed_on,ended_on,premium\n"
    "101,D1,2020-03-01,2023-03-01,50000\n101,C1,2020-03-01,,1200.5\n"
    "102,D1,2022-12-04,,\n103,D1,2022-12-06,,10\n",
}


@pytest.fixture(scope="module")
def door(hive_url: str) -> Iterator[hive.Hive]:
    with hive.connect(hive_url) as connection:
        yield connection
        connection.execute(f"DROP DATABASE IF EXISTS {BANK} CASCADE")


@pytest.fixture(scope="module")
def adapter(door: hive.Hive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's adapter over its files; the folder that holds it."""
    folder = tmp_path_factory.mktemp("bring")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
        loaded = load_csv(door, folder / name, folder / "tables", BANK)
        assert loaded.rows == text.count("\n") - 1
    place = folder / "adapters" / "insurer"
    place.mkdir(parents=True)
    page = PAGE.read_text(encoding="utf-8")
    for name, sql in re.findall(r"```sql\n-- (\w+)\.sql\n(.*?)```", page, re.DOTALL):
        (place / f"{name}.sql").write_text(sql, encoding="utf-8")
    return place.parent


def checked(door: hive.Hive, adapter: Path) -> dict[str, TableCheck]:
    source = sources.find("insurer", adapter)
    return {check.table: check for check in check_source(door, source, BASE_DATE, BANK)}


def test_the_pages_source_is_sound(door: hive.Hive, adapter: Path) -> None:
    found = checked(door, adapter)
    assert {table: check.rows for table, check in found.items()} == {
        "customer": 2, "product": 2, "insurance_holding": 3
    }  # fmt: skip
    assert not any(check.faults for check in found.values())
    columns = {column.name: column for column in found["insurance_holding"].columns}
    assert (columns["closed_on"].nulls, columns["opened_on"].distinct) == (3, 2)
    assert (columns["opened_on"].smallest, columns["opened_on"].largest) == (
        "2020-03", "2022-12"
    )  # fmt: skip
    birth = next(c for c in found["customer"].columns if c.name == "birth_date")
    assert (birth.smallest, birth.largest) == ("1990", "1990")
    # Smallest and largest of a free text would be a customer's data.
    assert columns["customer_id"].smallest == columns["customer_id"].largest == ""
    text = report(found["insurance_holding"])
    assert re.search(r"amount\s+BIGINT\s+BIGINT\s+1\s+2\s+~1,000\s+~50,000\s+ok", text)


def test_all_faults_are_told_at_once(door: hive.Hive, adapter: Path) -> None:
    files = {path: path.read_text() for path in (adapter / "insurer").glob("*.sql")}
    customer, product, holding = (
        adapter / "insurer" / f"{name}.sql" for name in ("customer", "product", "insurance_holding")
    )
    text = files[customer].replace("birth AS", "CAST(birth AS STRING) AS")
    customer.write_text(text.replace("WHEN 2 THEN 'F'", "WHEN 2 THEN 'W'"))
    product.write_text(files[product].replace(".plan", ".plans"))
    holding.write_text(files[holding].split("WHERE")[0])
    try:
        found = checked(door, adapter)
    finally:
        for path, text in files.items():
            path.write_text(text)
    # A column of the wrong type doesn't hide what is wrong with another.
    assert found["customer"].faults == (
        "customer.birth_date is STRING, the contract says DATE",
        "customer sex.code: 1 of 2 rows",
    )
    birth, sex = (
        next(c for c in found["customer"].columns if c.name == name)
        for name in ("birth_date", "sex")
    )
    assert (birth.found, birth.nulls, birth.smallest) == ("STRING", None, "")
    assert (sex.distinct, sex.broken) == (2, ("code",))
    assert "Hive says" in found["product"].faults[0]
    assert "plans" in found["product"].faults[0]
    assert found["insurance_holding"].faults == (
        "insurance_holding opened_on.not_future: 1 of 4 rows",
        "insurance_holding customer_id.known: 1 of 4 rows",
    )


def test_a_select_reads_another_work_table_before_any_week_is_built(
    door: hive.Hive, adapter: Path, tmp_path: Path
) -> None:
    place = tmp_path / UNBUILT
    shutil.copytree(adapter / "insurer", place)
    customer, holding = place / "customer.sql", place / "insurance_holding.sql"
    known = (
        "FROM ${bank}.contract\nJOIN ${work}.customer c\n"
        "ON c.customer_id = CAST(client_no AS STRING) AND c.base_date = ${base_date}\n"
    )
    text = holding.read_text().replace("FROM ${bank}.contract\n", known)
    holding.write_text(text.replace("CAST(client_no AS STRING) AS customer_id", "c.customer_id"))
    source = sources.find(UNBUILT, tmp_path)
    sound = list(check_source(door, source, BASE_DATE, BANK))
    assert (sound[-1].table, sound[-1].rows) == ("insurance_holding", 3)
    assert not any(check.faults for check in sound)
    (*_, (table, scans, plan)) = explain_source(door, source, BASE_DATE, BANK)
    assert (table, plan) == ("insurance_holding", "")
    assert str(scans[0]).startswith(f"work_{UNBUILT}.customer: not there before the first week")
    for file, table in ((customer, "client"), (place / "product.sql", "plan")):
        file.write_text(file.read_text().replace(f".{table}", ".nowhere"))
    *_, refused = check_source(door, sources.find(UNBUILT, tmp_path), BASE_DATE, BANK)
    assert refused.faults == (
        "insurance_holding: not tried, it reads customer, which Hive refuses",
    )
    # What stood in for the work table is gone again.
    assert not any(UNBUILT in name for name in door.query("SHOW DATABASES").column(0).to_pylist())


def test_a_bank_without_a_holding_is_a_fault_of_the_source() -> None:
    empty = TableCheck("insurance_holding", 0)
    fault = TableCheck("customer", 2, faults=("a fault",))
    assert source_faults([fault, empty]) == ["a fault", "no holding table has a row"]
    assert source_faults([TableCheck("fund_holding", 1), empty]) == []
    assert source_faults([TableCheck("fund_holding", None, faults=("x",))]) == ["x"]


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("birth_date", "1933-07-01", "1933"),
        ("joined_on", "2020-02-29", "2020-02"),
        ("age_band", "90+", "90+"),
        ("region_code", "", ""),
    ],
)
def test_an_extreme_is_told_so_coarsely_that_it_is_nobodys(
    column: str, value: str, shown: str
) -> None:
    contract = {c.name: c for c in WORK_TABLES["customer"].columns}
    assert coarse(contract[column], value) == shown


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("income", "47382910", "~50,000,000"),
        ("txn_count", "7", "7"),
        ("txn_count", "73", "~70"),
        ("night_share", "0.3712", "~0.4"),
        ("night_share", "1.0", "1.0"),
        ("amount_mean", "NaN", "~nan"),
    ],
)
def test_a_number_is_told_by_its_first_digit(column: str, value: str, shown: str) -> None:
    contract = {c.name: c for c in WORK_TABLES["behaviour"].columns}
    assert coarse(contract[column], value) == shown


def test_a_value_may_have_lines_wherever_the_file_is_cut(
    door: hive.Hive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("passbook.demo.csv_tables._BLOCK_BYTES", 997)
    file = tmp_path / "lines.csv"
    file.write_text("n,address\n" + "".join(f'{n},"서울\n{n}"\n' for n in range(2000)), "utf-8")
    assert load_csv(door, file, tmp_path / "tables", BANK).rows == 2000


def test_a_file_as_korean_excel_saves_it_is_loaded_as_it_stands(
    door: hive.Hive, tmp_path: Path
) -> None:
    head = "상품코드,상품 명(약칭),Kind,가입일,면,비고\n"
    text = head + '0101,"암, 갱신형",1,2020-02-29,1.5,\n0201,"줄\n바꿈",x,,-2,\n'
    (tmp_path / "goods.csv").write_bytes(text.encode("cp949"))
    with pytest.raises(InputError, match=r"goods\.csv isn't written in utf8: .* cp949"):
        load_csv(door, tmp_path / "goods.csv", tmp_path / "tables", BANK)
    loaded = load_csv(door, tmp_path / "goods.csv", tmp_path / "tables", BANK, encoding="cp949")
    # A code keeps its zero; a column is no number unless every value is one.
    assert loaded.columns == {"상품코드": "STRING", "상품_명_약칭": "STRING", "kind": "STRING",
                              "가입일": "DATE", "면": "DOUBLE", "비고": "STRING"}  # fmt: skip
    found = door.query(
        f"SELECT `상품코드`, `상품_명_약칭`, `가입일` FROM {loaded.name}"
    ).to_pylist()
    assert [list(row.values()) for row in found] == [
        ["0101", "암, 갱신형", date(2020, 2, 29)],
        ["0201", "줄\n바꿈", None],
    ]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("my-file.csv", "a\n1\n", "No table can be called 'my-file'"),
        ("고객.csv", "a\n1\n", "rename the file"),
        ("empty.csv", "", "Empty CSV file"),
        ("twice.csv", "a,A\n1,2\n", "columns called a twice"),
        ("unnamed.csv", "a,\n1,2\n", "an unnamed column"),
        ("semicolons.csv", "a;b\n1;2\n", "try --delimiter ';'"),
        ("ragged.csv", "a,b\n김철수\n", "not every row has 2 fields.*: 1 don't"),
    ],
)
def test_a_file_that_cannot_be_a_table_is_e803(
    door: hive.Hive, tmp_path: Path, name: str, text: str, told: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=told) as caught:
        load_csv(door, tmp_path / name, tmp_path / "tables", BANK)
    assert "김철수" not in str(caught.value)
    with pytest.raises(InputError):
        load_csv(door, tmp_path / "missing.csv", tmp_path / "tables", BANK)


def test_a_refused_file_leaves_the_table_that_was_loaded_before(
    door: hive.Hive, tmp_path: Path
) -> None:
    file = tmp_path / "again.csv"
    file.write_text("a,b\n1,2\n")
    load_csv(door, file, tmp_path / "tables", BANK)
    file.write_text("a,b\n1\n")
    with pytest.raises(InputError):
        load_csv(door, file, tmp_path / "tables", BANK)
    assert door.query(f"SELECT * FROM {BANK}.again").num_rows == 1
