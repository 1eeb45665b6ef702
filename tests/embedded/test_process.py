"""Server processes: started apart, known by id and start time, ended with what they started."""

from __future__ import annotations

import json
import os
import socket
import sys
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from passbook.embedded import process
from passbook.errors import ServerStartError, StorageError

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
PARENT = [
    sys.executable, "-c",
    "import subprocess, sys, time; subprocess.Popen([sys.executable,"
    " '-c', 'import time; time.sleep(60)']); print('up', flush=True); time.sleep(60)",
]  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return process.prepare_home(tmp_path / "home")


def test_a_server_runs_until_it_is_stopped(home: Path) -> None:
    started = process.spawn(home, "sleeper", SLEEP, port=1)
    assert process.running(home, "sleeper") == started
    assert process.stop(home, "sleeper")
    assert not psutil.pid_exists(started.pid)
    assert process.running(home, "sleeper") is None
    assert not process.stop(home, "sleeper")


def test_stopping_ends_the_children_too(home: Path) -> None:
    started = process.spawn(home, "parent", PARENT, port=1)
    process.wait_until_healthy(
        home, started, lambda: "up" in process.log_path(home, "parent").read_text(), patience=30
    )
    (child,) = psutil.Process(started.pid).children()
    process.stop(home, "parent")
    assert not child.is_running()


def test_what_a_killed_server_left_behind_is_ended(home: Path) -> None:
    started = process.spawn(home, "parent", PARENT, port=1)
    process.wait_until_healthy(
        home, started, lambda: "up" in process.log_path(home, "parent").read_text(), patience=30
    )
    parent = psutil.Process(started.pid)
    (child,) = parent.children()
    parent.kill()
    parent.wait()
    assert child.is_running()
    assert process.running(home, "parent") is None
    assert not process.stop(home, "parent")
    assert not child.is_running()


def test_another_server_that_answers_on_the_port_is_not_taken_for_ours(home: Path) -> None:
    """It has taken the port after it was found free."""
    with socket.socket() as other:
        other.bind((process.ADDRESS, 0))
        other.listen()
        port = other.getsockname()[1]
        started = process.spawn(home, "late", SLEEP, port=port)
        with pytest.raises(ServerStartError, match="late: It was not ready within 1 s"):
            process.wait_until_healthy(home, started, lambda: True, patience=1, listens=True)


def test_a_server_whose_child_listens_is_ready(home: Path) -> None:
    port = process.free_port(0)
    module = f"'-m', 'http.server', '--bind', '{process.ADDRESS}', '{port}'"
    command = [*PARENT[:2], PARENT[2].replace("'-c', 'import time; time.sleep(60)'", module)]
    started = process.spawn(home, "server", command, port=port)
    process.wait_until_healthy(home, started, lambda: True, patience=30, listens=True)
    process.stop(home, "server")


def test_an_id_that_names_another_process_now_is_left_alone(home: Path) -> None:
    mine = process.ServerProcess("other", os.getpid(), 12345.0, 1)
    (home / "run" / "other.json").write_text(json.dumps(asdict(mine)))
    assert process.running(home, "other") is None
    assert not process.stop(home, "other")


def test_a_server_that_ends_while_starting_is_named_with_reason_and_log(home: Path) -> None:
    script = "print('reading'); print('FATAL: the disk is on fire'); print('  at Disk.java:7')"
    started = process.spawn(home, "doomed", [sys.executable, "-c", script], port=1)
    with pytest.raises(ServerStartError) as failure:
        process.wait_until_healthy(home, started, lambda: False, patience=30)
    told = str(failure.value)
    assert told.startswith("E804 ")
    assert "doomed: It ended while starting: FATAL: the disk is on fire." in told
    assert str(home / "logs" / "doomed.log") in told


def test_a_server_that_never_answers_is_ended(home: Path) -> None:
    started = process.spawn(home, "mute", SLEEP, port=1)
    with pytest.raises(ServerStartError, match="mute: It was not ready within 1 s"):
        process.wait_until_healthy(home, started, lambda: False, patience=1)
    assert not psutil.pid_exists(started.pid)


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("", "the log is empty."),
        ("one\ntwo\n", "two."),
        ("java.net.BindException: Address already in use\nbye\n",
         "java.net.BindException: Address already in use; bye."),
    ],
)  # fmt: skip
def test_the_telling_line(tmp_path: Path, log: str, line: str) -> None:
    (tmp_path / "log").write_text(log)
    assert process.telling_line(tmp_path / "log") == line


def test_a_taken_port_gives_another_one() -> None:
    with socket.socket() as taken:
        taken.bind((process.ADDRESS, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert process.free_port(port) != port
    assert process.free_port(port) == port


@pytest.mark.parametrize("below", ["/proc/passbook", "/dev/null/passbook"])
def test_a_folder_that_cannot_be_written_is_named(below: str) -> None:
    with pytest.raises(StorageError) as failure:
        process.prepare_home(Path(below))
    assert str(failure.value).startswith("E805 ")
    assert below in str(failure.value)
