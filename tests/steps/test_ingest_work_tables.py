"""The ingest stage on a real Hive and a real mart: built, checked, recorded, or refused."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import hive, ledger, mart, sources
from passbook.base_date import observation_dates
from passbook.cli import main
from passbook.contracts import STAGES, WORK_TABLES
from passbook.errors import ContractError, EmptyWorkTableError, HiveStatementError, QualityError
from passbook.settings import Settings
from passbook.steps import check_work_tables
from passbook.steps import ingest_work_tables as ingest
from passbook.steps.stage import Stage
from passbook.steps.week import Week

SOURCE = f"ingest_{os.getpid()}_test"
BANK = f"bank_{SOURCE}"
BASE_DATE = date(2022, 12, 4)
SUNDAY_BEFORE = date(2022, 11, 27)
TABLES = ("customer", "deposit_profile", "product", "fund_holding", "behaviour")
TYPES = {pa.string(): "STRING", pa.date32(): "DATE", pa.bool_(): "BOOLEAN", pa.int32(): "INT",
         pa.int64(): "BIGINT", pa.float64(): "DOUBLE", pa.binary(): "STRING"}  # fmt: skip
NO_TYPES: Mapping[str, str] = {}

needs_servers = [pytest.mark.hive, pytest.mark.postgres]


def good_bank() -> dict[str, list[dict[str, object]]]:
    """Rows of a sound bank by table, in the contract's columns."""
    day, ids = date(2020, 2, 29), [f"고객{n}" for n in range(6)]
    flags = {"has_deposit": True, "has_insurance": False, "has_card": False, "has_fund": True}
    person = {
        "sex": "F",
        "birth_date": date(1990, 1, 1),
        "age_band": "30-39",
        "joined_on": day,
        "occupation_group": "employed",
        "region_code": "11",
        "holding_type": "DF",
    }
    profile = dict.fromkeys(WORK_TABLES["deposit_profile"].column_names, 2)
    parts = {"time_deposit_count": 1, "installment_count": 1, "demand_count": 0}
    habits = dict.fromkeys(WORK_TABLES["behaviour"].column_names, 0.5)
    counts = dict.fromkeys(("txn_count", "active_days", "login_count", "days_since_last_txn"), 3)
    goods = {"product_name": "글로벌 펀드", "family": "fund", "sale_start": day, "sale_end": None,
             "min_age": 19, "max_age": None}  # fmt: skip
    holding = {"opened_on": date(2022, 11, 20), "closed_on": None, "amount": 1_000_000}
    return {
        "customer": [{"customer_id": i, **person, **flags} for i in reversed(ids)],
        "deposit_profile": [{**profile, **parts, "customer_id": i} for i in ids],
        "product": [{"product_code": code, **goods} for code in ("F1", "F2")],
        "fund_holding": [{"customer_id": i, "product_code": "F1", **holding} for i in ids * 2],
        "behaviour": [{**habits, **counts, "income": 30, "customer_id": i} for i in ids],
    }


def bad_bank() -> dict[str, list[dict[str, object]]]:
    """The same bank with one row broken for each of many rules."""
    bank = good_bank()
    customer, profile, behaviour = bank["customer"], bank["deposit_profile"], bank["behaviour"]
    customer[0] |= {"sex": "X", "age_band": "100+", "holding_type": "D"}
    customer[1] |= {"customer_id": None}
    customer[2] |= {"customer_id": "고객0"}
    customer[3] |= {"birth_date": date(1900, 1, 1), "joined_on": date(1899, 12, 31)}
    profile[0] |= {"balance": -1}
    profile[1] |= {"account_count": 9}
    behaviour[0] |= {"amount_mean": float("nan")}
    behaviour[1] |= {"amount_mean": float("inf")}
    behaviour[2] |= {"transfer_share": 1.5}
    for row in behaviour:
        row["income"] = None
    bank["fund_holding"][0] |= {"opened_on": date(2022, 12, 5)}
    bank["fund_holding"][1] |= {"customer_id": "nobody", "product_code": "nothing"}
    bank["fund_holding"][2] |= {"closed_on": date(2022, 1, 1)}
    bank["product"] = []
    return bank


