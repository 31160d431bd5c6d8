"""The mirror in a process of its own, so that neither a slow server nor a heavy import touches who started it."""

from __future__ import annotations

import subprocess
import sys
from typing import IO

GRACE_SECONDS = 15.0
"""For starting, beyond the time the mirror may take."""


def start_mirror(
    pipeline: str,
    *,
    seconds: float,
    noun: str = "mlflow",
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    detached: bool = False,
) -> subprocess.Popen[bytes]:
    """Start ``mlcore mlflow sync`` or ``mlcore lineage sync`` for a pipeline, with this process's environment.

    It ends by itself.

    Args:
        pipeline: Its name.
        seconds: After which it puts off what is left.
        noun: ``mlflow`` or ``lineage``.
        stdout: As of ``subprocess.Popen``.
        stderr: Likewise.
        detached: Whether it goes on when this process's terminal is closed or told to stop.
    """
    command = [sys.executable, "-m", "mlcore.cli.main", noun, "sync", pipeline, "--at-most", f"{seconds:g}"]
    return subprocess.Popen(  # noqa: S603 - ours
        command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=detached
    )
