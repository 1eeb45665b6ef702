"""Server processes: start one, know that it runs, tell why it did not, end it by its id.

A process is remembered in ``<home>/run/<name>.json`` by its id and its start time, so that an id
the system has given to another program since is never taken for ours. Its output goes to
``<home>/logs/<name>.log``.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from passbook.errors import ServerStartError, StorageError

ADDRESS = "127.0.0.1"
"""Every embedded server listens here and nowhere else."""

ANY_PORT = 0
"""Asks for a port that the system finds free."""

TELLING_WORDS = ("error", "fatal", "exception", "denied", "in use", "no space", "cannot", "failed")


@dataclass(frozen=True)
class ServerProcess:
    """A running server: name, process id, start time of the process, and its TCP port."""

    name: str
    pid: int
    started: float
    port: int


def prepare_home(home: Path) -> Path:
    """Create the folders of `home` and return its absolute path.

    Raises
    ------
    StorageError
        E805 when it cannot be written.
    """
    home = home.expanduser().absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
        for folder in ("run", "logs"):
            (home / folder).mkdir(mode=0o700, exist_ok=True)
            if not os.access(home / folder, os.W_OK):
                raise StorageError(f"{home / folder} is read-only.")
    except OSError as error:
        raise StorageError(f"{error.filename}: {error.strerror}.") from error
    return home


def log_path(home: Path, name: str) -> Path:
    """Return where the server's log is."""
    return home / "logs" / f"{name}.log"


def free_port(preferred: int) -> int:
    """Return `preferred` when nothing listens on it, else a port that the system finds free."""
    for port in (preferred, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ADDRESS, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServerStartError(f"No port is free on {ADDRESS}.")


def taken(port: int) -> bool:
    """Return whether a server listens on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        return probe.connect_ex((ADDRESS, port)) == 0


def running(home: Path, name: str) -> ServerProcess | None:
    """Return the server when the very process that was started still runs."""
    server = _recorded(home, name)
    return server if server and _process(server) else None


def spawn(
    home: Path,
    name: str,
    command: Sequence[str],
    *,
    port: int,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    user: str | None = None,
) -> ServerProcess:
    """Start `command` in the background, apart from this terminal, and remember it.

    What an earlier process of this name has left behind when it was killed is ended first.
    """
    stop(home, name)
    log = log_path(home, name)
    with log.open("ab") as output:
        log.chmod(0o600)
        child = subprocess.Popen(  # noqa: S603 (the command is ours)
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment) if environment is not None else None,
            cwd=folder or home,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=[] if user else None,
        )
    server = ServerProcess(name, child.pid, psutil.Process(child.pid).create_time(), port)
    (home / "run" / f"{name}.json").write_text(json.dumps(asdict(server)))
    return server


def wait_until_healthy(
    home: Path,
    server: ServerProcess,
    healthy: Callable[[], bool],
    *,
    patience: float,
    listens: bool = False,
) -> None:
    """Return as soon as `healthy` says yes; end the server and raise when it never does.

    With `listens`, only when it is this server that listens on its port: another one may have
    taken the port in between, and answer in its place.

    Raises
    ------
    ServerStartError
        E804 with the server's name, the telling line of its log, and where the log is.
    """
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if _process(server) is None:
            raise start_error(home, server.name, "It ended while starting")
        if healthy() and (not listens or _listens(server)):
            return
        time.sleep(0.2)
    reason = f"It was not ready within {patience:.0f} s"
    stop(home, server.name)
    raise start_error(home, server.name, reason)


def start_error(home: Path, name: str, reason: str) -> ServerStartError:
    """Return the error that names the server, why it failed, and where its log is."""
    log = log_path(home, name)
    return ServerStartError(f"{name}: {reason}: {telling_line(log)} Log: {log}.")


def telling_line(log: Path) -> str:
    """Return the log's last line that names a failure and the one after it, else the last line."""
    if not log.exists():
        return "the log is empty."
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()[-400:]]
    lines = [line for line in lines if line and not line.startswith("at ")]
    telling = [
        place
        for place, line in enumerate(lines)
        if any(word in line.lower() for word in TELLING_WORDS)
    ]
    chosen = lines[telling[-1] :][:2] if telling else lines[-1:] or ["the log is empty"]
    text = "; ".join(chosen)[:400]
    return text if text.endswith(".") else f"{text}."


def stop(
    home: Path, name: str, *, how: signal.Signals = signal.SIGTERM, patience: float = 30
) -> bool:
    """End the server and whatever it started, by process id; return whether it ran.

    A server that was killed may have left behind what it started: that is ended as well.
    """
    server = _recorded(home, name)
    process = _process(server) if server else None
    if server is not None:
        family = _session(server)
        if process is not None:
            family += [process, *process.children(recursive=True)]
            process.send_signal(how)
            psutil.wait_procs([process], timeout=patience)
        leftover = [member for member in family if member.is_running()]
        for member in leftover:
            _kill(member)
        psutil.wait_procs(leftover, timeout=10)
    (home / "run" / f"{name}.json").unlink(missing_ok=True)
    return process is not None


def _recorded(home: Path, name: str) -> ServerProcess | None:
    """Return the server that was started last under this name, whether it still runs or not."""
    record = home / "run" / f"{name}.json"
    return ServerProcess(**json.loads(record.read_text())) if record.exists() else None


def _session(server: ServerProcess) -> list[psutil.Process]:
    """Return the live processes of the session that the server was started in.

    A session outlives its leader, whose id goes to no other process meanwhile.
    """
    if _names_another(server):
        return []
    return [found for found in psutil.process_iter() if _session_id(found.pid) == server.pid]


def _names_another(server: ServerProcess) -> bool:
    """Whether the server's id has gone to another process."""
    try:
        return bool(abs(psutil.Process(server.pid).create_time() - server.started) >= 1)
    except psutil.NoSuchProcess:
        return False


def _session_id(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _listens(server: ServerProcess) -> bool:
    """Return whether the server, or what it started, listens on the server's port."""
    process = _process(server)
    family = [process, *process.children(recursive=True)] if process else []
    for member in family:
        try:
            sockets = member.net_connections("tcp")
        except psutil.NoSuchProcess:
            continue
        if any(s.status == psutil.CONN_LISTEN and s.laddr.port == server.port for s in sockets):
            return True
    return False


def _process(server: ServerProcess) -> psutil.Process | None:
    """Return the live process, None when it ended or its id now names another one."""
    try:
        process = psutil.Process(server.pid)
        same = abs(process.create_time() - server.started) < 1
        alive = process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same and alive else None


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
