from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlcore.platform.processes import (
    HOME_MARKER,
    ProcessId,
    belonging_to,
    end,
    in_session,
    inside,
    memory_bytes,
    wait_gone,
)

SLEEP = "import time; print('up', flush=True); time.sleep(60)"
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def start(
    started: list[subprocess.Popen[bytes]], code: str = SLEEP, cwd: Path | None = None, home: Path | None = None
) -> ProcessId:
    environ = os.environ | ({HOME_MARKER: str(home)} if home else {})
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=cwd, env=environ, stdout=subprocess.PIPE, start_new_session=True
    )
    started.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    found = ProcessId.of(process.pid)
    assert found is not None
    return found


def test_process_with_another_start_time_is_another_process(started: list[subprocess.Popen[bytes]]) -> None:
    """A recycled pid is neither alive nor hit by a signal."""
    real = start(started)
    recycled = ProcessId(pid=real.pid, started=real.started - 1)
    assert not recycled.alive
    recycled.send(signal.SIGKILL)
    end([recycled], grace_seconds=1)
    assert real.alive


def test_zombie_is_not_alive(started: list[subprocess.Popen[bytes]]) -> None:
    """A process of which only the exit code is left counts as gone."""
    process = start(started)
    os.kill(process.pid, signal.SIGKILL)
    assert wait_gone([process], timeout_seconds=5)
    assert ProcessId.of(process.pid) is None


def test_end_kills_what_does_not_listen(started: list[subprocess.Popen[bytes]]) -> None:
    """A process that ignores SIGTERM is killed when its time is over."""
    deaf = start(started, DEAF)
    end([deaf], grace_seconds=0.3)
    assert not deaf.alive
    assert started[0].wait() == -signal.SIGKILL


def test_belonging_to_finds_only_this_homes_processes(started: list[subprocess.Popen[bytes]], tmp_path: Path) -> None:
    """Processes of another home, also of one whose path begins the same, are not ours."""
    ours = start(started, home=tmp_path / "a")
    start(started, home=tmp_path / "ab")
    start(started)
    assert belonging_to(tmp_path / "a") == [ours]


def test_inside_and_in_session_find_by_folder_and_session(
    started: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """A process is found by where it works and by the session it belongs to."""
    process = start(started, cwd=tmp_path)
    assert inside(tmp_path) == [process]
    assert in_session(process.pid) == [process]
    assert memory_bytes([process]) > 1 << 20


def test_begin_child_ends_with_its_parent(tmp_path: Path) -> None:
    """A child that asked for it is killed by the kernel when its parent is killed."""
    code = (
        "import os, signal, subprocess, sys, time\n"
        "from mlcore.platform.processes import begin_child\n"
        "me = os.getpid()\n"
        "child = subprocess.Popen(['sleep', '60'], preexec_fn=lambda: begin_child(signal.SIGKILL, me))\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = ProcessId.of(int(parent.stdout.readline()))
    assert child is not None
    assert child.alive
    parent.kill()
    parent.communicate()
    assert wait_gone([child], timeout_seconds=5)
