"""Masked analysts, by real logins; records sealed with a newer key."""

from __future__ import annotations

import base64
import json
from contextlib import closing
from datetime import date

import psycopg2
import pyarrow as pa
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from passbook import cli, ledger, mart, settings
from passbook.contracts import MART_TABLES
from passbook.privacy.keys import KeyRing
from passbook.privacy.pseudonyms import pseudonyms
from passbook.privacy.sealing import Sealer

from .weeks import BASE_DATE, batch, offer_week, rows, segments

pytestmark = pytest.mark.postgres

KEYS = {1: bytes(32), 2: bytes(range(32))}
CUSTOMERS = [f"C{n:07d}" for n in range(3)]
LATER = date(2022, 12, 11)
CONTENT = pa.array([[float(n), 1.5] for n in range(3)], pa.list_(pa.float32()))


def as_bytes() -> object:
    return CONTENT.flatten().to_numpy().reshape(3, 2).view("u1")


def records(base_date: date, version: int) -> pa.RecordBatch:
    """Return records sealed with a version of the key."""
    sealer = Sealer(KeyRing({version: KEYS[version]}), "credit_score_record", base_date)
    columns = {
        "base_date": pa.array([base_date] * 3, pa.date32()),
        "customer_id": pa.array(CUSTOMERS),
        "start": pa.array([600] * 3, pa.int32()),
        "points": pa.array([[-7, 3]] * 3, pa.list_(pa.int16())),
        "data": pa.array([[float("nan"), 2.0]] * 3, pa.list_(pa.float32())),
        "key_version": pa.array([version] * 3, pa.int32()),
        "sealed": sealer.seal(pa.array(CUSTOMERS), as_bytes()),  # type: ignore[arg-type]
    }
    schema = MART_TABLES["credit_score_record"].schema
    return pa.record_batch([columns[name] for name in schema.names], schema=schema)


def publish(loader: Connection, base_date: date, version: int = 1) -> None:
    """Publish a small week of everything that names customers."""
    fence = ledger.begin_stage(loader, "score_credit", base_date, "run")
    scores = batch(
        "credit_score", base_date, customer_id=CUSTOMERS, style=["tight_passive"] * 3,
        style_probability=[0.5] * 3, default_probability=[0.1] * 3, credit_index=[596] * 3,
        band=["C"] * 3, reasons=[["r"]] * 3,
    )  # fmt: skip
    features = batch(
        "credit_score_feature", base_date, place=[0, 1, 2], feature=["start", "income", "arrears"],
        description=["start", "income", "arrears"], description_ko=["기본", "소득", "연체"],
        direction=[0, -1, 1], sealed=[False, True, False], version=["v1"] * 3,
    )  # fmt: skip
    tables = {
        "customer_segment": [segments([1, 2, 3], base_date)],
        **offer_week(CUSTOMERS, [["A"]] * 3, base_date, sold=("A",)),
        "credit_score": [scores],
        "credit_score_feature": [features],
        "credit_score_record": [records(base_date, version)],
    }
    mart.publish(loader, fence, tables, inputs={})


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch, addresses: mart.Addresses) -> None:
    """The settings of an operator: the owner's address, a key of pseudonyms, sealing keys."""
    monkeypatch.setenv("PASSBOOK_MART_OWNER_URL", addresses.owner)
    monkeypatch.setenv("PASSBOOK_MART_URL", addresses.loader)
    monkeypatch.setenv("PASSBOOK_PSEUDONYM_KEY", _text(bytes(range(40))))
    sealing = json.dumps({version: _text(key) for version, key in KEYS.items()})
    monkeypatch.setenv("PASSBOOK_SEALING_KEYS", sealing)
    settings.load.cache_clear()


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()


