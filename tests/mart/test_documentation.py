"""docs/mart.md says what the mart has, word by word, and the queries of the guides run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from .weeks import rows

pytestmark = pytest.mark.postgres

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = (DOCS / "mart.md").read_text()
GUIDES = ("mart.md", "operations.md", "first-week-as-ops.md", "first-week-as-analyst.md")
QUERIES = [
    query
    for guide in GUIDES
    for block in re.findall(r"^```sql\n(.+?)^```", (DOCS / guide).read_text(), re.M | re.S)
    for query in re.findall(r"\s*([^\\;]+;)", block)
]


def test_every_relation_and_column_is_described_by_its_comment(analyst: Connection) -> None:
    found = rows(
        analyst,
        """SELECT c.relname, obj_description(c.oid, 'pg_class'), a.attname,
                  format_type(a.atttypid, a.atttypmod), col_description(c.oid, a.attnum)
           FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
             AND NOT a.attisdropped
           WHERE c.relnamespace = 'mart'::regnamespace AND c.relkind IN ('p', 'v')
             AND c.relname NOT LIKE '%\\_latest'""",
    )
    sections = dict(re.findall(r"^### mart\.(\w+)\n\n(.+?)(?=^### |\Z)", TEXT, re.M | re.S))
    assert sections.keys() == {row[0] for row in found}
    for relation, comment, column, kind, meaning in found:
        assert sections[relation].startswith(f"{comment}.\n")
        assert f"\n| `{column}` | {kind} | {meaning} |\n" in sections[relation] + "\n"
    described = sum(section.count("\n| `") for section in sections.values())
    assert described == len(found)


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_runs_as_an_analyst(analyst: Connection, query: str) -> None:
    rows(analyst, query)


def test_the_latest_views_are_the_ones_named_and_have_their_tables_columns(
    analyst: Connection,
) -> None:
    found = rows(
        analyst,
        """SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)
           FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
             AND NOT a.attisdropped
           WHERE c.relnamespace = 'mart'::regnamespace AND c.relkind IN ('p', 'v') GROUP BY 1""",
    )
    columns = dict(found)
    latest = {name.removesuffix("_latest") for name in columns if name.endswith("_latest")}
    sentence = re.search(r"There is a `_latest` view of (.+?), with", TEXT, re.S)
    assert sentence is not None
    assert latest == set(re.findall(r"`(\w+)`", sentence[1]))
    for name in latest:
        assert columns[f"{name}_latest"] == columns[name]
