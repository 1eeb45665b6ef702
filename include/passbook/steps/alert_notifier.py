"""Alerts as an Airflow notifier: to a chat's webhook and by e-mail, as the settings say."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from airflow.sdk import BaseNotifier

from passbook import alerts

if TYPE_CHECKING:
    from airflow.sdk import Context

TELL: Final = {
    "failed": alerts.tell_failure,
    "late": alerts.tell_late,
    "waiting": alerts.tell_waiting,
}


class AlertNotifier(BaseNotifier):
    """Tells that a task has failed for good, that a run is late, or that a person is waited for.

    Parameters
    ----------
    event : {"failed", "late", "waiting"}
    context : Context, optional
        Airflow's, where it isn't given in the call.
    """

    def __init__(self, event: str, context: Context | None = None) -> None:
        super().__init__(context=context)
        self.event = event

    def notify(self, context: Context) -> None:
        """Tell, from a callback of a task or in an operator."""
        TELL[self.event](context)

    async def async_notify(self, context: Context) -> None:
        """Tell, from the triggerer, without holding it up."""
        await asyncio.to_thread(self.notify, context)