@pytest.mark.usefixtures("keys")
def test_a_masked_analyst_reads_pseudonyms_and_no_number_anywhere(
    loader: Connection, analyst: Connection
) -> None:
    publish(loader, BASE_DATE)
    before = rows(analyst, "SELECT balance_band FROM mart.customer_segment")
    assert cli.main(["privacy", "mask"]) == 0
    publish(loader, LATER)  # a week that comes later is masked as well
    assert mart.analysts_are_masked(loader)
    named = rows(
        loader,
        """SELECT c.oid::regclass::text, c.relkind::text
           FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'customer_id'
           WHERE c.relnamespace IN ('mart'::regnamespace, 'stage'::regnamespace,
                                    'pseudonym'::regnamespace)
             AND c.relkind IN ('r', 'p', 'v')""",
    )
    partitions = [name for name, kind in named if kind == "r"]
    assert len(partitions) >= 2 * 4 + 1
    for name, _ in named:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            rows(analyst, f"SELECT count(*) FROM {name}")
    for statement in (
        "INSERT INTO pseudonym.customer VALUES ('x', 'y')",
        "SELECT ops.mask_analysts(false)",
        "COPY mart.customer_segment TO STDOUT",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            rows(analyst, statement)

    expected = set(pseudonyms(pa.array(CUSTOMERS), bytes(range(40))).to_pylist())
    views = [
        name for (name,) in rows(analyst, "SELECT relname FROM pg_class WHERE relkind = 'v'"
                                 " AND relnamespace = 'masked'::regnamespace")
    ]  # fmt: skip
    assert {"customer", "credit_score", "product_recommendation_latest"} <= set(views)
    assert not {name for name in views if "record" in name or "explanation" in name}
    for view in views:
        found = rows(analyst, f"SELECT * FROM masked.{view}")
        text = repr(found)
        assert not any(customer in text for customer in CUSTOMERS)
        ids = {row[0] for row in rows(analyst, f"SELECT customer_id FROM masked.{view}")}
        empty = ("customer", "control_offer")  # no week is complete, no control group
        assert ids == (set() if view in empty else expected), view
    assert len(rows(analyst, "SELECT balance_band FROM masked.customer_segment")) == 2 * len(before)
    assert rows(analyst, "SELECT count(*) FROM mart.product") == [(2,)]
    silent = """SELECT c.relname, a.attname FROM pg_class c
                JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
                WHERE c.relnamespace = 'masked'::regnamespace
                  AND (col_description(c.oid, a.attnum) IS NULL
                       OR obj_description(c.oid, 'pg_class') IS NULL)"""
    assert rows(analyst, silent) == []

    assert cli.main(["privacy", "unmask"]) == 0
    assert rows(analyst, "SELECT DISTINCT customer_id FROM mart.customer_segment ORDER BY 1") == [
        (customer,) for customer in CUSTOMERS
    ]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        rows(analyst, "SELECT * FROM pseudonym.customer")


def test_a_customer_gets_one_pseudonym_once(loader: Connection) -> None:
    def reversed_number(block: pa.Array) -> pa.Array:
        return pa.array(["P" + number[::-1] for number in block.to_pylist()])

    blocks = [pa.array(["N1", "N2"]), pa.array(["N,3", 'N"4\n'])]
    assert mart.keep_pseudonyms(loader, blocks, reversed_number) == 4
    assert mart.keep_pseudonyms(loader, [*blocks, pa.array(["N5"])], reversed_number) == 1
    found = rows(loader, "SELECT pseudonym FROM pseudonym.customer WHERE customer_id = 'N2'")
    assert found == [("P2N",)]


@pytest.mark.usefixtures("keys")
def test_records_are_sealed_anew_and_those_of_the_old_key_are_gone(
    loader: Connection, analyst: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(loader, BASE_DATE, version=1)
    publish(loader, LATER, version=2)
    query = "SELECT sha256 FROM mart.publication WHERE mart_table = 'credit_score_record'"
    before = rows(loader, f"{query} AND base_date = %s", LATER)
    assert cli.main(["privacy", "rotate"]) == 0
    assert "3 records from key 1 to 2" in capsys.readouterr().out
    assert cli.main(["privacy", "status"]) == 0
    assert capsys.readouterr().out.count("3 credit records, sealed with key 2") == 2
    assert rows(loader, f"{query} AND base_date = %s", LATER) == before
    # What a rerun with the newer key would publish is what is there.
    published = rows(loader, f"{query} AND base_date = %s", BASE_DATE)
    fence = ledger.begin_stage(loader, "score_credit", BASE_DATE, "again")
    week = {"credit_score_record": [records(BASE_DATE, 2)]}
    (again,) = mart.publish(loader, fence, week, inputs={})
    assert published == [(again.sha256,)]
    assert rows(analyst, "SELECT ops.content_hash('credit_score_record', %s)", BASE_DATE) == [
        (again.sha256,)
    ]
    left = rows(loader, "SELECT count(*) FROM ops.replaced_publication"
                " WHERE mart_table = 'credit_score_record'")  # fmt: skip
    assert left == [(0,)]


@pytest.mark.usefixtures("keys")
def test_a_rotation_without_the_old_key_changes_nothing(
    loader: Connection, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(loader, BASE_DATE, version=1)
    before = rows(loader, "SELECT * FROM mart.publication ORDER BY mart_table, base_date")
    monkeypatch.setenv("PASSBOOK_SEALING_KEYS", json.dumps({"2": _text(KEYS[2])}))
    settings.load.cache_clear()
    assert cli.main(["privacy", "rotate"]) == 1
    assert "E503" in capsys.readouterr().err
    assert rows(loader, "SELECT * FROM mart.publication ORDER BY mart_table, base_date") == before
    assert rows(loader, "SELECT to_regclass('stage.resealed') IS NULL") == [(True,)]


@pytest.mark.usefixtures("keys")
def test_a_relation_added_by_a_migration_is_masked_too(
    addresses: mart.Addresses, loader: Connection, analyst: Connection
) -> None:
    publish(loader, BASE_DATE)
    assert cli.main(["privacy", "mask"]) == 0
    with closing(psycopg2.connect(addresses.owner)) as owner, owner, owner.cursor() as cursor:
        cursor.execute("SET ROLE passbook_owner")
        cursor.execute("CREATE VIEW mart.fresh AS SELECT customer_id FROM mart.credit_score")
        cursor.execute("GRANT SELECT ON mart.fresh TO passbook_analyst")
    try:
        mart.migrate(addresses.owner)
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            rows(analyst, "SELECT * FROM mart.fresh")
        assert rows(analyst, "SELECT customer_id LIKE 'P%' FROM masked.fresh LIMIT 1") == [(True,)]
    finally:
        with closing(psycopg2.connect(addresses.owner)) as owner, owner, owner.cursor() as cursor:
            cursor.execute("DROP VIEW mart.fresh CASCADE")
        assert cli.main(["privacy", "unmask"]) == 0
