"""The ledger ``ops.*``: verdicts, fences, model versions, promotions and the figures of runs.

Every write carries the writer's `Fence` and is refused (E703) once a newer run has begun the same
stage and base date. All functions commit on their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from passbook.contracts import OPS_TABLES, STAGES
from passbook.errors import InputError, StaleWriterError
from passbook.mart.audit import audit_batch
from passbook.mart.connection import transaction
from passbook.mart.copy_stream import copy_blocks
from passbook.mart.wire import encode

_PATIENCE_SECONDS = 5
"""Longest wait of Airflow's scheduler for the ledger's locks."""


@dataclass(frozen=True)
class Fence:
    """Proof of being the newest writer of a stage and base date."""

    stage: str
    base_date: date
    token: int
    run_id: str


@dataclass(frozen=True)
class Verdict:
    """What a stage's newest run for a base date came to: running, pass or reject."""

    stage: str
    base_date: date
    verdict: str
    code: str
    reason: str
    figures: dict[str, Any]
    run_id: str


@dataclass(frozen=True)
class ModelVersion:
    """A trained model's version, as the ledger knows it."""

    model: str
    version: str
    base_date: date
    manifest_sha256: str
    parameters: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """That a model's version took its place from a base date on, or did not."""

    model: str
    version: str
    base_date: date
    promoted: bool
    reason: str
    run_id: str
    decided_at: datetime
    manifest_sha256: str


@dataclass(frozen=True)
class StaleWeek:
    """A stage's published week whose inputs have changed since, and what mends it."""

    base_date: date
    stage: str
    reasons: str
    mend: str


def begin_stage(
    connection: Connection, stage: str, base_date: date, run_id: str, attempt: str = ""
) -> Fence:
    """Begin a stage: write verdict ``running`` and fence off every older writer.

    An attempt of a run that was stopped, and goes on when a later one has begun or even ended, may
    not begin any more: it would take the place of the later one.

    Raises
    ------
    InputError
        E803 when there is no such stage.
    StaleWriterError
        E703 when a later attempt of the same run has begun.
    """
    if stage not in STAGES:
        raise InputError(f"{stage!r} is not a stage; known: {', '.join(STAGES)}.")
    with transaction(connection) as cursor:
        cursor.execute("SELECT ops.begin_stage(%s, %s, %s)", (stage, base_date, run_id))
        (token,) = _row(cursor)
        if attempt:
            _begin_attempt(cursor, Fence(stage, base_date, token, run_id), attempt)
    return Fence(stage, base_date, token, run_id)


def _begin_attempt(cursor: Cursor, fence: Fence, attempt: str) -> None:
    """Record which attempt of its run a writer is, unless a later one has begun."""
    cursor.execute(
        """SELECT FROM ops.verdict
           WHERE stage = %s AND base_date = %s AND run_id = %s AND attempt > %s""",
        (fence.stage, fence.base_date, fence.run_id, attempt),
    )
    if cursor.rowcount:
        raise StaleWriterError(f"A later attempt of {fence.stage} for {fence.base_date} has begun.")
    cursor.execute(
        "UPDATE ops.verdict SET attempt = %s WHERE stage = %s AND base_date = %s AND token = %s",
        (attempt, fence.stage, fence.base_date, fence.token),
    )


def record_verdict(
    connection: Connection,
    fence: Fence,
    verdict: Literal["pass", "reject"],
    *,
    code: str = "",
    reason: str = "",
    figures: Mapping[str, Any] | None = None,
) -> None:
    """Close the run of `fence` with its verdict.

    Parameters
    ----------
    code, reason : str
        Of the error, for a reject.
    figures : Mapping, optional
        JSON values: counts and hashes, never a person's data.
    """
    if verdict not in ("pass", "reject"):
        raise InputError(f"{verdict!r} is not a verdict.")
    with transaction(connection) as cursor:
        check_fence(cursor, fence)
        _close(cursor, fence, verdict=verdict, code=code, reason=reason, figures=figures)


