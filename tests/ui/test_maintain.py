"""The DAG `maintain` on a real Airflow: tells first, then lets Airflow's own clean-up go on."""

from __future__ import annotations

from contextlib import closing

import psycopg2
import pytest

from passbook.embedded.airflow_api import AirflowApi, Run
from tiny_bank import TinyBank

pytestmark = [
    pytest.mark.browser, pytest.mark.airflow, pytest.mark.hive, pytest.mark.postgres,
    pytest.mark.timeout(1800),
]  # fmt: skip

OLD = "300 weeks"
PATIENCE = 600


def metadata(bank: TinyBank, statement: str) -> list[tuple[object, ...]]:
    url = bank.stack.postgres.database_url(f"airflow_{bank.stack.source}")
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def aged(bank: TinyBank) -> str:
    """A finished manual run that is made old; its id. Its own, which needs no work table."""
    with bank.api() as api:
        api.pause("maintain", paused=False)
        run = ended(api, api.trigger("maintain", {}))
        assert run.state == "success"
    metadata(
        bank,
        f"""UPDATE dag_run SET start_date = start_date - interval '{OLD}'
            WHERE run_id = '{run.run_id}'""",
    )
    return run.run_id


def ended(api: AirflowApi, run: Run) -> Run:
    api.wait(lambda: api.run(run).finished, f"The end of {run.run_id}", patience=PATIENCE)
    return api.run(run)


def test_the_dag_tells_first_and_lets_go_of_old_runs_when_asked(bank: TinyBank, aged: str) -> None:
    kept = "SELECT mart_table, base_date, sha256 FROM ops.publication ORDER BY 1, 2"
    before = bank.rows(kept)
    there = f"SELECT count(*) FROM dag_run WHERE run_id = '{aged}'"
    with bank.api("op") as api:
        told = ended(api, api.trigger("maintain", {}))
        assert api.tasks(told) == {
            "tell_what_would_go": "success", "may_go": "success", "let_go": "skipped",
        }  # fmt: skip
        assert any("airflow: " in line for line in api.log(told, "tell_what_would_go"))
        assert metadata(bank, there) == [(1,)]
        done = ended(api, api.trigger("maintain", {"apply": True}))
        assert set(api.tasks(done).values()) == {"success"}
    assert metadata(bank, there) == [(0,)]
    assert metadata(bank, "SELECT count(*) > 1 FROM dag_run") == [(True,)]
    assert metadata(bank, "SELECT 1 FROM pg_tables WHERE tablename LIKE '%airflow_deleted%'") == []
    assert bank.rows(kept) == before
