"""How a stage runs: doors opened, writer fenced, work done, verdict kept.

The doors are imported when a stage runs, not when a DAG file is parsed.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from passbook import settings as settings_module
from passbook.base_date import observation_dates
from passbook.errors import (
    PassbookError,
    SettingsError,
    StageBusyError,
    StaleWriterError,
)
from passbook.settings import Settings
from passbook.steps.model_files import read_version
from passbook.steps.week import Week

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg2.extensions import connection as Connection  # noqa: N812

    from passbook.artifacts import Artifact
    from passbook.ledger import Fence
    from passbook.mart import Publication

log = logging.getLogger(__name__)

NONE_IN_FORCE = "none in force"
"""Stands for the fingerprint of a model that there was none of."""
_UNKNOWN_FAILURE = "E000"
HIVE_OPTIONS = (
    "auth", "kerberos_service_name", "tls", "tls_ca", "timeout", "statement_timeout", "read",
)  # fmt: skip
"""Options of the Hive URL that the Airflow connection's extra may hold."""
_WRITES_WORK_TABLES = "ingest_work_tables"
_END_EARLIER_ATTEMPT = """
    SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND starts_with(a.application_name, %(run)s)
      AND a.application_name <= %(run)s || %(attempt)s COLLATE "C"
      AND l.classid = (hashtext('passbook stage')::bigint & 4294967295)::oid
      AND l.objid = (hashtext(%(key)s)::bigint & 4294967295)::oid
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


@dataclass(frozen=True)
class Stage:
    """A stage of the weekly chain at work on one base date.

    Attributes
    ----------
    week : Week
    mart : psycopg2 connection
    fence : Fence
        Proof that this is the newest writer of its stage and base date.
    settings : Settings
    """

    week: Week
    mart: Connection
    fence: Fence
    settings: Settings

    @property
    def base_date(self) -> date:
        """The base date worked on."""
        return self.week.base_date

    def champion(self, model: str) -> Artifact | None:
        """Return the newest model promoted for a base date up to this one, verified.

        Raises
        ------
        ArtifactError
            E602 when its files differ from what was promoted.
        """
        from passbook import ledger  # noqa: PLC0415

        version = ledger.champion(self.mart, model, self.base_date)
        if version is None:
            self.week.used[model] = NONE_IN_FORCE  # one that comes to be makes the week stale
            return None
        artifact = read_version(self.settings.artifacts, version)
        self.week.used[model] = artifact.manifest_sha256
        return artifact

    def publish(
        self, tables: Mapping[str, Iterable[pa.RecordBatch]], *, inputs: Mapping[str, str]
    ) -> list[Publication]:
        """Publish this week's tables of the mart in one transaction.

        What was read through the week and the stage counts as input, beside `inputs`.
        """
        from passbook import mart  # noqa: PLC0415
        from passbook.steps import privacy  # noqa: PLC0415 (it imports what only a stage needs)

        privacy.keep_pseudonyms(self, tables)
        return mart.publish(
            self.mart, self.fence, tables, inputs={**self.week.used, **inputs},
            lock_timeout_seconds=self.settings.lock_timeout_seconds,
            cool_off_weeks=self.settings.offer_cool_off_weeks,
        )  # fmt: skip


def run_stage(
    name: str,
    base_date: date,
    run_id: str,
    work: Callable[[Stage], Mapping[str, Any]],
    *,
    attempt: str = "",
    token: int | None = None,
    concludes: bool = True,
    last_attempt: bool = True,
) -> dict[str, Any]:
    """Run a stage, or a part of it, and keep its verdict.

    Parameters
    ----------
    name : str
        One of ``contracts.STAGES``.
    base_date : datetime.date
    run_id : str
        Who runs it; kept in the ledger.
    work : callable
        Takes the `Stage`, returns figures that XCom may carry.
    attempt : str
        Which attempt of the run it is: later ones sort behind earlier ones.
    token : int, optional
        Continues the stage that an earlier part began with this token.
    concludes : bool
        Whether this part ends the stage: only then does it pass.
    last_attempt : bool
        False while a retry will follow: a retryable failure then leaves the verdict open, so that
        later stages keep waiting.

    Returns
    -------
    dict
        `work`'s figures with ``base_date`` and ``token``.

    Raises
    ------
    PassbookError
        Whatever stopped the work, after the stage was rejected with its code.
    """
    from passbook import ledger  # noqa: PLC0415

    settings = settings_module.load()
    with begin(settings, name, base_date, run_id, attempt=attempt, token=token) as begun:
        connection, fence = begun
        try:
            with open_week(settings, connection, base_date) as week:
                figures = dict(work(Stage(week, connection, fence, settings)))
        except StaleWriterError:
            raise  # the newer run keeps the verdict
        except PassbookError as error:
            if last_attempt or not error.retryable:
                _reject(connection, fence, error, error.code, str(error))
            raise
        except Exception as error:
            reason = f"{type(error).__name__}; see the task's log."
            _reject(connection, fence, error, _UNKNOWN_FAILURE, reason)
            raise
        if concludes:
            ledger.record_verdict(connection, fence, "pass", figures=figures)
        return {**figures, "base_date": base_date.isoformat(), "token": fence.token}


@contextmanager
def begin(
    settings: Settings,
    name: str,
    base_date: date,
    run_id: str,
    *,
    attempt: str = "",
    token: int | None = None,
) -> Iterator[tuple[Connection, Fence]]:
    """Open the mart, lock the stage and base date, and fence older writers off."""
    from passbook import ledger, mart  # noqa: PLC0415

    connection = mart.connect(mart_url(settings))
    try:
        _lock(
            connection,
            name,
            base_date,
            run=_session(run_id),
            attempt=attempt,
            seconds=settings.lock_timeout_seconds,
        )
        if token is None:
            fence = ledger.begin_stage(connection, name, base_date, run_id, attempt)
        else:
            fence = ledger.Fence(name, base_date, token, run_id)
        yield connection, fence
    finally:
        connection.close()


def reject(
    settings: Settings, name: str, base_date: date, run_id: str, error: PassbookError
) -> None:
    """Record that a stage is rejected before it began, for `error`."""
    from passbook import ledger  # noqa: PLC0415

    with begin(settings, name, base_date, run_id) as (connection, fence):
        ledger.record_verdict(connection, fence, "reject", code=error.code, reason=str(error))


@contextmanager
def open_week(settings: Settings, connection: Connection, base_date: date) -> Iterator[Week]:
    """Open Hive and find the source's adapter."""
    from passbook import hive, sources  # noqa: PLC0415

    source = sources.find(settings.source, settings.sources)
    with hive.connect(hive_url(settings)) as open_hive:
        yield Week(base_date, settings, open_hive, source, _fingerprints(connection, base_date))


