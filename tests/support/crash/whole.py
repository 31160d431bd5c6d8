"""The whole test: a donor, a storm, the aftermath, a twin."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from support.crash import aftermath
from support.crash.storm import Storm, moments
from support.crash.world import PIPELINES, ROLES, World, world

_DONATED = ("2024-01-10T06:00:00Z", "2024-01-12T06:00:00Z")


def crash(
    *,
    kills: int,
    seed: int,
    days: int,
    reruns: int = 1_000,
    donated: int = len(_DONATED),
    between_servers_seconds: float = 40.0,
    most_seconds: float = 3600.0,
    wait_for_disk: bool = True,
    say: Callable[[str], None] = lambda line: None,
) -> Storm:
    """Kill so many processes of a new installation, and look at what is left.

    Args:
        kills: How many processes.
        seed: Of all that is random but for what the machine makes of it.
        days: Of data: so many windows there are, but ten.
        reruns: So many windows of a pipeline run again afterwards, the newest.
        donated: So many versions come from another installation.
        between_servers_seconds: Between two kills of a postmaster.
        most_seconds: When the storm ends, however few were killed.
        wait_for_disk: Whether the database's server waits for the disk.
        say: Is told how far it is.

    Returns:
        What happened, with all the problems that were found.
    """
    # Short: sockets lie below.
    root = Path(tempfile.mkdtemp(prefix="crash-"))
    try:
        with world(root / "twin", days=days, wait_for_disk=False, expiring=False) as twin:
            began = time.monotonic()
            archives = [
                _donate(twin, moment, root / f"{number}.zip") for number, moment in enumerate(_DONATED[:donated])
            ]
            say(f"{len(archives)} versions of another installation, {time.monotonic() - began:.0f} s")
            with world(root / "w", days=days, wait_for_disk=wait_for_disk) as here:
                (here.root / "out").mkdir()
                storm = Storm(here, seed, kills, moments(days), archives, between_servers_seconds, say=say)
                began = time.monotonic()
                storm.rage(most_seconds=most_seconds)
                say(f"{storm.killed} kills, {time.monotonic() - began:.0f} s")
                began = time.monotonic()
                here.wait_for_server()
                for found in (
                    aftermath.run_again(storm, most=reruns),
                    aftermath.served_at_last(storm),
                    aftermath.check(storm),
                ):
                    storm.problems.extend(found)
                for pipeline in PIPELINES:
                    aftermath.train(twin, pipeline, sorted(storm.reached[pipeline])[-reruns:])
                storm.problems.extend(aftermath.differences(aftermath.made(here), aftermath.made(twin)))
                say(f"looked at what is left, {time.monotonic() - began:.0f} s")
        return storm
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _donate(giver: World, moment: str, archive: Path) -> Path:
    """A version of a model for an archive; its window is shorter than those of the storm."""
    for arguments in (
        ("run", PIPELINES[0], "--at", moment, "--train", "P3D"),
        ("models", "export", PIPELINES[0], str(1 + int(archive.stem)), str(archive)),
    ):
        done = giver.start(*arguments, role=ROLES[0]).wait()
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
    return archive
