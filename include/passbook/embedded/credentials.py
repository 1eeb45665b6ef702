"""Passwords and keys of the embedded stack: made once, kept where only this user reads them."""

from __future__ import annotations

import json
import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path

from passbook.errors import StorageError

FILE = "credentials.json"


def _password() -> str:
    return secrets.token_urlsafe(18)


def _fernet_key() -> str:
    return urlsafe_b64encode(os.urandom(32)).decode()


MAKERS: Mapping[str, Callable[[], str]] = {
    "airflow_admin": _password,
    "airflow_op": _password,
    "airflow_analyst": _password,
    "airflow_api_secret_key": lambda: secrets.token_urlsafe(64),
    "airflow_jwt_secret": lambda: secrets.token_urlsafe(64),
    "airflow_fernet_key": _fernet_key,
    "mart_owner": _password,
    "mart_loader": _password,
    "mart_analyst": _password,
}


def keep(home: Path) -> dict[str, str]:
    """Return the credentials by name, making and keeping those that are missing.

    Raises
    ------
    StorageError
        E805 when the file holds something else.
    """
    file = home / FILE
    try:
        known = json.loads(file.read_text()) if file.exists() else {}
    except json.JSONDecodeError:
        raise StorageError(
            f"{file} is not JSON; without it the servers under {home} cannot be used."
        ) from None
    complete = known | {name: make() for name, make in MAKERS.items() if name not in known}
    if complete != known:
        write_private(file, json.dumps(complete, indent=1))
    return complete


def write_private(file: Path, text: str) -> None:
    """Write `text` to `file` at once, readable by this user alone."""
    draft = file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(file)
