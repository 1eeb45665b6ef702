"""Alerts reach a real webhook and a real mail server, and a dead one stops nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from passbook import alerts, settings
from passbook.errors import HiveUnreachableError
from passbook.steps.alert_notifier import AlertNotifier


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PASSBOOK_HOME", str(tmp_path))
    settings.load.cache_clear()
    yield
    settings.load.cache_clear()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What a webhook was told."""
    received: list[dict[str, Any]] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            received.append(json.loads(self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Webhook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("PASSBOOK_ALERT_WEBHOOK", f"http://127.0.0.1:{server.server_port}/hook")
    yield received
    server.shutdown()
    thread.join()
    server.server_close()


def context(error: Exception) -> dict[str, Any]:
    return {
        "ti": SimpleNamespace(dag_id="score_credit", task_id="score_and_publish"),
        "dag_run": SimpleNamespace(dag_id="score_credit", run_id="scheduled 1"),
        "exception": error,
    }


def test_a_failure_is_told_with_its_code(told: list[dict[str, Any]]) -> None:
    alerts.tell_failure(context(HiveUnreachableError("한글")))
    assert told[0]["text"].startswith("*Passbook: score_credit failed*\nscore_and_publish")
    assert "E101" in told[0]["text"]
    assert "한글" in told[0]["text"]


def test_the_notifier_tells_failures_and_waiting(told: list[dict[str, Any]]) -> None:
    AlertNotifier("failed")(context(HiveUnreachableError("한글")))
    AlertNotifier("waiting")(context(ValueError()))
    assert "score_credit failed" in told[0]["text"]
    assert "score_credit waits for approval" in told[1]["text"]


def test_what_an_unknown_exception_says_is_not_told(told: list[dict[str, Any]]) -> None:
    alerts.tell_failure(context(ValueError("customer C0000001 owes 5")))
    assert "ValueError" in told[0]["text"]
    assert "C0000001" not in told[0]["text"]


def test_drift_and_promotions_are_told_and_quiet_weeks_are_not(told: list[dict[str, Any]]) -> None:
    alerts.tell_figures("retrain_models", {"base_date": "2022-12-04", "due": {}, "promoted": {}})
    assert told == []
    alerts.tell_figures(
        "retrain_models",
        {
            "base_date": "2022-12-04",
            "due": {"credit": "PSI 0.31"},
            "promoted": {"m": "v1"},
            "refused": {"n": "roc_auc 0.4 is below 0.5."},
        },
    )
    assert ["retrains" in told[0]["text"], "promoted" in told[1]["text"]] == [True, True]
    assert "refused challengers" in told[2]["text"]
    assert "roc_auc 0.4 is below 0.5" in told[2]["text"]


def test_a_late_run_is_told(told: list[dict[str, Any]]) -> None:
    run = {"dag_id": "retrain_models", "dag_run_id": "scheduled 1"}

    async def missed() -> None:
        await AlertNotifier(event="late", context={"dag_run": run})  # as the triggerer does

    asyncio.run(missed())
    assert "retrain_models is late" in told[0]["text"]


def test_nobody_is_told_by_default_and_a_dead_webhook_only_logs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    alerts.alert("subject", "text")
    assert not caplog.records
    settings.load.cache_clear()
    monkeypatch.setenv("PASSBOOK_ALERT_WEBHOOK", "http://127.0.0.1:1/secret-path")
    monkeypatch.setenv("PASSBOOK_ALERT_MAIL", "smtp://127.0.0.1:1/?from=a@bank&to=b@bank")
    alerts.alert("subject", "text")
    assert len(caplog.records) == 2
    assert "secret-path" not in caplog.text


def test_a_webhook_that_speaks_no_http_or_has_no_port_only_logs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither is an OSError; the work that the alert speaks of goes on."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"what?\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
    monkeypatch.setenv("PASSBOOK_ALERT_WEBHOOK", address)
    monkeypatch.setenv("PASSBOOK_ALERT_MAIL", "smtp://mail.bank:twentyfive/?from=a@bank&to=b@bank")
    alerts.alert("subject", "text")
    thread.join(timeout=20)
    listener.close()
    assert [record.args for record in caplog.records] == [("BadStatusLine",), ("ValueError",)]


def test_a_mail_reaches_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    lines: list[str] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rw", newline="\r\n") as stream:
            answers = {"DATA": "354 go on", "QUIT": "221 bye"}
            print("220 test", file=stream, flush=True)
            in_data = False
            for line in stream:
                lines.append(line.rstrip())
                word = line.split()[0].upper() if line.split() else ""
                if in_data and line.rstrip() != ".":
                    continue
                in_data = word == "DATA"
                print(answers.get(word, "250 ok"), file=stream, flush=True)
                if word == "QUIT":
                    return

    thread = threading.Thread(target=serve)
    thread.start()
    port = listener.getsockname()[1]
    monkeypatch.setenv("PASSBOOK_ALERT_MAIL", f"smtp://127.0.0.1:{port}/?from=a@bank&to=ops@bank")
    alerts.alert("late", "A run has not ended in time.")
    thread.join(timeout=20)
    listener.close()
    assert "Subject: Passbook: late" in lines
    assert "A run has not ended in time." in lines
