"""Telling people: a chat webhook, an e-mail, or both, as the settings say.

An alert that cannot be sent is an error in the log and never stops the work it speaks of.
"""

from __future__ import annotations

import json
import logging
import smtplib
import urllib.request
from email.message import EmailMessage
from http.client import HTTPException
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from passbook import settings
from passbook.errors import InputError, PassbookError

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 10


def alert(subject: str, text: str) -> None:
    """Send `text` to whoever the settings name; nobody by default.

    Parameters
    ----------
    subject, text : str
        No personal data: chats and mailboxes are less trusted places than the mart.
    """
    chosen = settings.load()
    senders = ((chosen.alert_webhook, post), (chosen.alert_mail, mail))
    for address, send in senders:
        if address is None:
            continue
        try:
            send(address.get_secret_value(), f"Passbook: {subject}", text)
        except (OSError, HTTPException, smtplib.SMTPException, ValueError, PassbookError) as error:
            log.error("An alert could not be sent: %s", type(error).__name__)


def post(url: str, subject: str, text: str) -> None:
    """Post to an incoming webhook, in the form that Slack, Mattermost and others take."""
    if urlsplit(url).scheme not in {"http", "https"}:
        raise InputError("PASSBOOK_ALERT_WEBHOOK is no http address.")
    body = json.dumps({"text": f"*{subject}*\n{text}"}, ensure_ascii=False).encode()
    request = urllib.request.Request(  # noqa: S310 (the scheme is checked)
        url, body, {"Content-Type": "application/json; charset=utf-8"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS):  # noqa: S310
        pass


def mail(url: str, subject: str, text: str) -> None:
    """Send an e-mail; `url` is ``smtp[s]://user:password@host:port/?from=…&to=…``."""
    address = urlsplit(url)
    asked = parse_qs(address.query)
    if address.scheme not in {"smtp", "smtps"} or not {"from", "to"} <= asked.keys():
        raise InputError("PASSBOOK_ALERT_MAIL is no smtp address with from and to.")
    message = EmailMessage()
    message["Subject"], message["From"] = subject, asked["from"][0]
    message["To"] = ", ".join(asked["to"])
    message.set_content(text)
    kind = smtplib.SMTP_SSL if address.scheme == "smtps" else smtplib.SMTP
    with kind(address.hostname or "", address.port or 0, timeout=PATIENCE_SECONDS) as server:
        if address.username:
            if address.scheme == "smtp":
                server.starttls()
            server.login(unquote(address.username), unquote(address.password or ""))
        server.send_message(message)


def tell_failure(context: Any) -> None:
    """Airflow's callback when a task has failed for good."""
    instance, error = context["ti"], context.get("exception")
    # Other exceptions may quote a row; their text stays in the task's log.
    what = str(error) if isinstance(error, PassbookError) else type(error).__name__
    run = context["dag_run"]
    alert(f"{instance.dag_id} failed", f"{instance.task_id}, run {run.run_id}: {what}")


def tell_figures(stage: str, figures: dict[str, Any]) -> None:
    """Tell what a stage's figures say about drift, promotions and refusals, if anything."""
    week = f"base date {figures.get('base_date')}"
    if figures.get("due"):
        reasons = "; ".join(f"{domain}: {why}" for domain, why in figures["due"].items())
        alert(f"{stage} retrains", f"{week}. {reasons}")
    if figures.get("promoted"):
        models = ", ".join(f"{model} {version}" for model, version in figures["promoted"].items())
        alert(f"{stage} promoted models", f"{week}. {models}")
    if figures.get("refused"):
        models = "; ".join(f"{model}: {why}" for model, why in figures["refused"].items())
        alert(f"{stage} refused challengers", f"{week}. {models}")


def tell_waiting(context: Any) -> None:
    """Tell that a run waits for a person."""
    instance, run = context["ti"], context["dag_run"]
    alert(f"{instance.dag_id} waits for approval", f"{instance.task_id}, run {run.run_id}.")


def tell_late(context: Any) -> None:
    """Tell that a run has missed its deadline; Airflow gives the run as a dictionary."""
    run = (context or {}).get("dag_run") or {}
    dag = run.get("dag_id", "a DAG") if isinstance(run, dict) else run.dag_id
    name = run.get("dag_run_id", "") if isinstance(run, dict) else run.run_id
    alert(f"{dag} is late", f"Run {name} has not ended in time.")
