"""``mlcore serve`` with several workers, whose first process is killed."""

from __future__ import annotations

import os
import signal
import socket
import time

import httpx
import psutil
from support.project import Project


def test_workers_end_with_the_process_that_started_them(ran: Project) -> None:
    """After kill -9 no worker is left that answers with nobody to stop it, and the port is free to serve again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = ran.start("serve", "tiny", "--port", str(port), "--workers", "2")
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                break
        except httpx.TransportError:
            time.sleep(0.1)
    started = psutil.Process(server.pid).children(recursive=True)
    assert len(started) >= 2
    os.kill(server.pid, signal.SIGKILL)
    assert server.wait().returncode == -signal.SIGKILL
    _, left = psutil.wait_procs(started, timeout=60)
    assert left == []
    with socket.create_server(("127.0.0.1", port)):
        pass