def _close(
    cursor: Cursor,
    fence: Fence,
    *,
    verdict: str,
    code: str,
    reason: str,
    figures: Mapping[str, Any] | None,
) -> None:
    cursor.execute(
        """UPDATE ops.verdict
           SET verdict = %s, code = %s, reason = %s, figures = %s, finished_at = now()
           WHERE stage = %s AND base_date = %s AND token = %s""",
        (verdict, code, reason, _json(figures), fence.stage, fence.base_date, fence.token),
    )


def reject_open(
    connection: Connection, stage: str, base_date: date, run_id: str, *, code: str, reason: str
) -> Verdict:
    """Reject a stage that an ended run has left without a verdict, and fence its writer off.

    Another run's verdict stays as it is, open or not.

    Returns
    -------
    Verdict
        The newest one, by now.

    Raises
    ------
    MartBusyError
        E706 when its writer is publishing at this moment.
    """
    with transaction(connection) as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{_PATIENCE_SECONDS}s'")
        # No other run may begin between the look and the rejection.
        cursor.execute("LOCK TABLE ops.stage_fence IN SHARE ROW EXCLUSIVE MODE")
        newest = _latest_verdict(cursor, stage, base_date)
        if newest is not None and (newest.verdict, newest.run_id) != ("running", run_id):
            return newest
        cursor.execute("SELECT ops.begin_stage(%s, %s, %s)", (stage, base_date, run_id))
        (token,) = _row(cursor)
        fence = Fence(stage, base_date, token, run_id)
        _close(cursor, fence, verdict="reject", code=code, reason=reason, figures={})
    return Verdict(stage, base_date, "reject", code, reason, {}, run_id)


def latest_verdict(connection: Connection, stage: str, base_date: date) -> Verdict | None:
    """Return the newest run's verdict; None when the stage never ran for this base date."""
    with transaction(connection) as cursor:
        return _latest_verdict(cursor, stage, base_date)


def _latest_verdict(cursor: Cursor, stage: str, base_date: date) -> Verdict | None:
    cursor.execute(
        """SELECT stage, base_date, verdict, code, reason, figures, run_id FROM ops.verdict
           WHERE stage = %s AND base_date = %s ORDER BY token DESC LIMIT 1""",
        (stage, base_date),
    )
    row = cursor.fetchone()
    return Verdict(*row) if row else None


def record_model_version(connection: Connection, fence: Fence, version: ModelVersion) -> None:
    """Record a trained version. Recording it again changes nothing."""
    with transaction(connection) as cursor:
        check_fence(cursor, fence)
        cursor.execute(
            """INSERT INTO ops.model_version
                   (model, version, base_date, manifest_sha256, parameters, metrics, run_id)
               VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (model, version) DO NOTHING""",
            (
                version.model,
                version.version,
                version.base_date,
                version.manifest_sha256,
                _json(version.parameters),
                _json(version.metrics),
                fence.run_id,
            ),
        )


def record_promotion(
    connection: Connection,
    fence: Fence,
    model: str,
    version: str,
    *,
    promoted: bool,
    reason: str,
    figures: Mapping[str, Any] | None = None,
    decided_by: str = "rules",
) -> None:
    """Record whether a version takes its model's place from this base date on.

    The history only grows; repeating the newest decision on a version and base date adds nothing.
    """
    with transaction(connection) as cursor:
        check_fence(cursor, fence)
        cursor.execute(
            """INSERT INTO ops.promotion
                   (model, version, base_date, promoted, reason, figures, run_id, decided_by)
               SELECT %(model)s, %(version)s, %(base_date)s, %(promoted)s, %(reason)s,
                      %(figures)s, %(run_id)s, %(decided_by)s
               WHERE ops.model_decision(%(model)s, %(version)s, %(base_date)s)
                     IS DISTINCT FROM %(promoted)s""",
            {
                "model": model,
                "version": version,
                "base_date": fence.base_date,
                "promoted": promoted,
                "reason": reason,
                "figures": _json(figures),
                "run_id": fence.run_id,
                "decided_by": decided_by,
            },
        )