EXPECTED = {
    "customer sex.code": 1,
    "customer age_band.code": 1,
    "customer holding_type.agrees": 1,
    "customer customer_id.present": 1,
    "customer key.unique": 2,  # the repeated key and the row without one
    "customer birth_date.plausible": 1,
    "customer joined_on.plausible": 1,
    "customer birth_date.before_joining": 1,
    "deposit_profile customer_id.known": 2,  # those whose customer lost the key
    "deposit_profile balance.minimum": 1,
    "deposit_profile account_count.sum_of_parts": 1,
    "behaviour customer_id.known": 2,
    "behaviour amount_mean.finite": 2,
    "behaviour transfer_share.maximum": 1,
    "behaviour income.not_all_null": 6,
    "fund_holding opened_on.not_future": 1,
    "fund_holding customer_id.known": 5,
    "fund_holding product_code.known": 12,
    "fund_holding closed_on.after_opening": 1,
    "product rows.not_empty": 1,
}


SHAPES = {
    "customer sex.code": "a",
    "customer age_band.code": "999+",
    "customer holding_type.agrees": "a",
    "customer customer_id.present": "null",
    "customer key.unique": "null",
    "customer birth_date.plausible": "9999-99-99",
    "customer joined_on.plausible": "9999-99-99",
    "customer birth_date.before_joining": "9999-99-99",
    "deposit_profile customer_id.known": "가가9",
    "deposit_profile balance.minimum": "-9",
    "deposit_profile account_count.sum_of_parts": "9",
    "behaviour customer_id.known": "가가9",
    "behaviour amount_mean.finite": "aaa",
    "behaviour transfer_share.maximum": "9.9",
    "fund_holding opened_on.not_future": "9999-99-99",
    "fund_holding customer_id.known": "aaaaaa",
    "fund_holding product_code.known": "a9",
    "fund_holding closed_on.after_opening": "9999-99-99",
}


def other_bank() -> dict[str, list[dict[str, object]]]:
    """The sound bank a week later: every column sound, and nothing as it used to be."""
    bank = good_bank()
    bank["customer"] = [{**row, "sex": None} for row in bank["customer"]]
    bank["deposit_profile"] = [
        {**row, "balance": 2000 * (n + 1)} for n, row in enumerate(bank["deposit_profile"][:3])
    ]
    bank["product"] = bank["product"] * 2
    for n, row in enumerate(bank["product"]):
        bank["product"][n] = {**row, "product_code": f"F{n + 1}", "product_name": NAMES[n]}
    stranger = {**bank["fund_holding"][0], "customer_id": "nobody"}
    bank["fund_holding"] = [*bank["fund_holding"] * 4, stranger]
    return bank


NAMES = [
    "줄\n바꿈 🏦",
    "tab\tcomma, 'quote' \"double\" \\",
    "x'; DROP TABLE customer; --",
    "\x01|\r",
]
UNUSUAL = {
    "customer sex.null_share": 6,
    "deposit_profile balance.unit": 3,
    "deposit_profile rows.near_median": 1,
    "fund_holding rows.near_median": 1,
    "fund_holding customer_id.known": 1,
    "behaviour rows.not_a_copy": 6,
}


