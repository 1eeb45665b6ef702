"""The migrated schema is the contracts'; the three roles may do what they should and no more."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pyarrow as pa
import pytest
from alembic.script import ScriptDirectory
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

import passbook
from passbook import ledger, mart
from passbook.contracts import MART_TABLES, OPS_TABLES, Table
from passbook.errors import MartUnreachableError, MigrationError, SettingsError
from passbook.mart.connection import HEAD

from .weeks import BASE_DATE, offer_week, rows, segments

TYPES = {
    pa.string(): "text",
    pa.date32(): "date",
    pa.bool_(): "boolean",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float32(): "real",
    pa.float64(): "double precision",
    pa.list_(pa.string()): "text[]",
    pa.list_(pa.int32()): "integer[]",
    pa.list_(pa.float32()): "real[]",
    pa.list_(pa.int16()): "smallint[]",
    pa.binary(): "bytea",
}
TABLES = [*(("mart", t) for t in MART_TABLES.values()), *(("ops", t) for t in OPS_TABLES.values())]


def test_the_code_needs_the_newest_migration() -> None:
    folder = Path(passbook.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_heads() == [HEAD]


@pytest.mark.postgres
@pytest.mark.parametrize(("schema", "table"), TABLES, ids=lambda v: getattr(v, "name", v))
def test_a_migrated_table_is_its_contract(loader: Connection, schema: str, table: Table) -> None:
    found = rows(
        loader,
        """SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull,
                  col_description(attrelid, attnum)
           FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
           ORDER BY attnum""",
        f"{schema}.{table.name}",
    )
    assert found == [(c.name, TYPES[c.type], c.nullable, c.description) for c in table.columns]
    key = rows(
        loader,
        """SELECT array_agg(a.attname::text ORDER BY k.place) FROM pg_index i
           CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
           JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
           WHERE i.indrelid = %s::regclass AND i.indisprimary""",
        f"{schema}.{table.name}",
    )
    assert key == [(list(table.key),)]


@pytest.mark.postgres
def test_every_relation_column_and_function_has_a_comment(loader: Connection) -> None:
    silent = rows(
        loader,
        """SELECT c.oid::regclass::text, a.attname
           FROM pg_class c
           LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND c.relkind <> 'S'
                AND NOT a.attisdropped
           WHERE c.relnamespace IN ('mart'::regnamespace, 'ops'::regnamespace)
             AND c.relkind IN ('r', 'p', 'v', 'S') AND NOT c.relispartition
             AND c.relname <> 'alembic_version'
             AND (obj_description(c.oid, 'pg_class') IS NULL
                  OR a.attname IS NOT NULL AND col_description(c.oid, a.attnum) IS NULL)
           UNION ALL
           SELECT p.oid::regprocedure::text, NULL FROM pg_proc p
           WHERE p.pronamespace = 'ops'::regnamespace
             AND obj_description(p.oid, 'pg_proc') IS NULL""",
    )
    assert silent == []


@pytest.mark.postgres
def test_preparing_and_migrating_again_changes_nothing(
    postgres_superuser_url: str, addresses: mart.Addresses, loader: Connection
) -> None:
    query = "SELECT oid, relname, relacl::text FROM pg_class ORDER BY oid"
    before = rows(loader, query)
    database = urlsplit(addresses.owner).path.removeprefix("/")
    again = mart.prepare_database(postgres_superuser_url, database, "own:er@", "load/er", "읽기")
    mart.migrate(again.owner)
    assert again == addresses
    assert rows(loader, query) == before


@pytest.mark.postgres
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM ops.verdict",
        "SELECT * FROM ops.model_version",
        "INSERT INTO mart.product VALUES ('2022-12-04', 'X', 'x', 'deposit', true)",
        "DELETE FROM mart.customer_segment",
        "CREATE TABLE mart.mine (a int)",
        "CREATE TABLE public.mine (a int)",
        "CREATE TEMP TABLE mine (a int)",
        "SELECT ops.begin_stage('score_credit', '2022-12-04', 'analyst')",
        "SELECT ops.create_stage_table('product', '2022-12-04')",
        "SELECT ops.champion('credit.style', '2022-12-04')",
        "SET ROLE passbook_owner",
    ],
)
def test_an_analyst_may_not(analyst: Connection, statement: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), analyst.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.postgres
def test_an_analyst_may_read_every_relation_of_the_mart_and_none_of_stage(
    loader: Connection, analyst: Connection
) -> None:
    for band in (1, 2):  # the second week replaces the first, which moves to stage
        fence = ledger.begin_stage(loader, "recommend_products", BASE_DATE, "run")
        tables = {
            "customer_segment": [segments([band])],
            **offer_week(["1"], [["A"]]),
        }
        mart.publish(loader, fence, tables, inputs={})
    names = rows(analyst, "SELECT oid::regclass::text FROM pg_class"
                 " WHERE relkind IN ('r', 'p', 'v')"
                 " AND relnamespace = 'mart'::regnamespace")  # fmt: skip
    assert {"mart.customer", "mart.product_recommendation_latest"} <= {name for (name,) in names}
    for (name,) in names:
        rows(analyst, f"SELECT * FROM {name} LIMIT 1")
    hidden = rows(analyst, "SELECT relname FROM pg_class WHERE relkind = 'r'"
                  " AND relnamespace = 'stage'::regnamespace")  # fmt: skip
    assert hidden
    for (name,) in hidden:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            rows(analyst, f"SELECT * FROM stage.{name}")


@pytest.mark.postgres
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM mart.customer_segment",
        "DELETE FROM ops.promotion",
        "UPDATE ops.model_version SET manifest_sha256 = ''",
        "DELETE FROM ops.publication",
        "DROP TABLE mart.product",
        "CREATE TABLE mart.mine (a int)",
        "SELECT ops.exchange_partition('product', '2022-12-04', 'x')",
        "SET ROLE passbook_owner",
    ],
)
def test_a_loader_may_not(loader: Connection, statement: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), loader.cursor() as cursor:
        cursor.execute(statement)
    loader.rollback()


@pytest.mark.postgres
def test_logins_of_one_mart_do_not_open_another(
    postgres_superuser_url: str, addresses: mart.Addresses
) -> None:
    name = f"elsewhere_{os.getpid()}_test"
    elsewhere = urlsplit(addresses.analyst)._replace(path=f"/{name}").geturl()
    with closing(psycopg2.connect(postgres_superuser_url)) as admin, admin.cursor() as cursor:
        admin.autocommit = True
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name}")
        cursor.execute(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
        try:
            with pytest.raises(MartUnreachableError, match="permission denied"):
                mart.connect(elsewhere)
        finally:
            cursor.execute(f"DROP DATABASE {name}")


@pytest.mark.postgres
def test_a_database_without_the_mart_says_so(postgres_superuser_url: str) -> None:
    with pytest.raises(MigrationError, match=r"E704 .* `passbook migrate`"):
        mart.connect(postgres_superuser_url)


@pytest.mark.postgres
def test_a_wrong_password_is_not_repeated(addresses: mart.Addresses) -> None:
    with pytest.raises(MartUnreachableError) as caught:
        mart.connect(addresses.loader.replace("load%2Fer", "hunter2"))
    assert "hunter2" not in str(caught.value)
    assert caught.value.retryable


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://bank:hid%zzden@127.0.0.1:1/mart",
        "postgresql://bank:pass@hidden@127.0.0.1:1/mart",
        "mysql://bank:hidden@127.0.0.1:1/mart",
    ],
)
def test_an_address_that_cannot_be_read_is_not_repeated(url: str) -> None:
    """libpq would quote the part that it stumbles over: of a password, more often than not."""
    with pytest.raises(SettingsError, match="cannot be read") as error:
        mart.connect(url)
    assert "hid" not in str(error.value)
    assert error.value.__context__ is None


def test_a_server_that_is_away_is_named() -> None:
    with pytest.raises(MartUnreachableError, match="E701"):
        mart.connect("postgresql://u:p@127.0.0.1:1/none")