def mart_url(settings: Settings) -> str:
    """Return the mart's URL from the settings, else from Airflow's connection."""
    if settings.mart_url:
        return settings.mart_url.get_secret_value()
    return url_of_connection("postgresql", _airflow_connection("mart_passbook"))


def hive_url(settings: Settings) -> str:
    """Return Hive's URL from the settings, else from Airflow's connection."""
    if settings.hive_url:
        return settings.hive_url.get_secret_value()
    connection = _airflow_connection("hive_passbook")
    given = connection.extra_dejson
    options = {name: given[name] for name in HIVE_OPTIONS if name in given}
    return f"{url_of_connection('hive', connection)}?{urlencode(options)}"


def url_of_connection(scheme: str, connection: Any) -> str:
    """Return an Airflow connection as a URL of `scheme`."""
    login = quote(connection.login or "", safe="")
    password = f":{quote(connection.password, safe='')}" if connection.password else ""
    port = f":{connection.port}" if connection.port else ""
    return f"{scheme}://{login}{password}@{connection.host}{port}/{connection.schema or ''}"


def _airflow_connection(name: str) -> Any:
    from airflow.sdk import BaseHook  # noqa: PLC0415
    from airflow.sdk.exceptions import AirflowNotFoundException  # noqa: PLC0415

    try:
        return BaseHook.get_connection(name)
    except AirflowNotFoundException:
        home = settings_module.load().home.absolute()
        setting = f"PASSBOOK_{name.removesuffix('_passbook').upper()}_URL"
        raise SettingsError(
            f"{setting} is not set, Airflow has no connection {name}, and no servers were started "
            f"in {home}: go to the folder that they were started from, or set PASSBOOK_HOME."
        ) from None


def _session(run_id: str) -> str:
    """Return how the sessions of a run's attempts are named, up to the attempt."""
    return f"passbook run {hashlib.sha256(run_id.encode()).hexdigest()[:12]} "


def _lock(
    connection: Connection,
    name: str,
    base_date: date,
    *,
    run: str,
    attempt: str,
    seconds: int,
) -> None:
    """Take the session's locks: this stage runs once, and nobody reads what ingest rewrites.

    An earlier attempt of the same run that still holds the lock has lost its supervisor, or was
    stopped: its session is ended and this attempt goes on.
    """
    from psycopg2.errors import LockNotAvailable  # noqa: PLC0415

    from passbook.mart.connection import transaction  # noqa: PLC0415

    stage_key, tables_key = f"{name} {base_date}", f"{base_date}"
    tables_lock = "pg_advisory_lock" if name == _WRITES_WORK_TABLES else "pg_advisory_lock_shared"
    with transaction(connection) as cursor:
        cursor.execute("SELECT set_config('application_name', %s, false)", (run + attempt,))
        cursor.execute(_END_EARLIER_ATTEMPT, {"key": stage_key, "run": run, "attempt": attempt})
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", (f"{seconds}s",))
        try:
            cursor.execute(
                "SELECT pg_advisory_lock(hashtext('passbook stage'), hashtext(%s))", (stage_key,)
            )
            cursor.execute(
                f"SELECT {tables_lock}(hashtext('passbook work tables'), hashtext(%s))",
                (tables_key,),
            )
        except LockNotAvailable:
            raise StageBusyError(
                f"{name} for {base_date}, or a stage that it must not disturb."
            ) from None
        cursor.execute("SELECT set_config('lock_timeout', '0', false)")


def _fingerprints(connection: Connection, base_date: date) -> dict[tuple[str, date], str]:
    """Return the content hashes of the partitions that a base date reads.

    An observation date's partition counts as the run of that date left it, if there was one.
    """
    from passbook.mart.connection import transaction  # noqa: PLC0415

    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (work_table, partition_date)"
            " work_table, partition_date, fingerprint FROM ops.work_table"
            " WHERE base_date <= %s AND partition_date = ANY(%s)"
            " ORDER BY work_table, partition_date, base_date = partition_date DESC, base_date DESC",
            (base_date, [base_date, *observation_dates(base_date)]),
        )
        rows = cursor.fetchall()
    return {(table, partition): fingerprint for table, partition, fingerprint in rows}


def _reject(connection: Connection, fence: Fence, error: Exception, code: str, reason: str) -> None:
    """Record a rejection; a ledger that cannot be written must not hide the first error."""
    from passbook import ledger  # noqa: PLC0415

    try:
        connection.rollback()
        ledger.record_verdict(connection, fence, "reject", code=code, reason=reason)
    except Exception as second:
        log.exception("The rejection of %s could not be recorded", fence.stage)
        error.add_note(f"The rejection could not be recorded: {type(second).__name__}")