class Bank:
    """A bank's tables in Hive and the adapter over them."""

    def __init__(self, door: hive.Hive, folder: Path) -> None:
        self.hive, self.folder = door, folder
        self.adapter = folder / "adapters" / SOURCE
        self.adapter.mkdir(parents=True)
        self._fills = 0
        door.execute(f"CREATE DATABASE {BANK}")
        for name in TABLES:
            self.select(name)

    def select(self, name: str, **replaced: str) -> None:
        """Write the adapter's SELECT of a table, some columns by other SQL or, if '', none."""
        columns = {c: f"`{c}`" for c in WORK_TABLES[name].column_names} | replaced
        listed = ", ".join(
            f"{expression} AS `{c}`" for c, expression in columns.items() if expression
        )
        (self.adapter / f"{name}.sql").write_text(f"SELECT {listed} FROM ${{bank}}.{name}\n")

    def fill(self, rows: Mapping[str, list[dict[str, object]]]) -> None:
        """Replace the bank's tables."""
        for name, content in rows.items():
            self.put(name, as_table(name, content))

    def put(self, name: str, table: pa.Table, types: Mapping[str, str] = NO_TYPES) -> None:
        """Replace a table of the bank; `types` are Hive's where they differ from the file's."""
        self._fills += 1
        place = self.folder / f"table{self._fills}"
        place.mkdir(parents=True)
        pq.write_table(table, place / "data.parquet")
        columns = ", ".join(f"`{f.name}` {types.get(f.name, TYPES[f.type])}" for f in table.schema)
        self.hive.execute(f"DROP TABLE IF EXISTS {BANK}.{name}")
        self.hive.execute(
            f"CREATE EXTERNAL TABLE {BANK}.{name} ({columns}) STORED AS PARQUET "
            f"LOCATION '{place.as_uri()}'"
        )


def as_table(name: str, rows: list[dict[str, object]]) -> pa.Table:
    """Return rows with the contract's types, nulls allowed everywhere."""
    fields = [pa.field(c.name, c.type) for c in WORK_TABLES[name].columns]
    return pa.Table.from_pylist(rows, pa.schema(fields))