def persons_word(connection: Connection, model: str, version: str, base_date: date) -> bool | None:
    """Return whether a person promoted a version for a base date; None: nobody was asked."""
    with transaction(connection) as cursor:
        cursor.execute(
            """SELECT CASE WHEN decided_by <> 'rules' THEN promoted END FROM ops.promotion
               WHERE model = %s AND version = %s AND base_date = %s
               ORDER BY promotion_id DESC LIMIT 1""",
            (model, version, base_date),
        )
        row = cursor.fetchone()
    return row[0] if row else None


def last_refusal(connection: Connection, model: str, since: date, before: date) -> date | None:
    """Return the newest base date after `since`, before `before`, with a refused challenger.

    None when one was promoted after it. A rollback refuses nobody.
    """
    with transaction(connection) as cursor:
        cursor.execute(
            """SELECT base_date, promoted FROM ops.promotion
               WHERE model = %s AND base_date > %s AND base_date < %s
                 AND run_id NOT LIKE 'rollback by %%'
               ORDER BY base_date DESC, promotion_id DESC LIMIT 1""",
            (model, since, before),
        )
        row = cursor.fetchone()
    return row[0] if row and not row[1] else None


def champion(connection: Connection, model: str, base_date: date) -> ModelVersion | None:
    """Return the newest version promoted for a base date up to this one, or None."""
    with transaction(connection) as cursor:
        cursor.execute(
            """SELECT model, version, base_date, manifest_sha256, parameters, metrics
               FROM ops.model_version
               WHERE model = %(model)s AND version = ops.champion(%(model)s, %(base_date)s)""",
            {"model": model, "base_date": base_date},
        )
        row = cursor.fetchone()
    return ModelVersion(*row) if row else None


def live_models(connection: Connection, base_date: date) -> list[ModelVersion]:
    """Return every model's version in force on a base date, by name."""
    with transaction(connection) as cursor:
        cursor.execute(
            """SELECT v.model, v.version, v.base_date, v.manifest_sha256, v.parameters, v.metrics
               FROM (SELECT DISTINCT model FROM ops.model_version) m
               JOIN ops.model_version v
                   ON v.model = m.model AND v.version = ops.champion(m.model, %s)
               ORDER BY v.model""",
            (base_date,),
        )
        return [ModelVersion(*row) for row in cursor.fetchall()]


def versions_in_use(connection: Connection, since: date) -> set[tuple[str, str]]:
    """Return the (model, version) pairs whose files something may still ask for.

    Those trained for or in force on `since` or later, and those that published or replaced weeks
    were computed with.
    """
    with transaction(connection) as cursor:
        cursor.execute(
            """SELECT v.model, v.version FROM ops.model_version v
               WHERE v.base_date >= %(since)s
                  OR v.version IN (ops.champion(v.model, %(since)s),
                                   ops.champion(v.model, 'infinity'))
                  OR v.version IN (SELECT p.version FROM ops.promotion p
                                   WHERE p.model = v.model AND p.promoted
                                     AND p.base_date >= %(since)s)
                  OR v.manifest_sha256 IN (
                      SELECT i.value FROM ops.publication p, jsonb_each_text(p.inputs) i
                      UNION ALL
                      SELECT i.value FROM ops.replaced_publication r, jsonb_each_text(r.inputs) i)
            """,
            {"since": since},
        )
        return {(model, version) for model, version in cursor.fetchall()}


def model_history(connection: Connection, model: str | None = None) -> list[Decision]:
    """Return every decision on a model's versions, or on all models', in order."""
    with transaction(connection) as cursor:
        cursor.execute(
            """SELECT p.model, p.version, p.base_date, p.promoted, p.reason, p.run_id,
                      p.decided_at, v.manifest_sha256
               FROM ops.promotion p JOIN ops.model_version v USING (model, version)
               WHERE p.model = %(model)s OR %(model)s IS NULL ORDER BY p.promotion_id""",
            {"model": model},
        )
        return [Decision(*row) for row in cursor.fetchall()]


