"""The ingest stage on a real Hive and a real mart: built, checked, recorded, or refused."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import hive, ledger, mart, sources
from passbook.base_date import observation_dates
from passbook.contracts import STAGES, WORK_TABLES
from passbook.errors import ContractError, EmptyWorkTableError, FutureRowError, QualityError
from passbook.quality.expectations import Finding
from passbook.quality.rules import Rule
from passbook.settings import Settings
from passbook.steps import ingest_work_tables as ingest
from passbook.steps.stage import Stage
from passbook.steps.week import Week

SOURCE = f"ingest_{os.getpid()}_test"
BANK = f"bank_{SOURCE}"
BASE_DATE = date(2022, 12, 4)
SUNDAY_BEFORE = date(2022, 11, 27)
TABLES = ("customer", "deposit_profile", "product", "fund_holding", "behaviour")
TYPES = {pa.string(): "STRING", pa.date32(): "DATE", pa.bool_(): "BOOLEAN", pa.int32(): "INT",
         pa.int64(): "BIGINT", pa.float64(): "DOUBLE"}  # fmt: skip

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
        self._fills += 1
        for name, content in rows.items():
            place = self.folder / f"bank{self._fills}" / name
            place.mkdir(parents=True)
            fields = [pa.field(c.name, c.type) for c in WORK_TABLES[name].columns]
            table = pa.Table.from_pylist(content, pa.schema(fields))
            pq.write_table(table, place / "data.parquet")
            columns = ", ".join(f"`{c.name}` {TYPES[c.type]}" for c in WORK_TABLES[name].columns)
            self.hive.execute(f"DROP TABLE IF EXISTS {BANK}.{name}")
            self.hive.execute(
                f"CREATE EXTERNAL TABLE {BANK}.{name} ({columns}) STORED AS PARQUET "
                f"LOCATION '{place.as_uri()}'"
            )


@pytest.fixture(scope="module")
def bank(hive_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with hive.connect(hive_url) as door:
        yield Bank(door, tmp_path_factory.mktemp("bank"))
        for database in (BANK, f"work_{SOURCE}"):
            door.execute(f"DROP DATABASE IF EXISTS {database} CASCADE")


@pytest.fixture(scope="module")
def loader(postgres_superuser_url: str, postgres_database: str) -> Iterator[Connection]:
    """A loader's connection to a migrated mart."""
    name = urlsplit(postgres_database).path.removeprefix("/")
    given = mart.prepare_database(postgres_superuser_url, name, "a", "b", "c")
    mart.migrate(given.owner)
    with closing(mart.connect(given.loader)) as connection:
        yield connection
    with closing(psycopg2.connect(postgres_database)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for address in (given.owner, given.loader, given.analyst):
            login = sql.Identifier(urlsplit(address).username or "")
            cursor.execute(sql.SQL("DROP OWNED BY {}").format(login))
            cursor.execute(sql.SQL("DROP ROLE {}").format(login))


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
        history = ingest.read_history(stage_at(bank, loader, at))
        assert history.rows == {"customer": [60, 40]}
        assert history.last == {"customer": "hash1"}
        again = ingest.Built(ingest.Partition("customer", at), 40, 1, 1.0, "hash1")
        (copied,) = ingest.find_copies([again], at, history)
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


def finding(name: str, severity: str = "fail", *, passed: bool = False, rows: int = 9) -> Finding:
    column, kind = name.split(".")
    rule = Rule(column, kind, "", severity)  # type: ignore[arg-type]
    return Finding("fund_holding", rule, rows, 0 if passed else 3, passed)


@pytest.mark.parametrize(
    ("names", "error"),
    [
        (["amount.minimum"], QualityError),
        (["amount.minimum", "opened_on.not_future"], FutureRowError),
        (["opened_on.not_future", "key.unique"], ContractError),
        (["key.unique", "rows.not_empty"], EmptyWorkTableError),
    ],
)
def test_the_gravest_kind_is_raised_with_its_rules(
    names: list[str], error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        ingest.judge([finding(name) for name in names])
    assert f"fund_holding {names[-1]}: 3 of 9 rows" in str(caught.value)


def test_warnings_and_kept_rules_pass_and_warnings_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ingest.judge([finding("amount.minimum", passed=True), finding("closed_on.plausible", "warn")])
    assert "warn fund_holding closed_on.plausible: 3 of 9 rows" in caplog.text


def test_a_bank_without_any_holding_is_empty() -> None:
    with pytest.raises(EmptyWorkTableError, match="No holding table has a row"):
        ingest.judge([finding("amount.minimum", passed=True, rows=0)])


@pytest.mark.parametrize("table", WORK_TABLES)
def test_ddl_holds_the_contracts_columns(table: str) -> None:
    ddl = ingest.create_table(WORK_TABLES[table], "work")
    for column in WORK_TABLES[table].columns:
        assert f"`{column.name}` {TYPES[column.type]} COMMENT '" in ddl
    assert "PARTITIONED BY (`base_date` DATE" in ddl
    assert ddl.count(";") == 0