@pytest.fixture(scope="module")
def bank(hive_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with hive.connect(hive_url) as door:
        yield Bank(door, tmp_path_factory.mktemp("bank"))
        for database in (BANK, f"work_{SOURCE}"):
            door.execute(f"DROP DATABASE IF EXISTS {database} CASCADE")


@pytest.fixture(scope="module")
def loader_url(addresses: mart.Addresses) -> str:
    """Address of a migrated mart's loader."""
    return addresses.loader


@pytest.fixture(scope="module")
def loader(loader_url: str) -> Iterator[Connection]:
    with closing(mart.connect(loader_url)) as connection:
        yield connection


def stage_at(bank: Bank, loader: Connection, base_date: date) -> Stage:
    """Begin the stage for a base date."""
    settings = Settings(source=SOURCE, source_database=BANK, sources=bank.adapter.parent)
    source = sources.find(SOURCE, bank.adapter.parent)
    fence = ledger.begin_stage(loader, STAGES[0], base_date, "test")
    return Stage(Week(base_date, settings, bank.hive, source), loader, fence, settings)


def recorded(
    loader: Connection, columns: str, table: str, base_date: date
) -> list[tuple[object, ...]]:
    """Return what the ledger keeps of a base date."""
    with loader.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM ops.{table} WHERE base_date = %s", (base_date,))
        return cursor.fetchall()


def broken(loader: Connection, base_date: date) -> dict[str, int]:
    """Return the broken rules of a base date with their counts."""
    columns = "work_table || ' ' || rule, unexpected, passed"
    rows = recorded(loader, columns, "quality_result", base_date)
    return {str(name): int(str(count)) for name, count, passed in rows if not passed}


class TestOnRealServers:
    """One bank, week after week; each test fills it anew and takes a base date of its own."""

    pytestmark = needs_servers

    def test_a_select_may_read_another_work_table_in_the_first_week_of_all(
        self, bank: Bank, loader: Connection
    ) -> None:
        """First of the class, as no table is there yet."""
        at = date(2023, 4, 2)
        assert not bank.hive.query(f"SHOW DATABASES LIKE 'work_{SOURCE}'").num_rows
        bank.fill(good_bank())
        file = bank.adapter / "fund_holding.sql"
        before = file.read_text()
        known = "s WHERE customer_id IN (SELECT customer_id FROM ${work}.customer)"
        file.write_text(f"SELECT * FROM ({before}) {known}")
        try:
            stage = stage_at(bank, loader, at)
            columns = ingest.check_selects(stage.week)
            wanted = [ingest.Partition(name, at) for name in ("fund_holding", "customer")]
            built = ingest.build(stage.week, wanted, columns)
        finally:
            file.write_text(before)
        assert [b.rows for b in built] == [12, 6]

    def test_a_sound_week_is_built_sorted_checked_and_recorded(
        self, bank: Bank, loader: Connection, caplog: pytest.LogCaptureFixture
    ) -> None:
        bank.fill(good_bank())
        with caplog.at_level(logging.DEBUG):
            figures = ingest.work(stage_at(bank, loader, BASE_DATE))
        rows = {"customer": 6, "deposit_profile": 6, "product": 2, "fund_holding": 12}
        assert figures["rows"] == {**rows, "behaviour": 6}
        assert "고객" not in caplog.text
        table = bank.hive.read_table(f"work_{SOURCE}", "customer", BASE_DATE)
        assert table["customer_id"].to_pylist() == [f"고객{n}" for n in range(6)]
        assert set(table["birth_date"].to_pylist()) == {date(1990, 1, 1)}
        kept = recorded(loader, "work_table, rows, length(fingerprint), bytes > 0, partition_date",
                        "work_table", BASE_DATE)  # fmt: skip
        assert sorted(kept) == sorted(
            (name, count, 64, True, BASE_DATE) for name, count in figures["rows"].items()
        )
        assert broken(loader, BASE_DATE) == {
            "product sale_end.not_all_null": 2,
            "product max_age.not_all_null": 2,
            "fund_holding closed_on.not_all_null": 12,
        }
        assert figures["warnings"] == 3

    def test_a_bad_week_is_refused_and_every_broken_rule_counted(
        self, bank: Bank, loader: Connection, caplog: pytest.LogCaptureFixture
    ) -> None:
        bank.fill(bad_bank())
        stage = stage_at(bank, loader, SUNDAY_BEFORE)
        with caplog.at_level(logging.DEBUG), pytest.raises(EmptyWorkTableError) as caught:
            ingest.work(stage)
        assert "product rows.not_empty" in str(caught.value)
        assert "고객" not in caplog.text + str(caught.value)
        assert broken(loader, SUNDAY_BEFORE) == EXPECTED
        shapes = recorded(loader, "work_table || ' ' || rule, example_shape", "quality_result",
                          SUNDAY_BEFORE)  # fmt: skip
        assert {name: shape for name, shape in shapes if shape} == SHAPES

    def test_a_week_unlike_the_last_is_refused_until_each_rule_is_overridden(
        self,
        bank: Bank,
        loader: Connection,
        loader_url: str,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("PASSBOOK_MART_URL", loader_url)
        at = date(2023, 1, 8)
        bank.fill(good_bank())
        stage = stage_at(bank, loader, at - timedelta(weeks=1))
        ingest.work(stage)
        ledger.record_verdict(loader, stage.fence, "pass")
        bank.fill(other_bank())
        stage = stage_at(bank, loader, at)
        with pytest.raises(QualityError) as caught:
            ingest.work(stage)
        ledger.record_verdict(loader, stage.fence, "reject", code="E201", reason="as told")
        failed = {name for name in UNUSUAL if name in str(caught.value)}
        assert failed == UNUSUAL.keys()
        assert {name: broken(loader, at)[name] for name in UNUSUAL} == UNUSUAL

        assert main(["quality", "show", "--base-date", f"{at}"]) == 1
        shown = capsys.readouterr().out
        assert f"{at}: reject (E201: as told)" in shown
        assert re.search(r"fund_holding +customer_id.known +fail +1 +49 +aaaaaa *\n", shown)
        assert "고객" not in shown
        assert "nobody" not in shown

        override = ["quality", "override", f"{at}", "--reason", "합병한 주", "--until"]
        assert main([*override, "2023-01-07", "customer", "sex.null_share"]) == 0
        assert check_work_tables.read_overrides(stage) == []
        assert main([*override, "2999-12-31", "customer", "sex.code"]) == 1
        assert "sex.code cannot be overridden" in capsys.readouterr().err
        for name in UNUSUAL:
            assert main([*override, "2999-12-31", *name.split()]) == 0
        stage = stage_at(bank, loader, at)
        assert ingest.work(stage)["overridden"] == len(UNUSUAL)
        ledger.record_verdict(loader, stage.fence, "pass")
        assert broken(loader, at).keys() >= UNUSUAL.keys()
        capsys.readouterr()
        assert main(["quality", "show", "--base-date", f"{at}"]) == 0
        shown = capsys.readouterr().out
        assert "Override of customer sex.null_share, in force: until 2999-12-31, by " in shown
        assert "Override of customer sex.null_share, no longer in force: until 2023-01-07" in shown
        products = bank.hive.read_table(f"work_{SOURCE}", "product", at)
        assert products["product_name"].to_pylist() == NAMES

    def test_values_that_are_none_or_overflow_are_counted(
        self, bank: Bank, loader: Connection
    ) -> None:
        at = date(2023, 2, 5)
        bank.fill(good_bank())
        bank.select("customer", joined_on="CAST('0000-00-00' AS DATE)")
        bank.select(
            "deposit_profile",
            balance="CAST('9223372036854775808' AS BIGINT)",
            avg_balance_3m="CAST(CAST('1e40' AS DECIMAL(38,0)) AS BIGINT)",
            deposit_amount="`deposit_amount` * 9223372036854775807",
        )
        try:
            with pytest.raises(ContractError):
                ingest.work(stage_at(bank, loader, at))
        finally:
            bank.select("customer")
            bank.select("deposit_profile")
        found = broken(loader, at)
        assert found["customer joined_on.present"] == 6
        assert found["deposit_profile balance.present"] == 6
        assert found["deposit_profile avg_balance_3m.present"] == 6
        assert found["deposit_profile deposit_amount.minimum"] == 6

    def test_a_bank_that_changed_its_tables_is_read_by_name_or_refused(
        self, bank: Bank, loader: Connection
    ) -> None:
        at = date(2023, 3, 5)
        bank.fill(good_bank())
        stage = stage_at(bank, loader, at)
        people = as_table("customer", good_bank()["customer"])
        added = people.append_column("a_new_one", people["sex"])
        bank.put("customer", added.select(added.column_names[::-1]))
        columns = ingest.check_selects(stage.week)
        (built,) = ingest.build(stage.week, [ingest.Partition("customer", at)], columns)
        assert built.rows == 6
        work = bank.hive.read_table(f"work_{SOURCE}", "customer", at)
        assert work["occupation_group"].to_pylist() == ["employed"] * 6

        nul = people.set_column(5, "region_code", pa.array(["11", "\0", *["11"] * 4]))
        bank.put("customer", nul)
        with pytest.raises(ContractError, match=r"customer\.region_code holds text with a NUL"):
            ingest.build(stage.week, [ingest.Partition("customer", at)], columns)
        goods = as_table("product", good_bank()["product"])
        latin = pa.array([b"\xc5\xcd", b"ok"], pa.binary())  # a name in another encoding
        bank.put("product", goods.set_column(1, "product_name", latin))
        with pytest.raises(ContractError, match=r"product\.product_name holds text that is no UTF"):
            ingest.build(stage.week, [ingest.Partition("product", at)], columns)

        bank.put("customer", people.drop_columns(["sex"]))
        with pytest.raises(HiveStatementError, match="sex"):
            ingest.check_selects(stage.week)
        bank.put("customer", people)
        retyped = goods.set_column(5, "min_age", pa.array(["19", "x"]))
        bank.put("product", retyped, types={"min_age": "INT"})
        with pytest.raises(HiveStatementError):
            ingest.build(stage.week, [ingest.Partition("product", at)], columns)

    def test_the_weeks_before_are_read_from_the_ledger(
        self, bank: Bank, loader: Connection
    ) -> None:
        at = date(2021, 12, 5)
        for weeks, rows, verdict in (
            (1, 40, "pass"),
            (2, 60, "pass"),
            (3, 9, "reject"),
            (9, 1, "pass"),
        ):
            day = at - timedelta(weeks=weeks)
            fence = ledger.begin_stage(loader, STAGES[0], day, "test")
            built = ingest.Built(ingest.Partition("customer", day), rows, 1, 1.0, f"hash{weeks}")
            earlier = ingest.Built(ingest.Partition("customer", date(2021, 6, 6)), 5, 1, 1.0, "x")
            ledger.append(loader, fence, "work_table", ingest.built_rows(day, [built, earlier]))
            ledger.record_verdict(loader, fence, verdict)
        history = check_work_tables.read_history(stage_at(bank, loader, at))
        assert history.rows == {"customer": [60, 40]}
        assert history.last == {"customer": "hash1"}
        (copied,) = check_work_tables.find_copies({"customer": (40, "hash1")}, history)
        assert (copied.rule.name, copied.unexpected, copied.passed) == (
            "rows.not_a_copy",
            40,
            False,
        )

    def test_wrong_columns_are_e103_all_at_once_and_nothing_is_built(
        self, bank: Bank, loader: Connection
    ) -> None:
        bank.select("customer", sex="", birth_date="CAST(`birth_date` AS STRING)", colour="'red'")
        bank.select("behaviour", txn_count="CAST(`txn_count` AS DECIMAL(20,0))")
        try:
            with pytest.raises(ContractError) as caught:
                ingest.work(stage_at(bank, loader, date(2022, 11, 13)))
        finally:
            bank.select("customer")
            bank.select("behaviour")
        for fault in (
            "customer.sex is missing",
            "customer.colour is not in the contract",
            "customer.birth_date is STRING, the contract says DATE",
            "behaviour.txn_count is DECIMAL128(20, 0), the contract says INT",
        ):
            assert fault in str(caught.value)
        assert not bank.hive.partition_exists(f"work_{SOURCE}", "product", date(2022, 11, 13))

    def test_observation_dates_are_built_unless_a_passed_run_did(
        self, bank: Bank, loader: Connection
    ) -> None:
        (bank.adapter / "credit_outcome.sql").write_text("SELECT 1")
        at = date(2023, 6, 4)
        earlier, later = observation_dates(at)
        assert later == BASE_DATE
        try:
            stage = stage_at(bank, loader, at)
            assert later in {partition.at for partition in ingest.missing_observations(stage)}
            fence = ledger.begin_stage(loader, STAGES[0], later, "test")
            ledger.record_verdict(loader, fence, "pass")
            bank.hive.execute(ingest.create_table(WORK_TABLES["customer"], f"work_{SOURCE}"))
            bank.hive.execute(
                f"ALTER TABLE work_{SOURCE}.customer ADD IF NOT EXISTS "
                f"PARTITION (base_date='{later}')"
            )
            missing = {(p.table, p.at) for p in ingest.missing_observations(stage)}
        finally:
            (bank.adapter / "credit_outcome.sql").unlink()
        assert ("customer", later) not in missing
        assert {("customer", earlier), ("deposit_profile", earlier)} <= missing


@pytest.mark.parametrize("table", WORK_TABLES)
def test_ddl_holds_the_contracts_columns(table: str) -> None:
    ddl = ingest.create_table(WORK_TABLES[table], "work")
    for column in WORK_TABLES[table].columns:
        assert f"`{column.name}` {TYPES[column.type]} COMMENT '" in ddl
    assert "PARTITIONED BY (`base_date` DATE" in ddl
    assert ddl.count(";") == 0