def stale_weeks(connection: Connection) -> list[StaleWeek]:
    """Return the published weeks that are stale, in the order in which to mend them.

    Oldest week first, and in it the earlier stage: what is mended may make a later one stale.
    """
    with transaction(connection) as cursor:
        cursor.execute(
            """SELECT base_date, stage, string_agg(DISTINCT reason, '; '), mend
               FROM mart.stale_week GROUP BY 1, 2, 4
               ORDER BY 1, array_position(%s::text[], stage)""",
            (list(STAGES),),
        )
        return [StaleWeek(*row) for row in cursor.fetchall()]


def append(connection: Connection, fence: Fence, table: str, rows: pa.Table) -> None:
    """Write rows of one of ``contracts.OPS_TABLES``, replacing those of an earlier run.

    Rows of the fence's base date are replaced; in a table with a ``model`` column only those of
    the models that `rows` speak of.

    Raises
    ------
    InputError
        E803 when the ledger has no such table.
    AuditError
        E702 when the rows break the contract, or speak of another base date.
    """
    try:
        contract = OPS_TABLES[table]
    except KeyError:
        raise InputError(f"The ledger has no table {table!r}.") from None
    batches = rows.combine_chunks().to_batches()
    for batch in batches:
        audit_batch(contract, batch, fence.base_date)
    name = sql.Identifier("ops", table)
    with transaction(connection) as cursor:
        check_fence(cursor, fence)
        if "model" in contract.column_names:
            models = pc.unique(rows["model"]).to_pylist()
            query = sql.SQL("DELETE FROM {} WHERE base_date = %s AND model = ANY(%s)")
            cursor.execute(query.format(name), (fence.base_date, models))
        else:
            query = sql.SQL("DELETE FROM {} WHERE base_date = %s")
            cursor.execute(query.format(name), (fence.base_date,))
        blocks = ([encode(column) for column in batch.columns] for batch in batches)
        copy_blocks(cursor, name, contract.column_names, blocks)


def note_trial(connection: Connection, fence: Fence, row: Mapping[str, Any]) -> None:
    """Write one trial of a search that goes on, with the next number of its model.

    `append` replaces these rows when the search is done.
    """
    with transaction(connection) as cursor:
        check_fence(cursor, fence)
        cursor.execute(
            """INSERT INTO ops.trial (base_date, model, trial, parameters, metrics, seconds,
                                      customers, fingerprint)
               SELECT %(base_date)s, %(model)s, coalesce(max(trial) + 1, 0), %(parameters)s,
                      %(metrics)s, %(seconds)s, %(customers)s, %(fingerprint)s
               FROM ops.trial WHERE base_date = %(base_date)s AND model = %(model)s""",
            {**row, "base_date": fence.base_date},
        )


def noted_trials(
    connection: Connection, base_date: date, model: str, fingerprint: str
) -> list[dict[str, Any]]:
    """Return the parameters, metrics, seconds and customers of trials with that fingerprint."""
    with transaction(connection) as cursor:
        cursor.execute(
            """SELECT parameters, metrics, seconds, customers FROM ops.trial
               WHERE base_date = %s AND model = %s AND fingerprint = %s ORDER BY trial""",
            (base_date, model, fingerprint),
        )
        names = ("parameters", "metrics", "seconds", "customers")
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def check_fence(cursor: Cursor, fence: Fence) -> None:
    """Hold the fence until the transaction ends.

    Raises
    ------
    StaleWriterError
        E703 when a newer run has begun this stage and base date.
    """
    cursor.execute(
        "SELECT ops.check_fence(%s, %s, %s)", (fence.stage, fence.base_date, fence.token)
    )


def _row(cursor: Cursor) -> tuple[Any, ...]:
    row = cursor.fetchone()
    if row is None:
        raise LookupError("The statement returned no row.")
    return row


def _json(values: Mapping[str, Any] | None) -> str:
    try:
        return json.dumps(dict(values or {}), ensure_ascii=False, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"Figures are not JSON: {error}.") from error
