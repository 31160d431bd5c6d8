"""When a process is killed: anywhere in its life, and, more often, where it hurts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from support.crash.world import World

from mlcore.platform.processes import ProcessId

_LOOK_SECONDS = 0.002
_ASK_SECONDS = 0.01
_HELD_SECONDS = 4.0
_CALLS = {
    "to the disk": {74, 75},  # fsync, fdatasync
    "to a name": {82, 264, 316},  # rename
    "away": {84, 87, 263},  # rmdir, unlink
    "to the server": {7, 44, 45},  # poll, sendto, recvfrom
}
"""System calls of x86-64 by number; where the kernel tells no numbers, the moment is a random one."""
_TABLES = ("artifact", "event", "execution", "alias_history", "push_history", "model_version", "pin_history")
_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity JOIN pg_locks USING (pid)"
    " WHERE usename = :role AND NOT granted AND locktype = 'relation'"
)
_NEWEST = text(
    "SELECT "
    + " + ".join(
        f"(SELECT coalesce(max(id), 0) FROM {table})"
        for table in ("alias_history", "push_history", "pin_history", "approval_history", "artifact")
    )
)


@dataclass(frozen=True)
class Victim:
    """Who is to be killed.

    Attributes:
        role: Of the database, which nobody else has meanwhile; ``None``: its connections are not known.
        typical_seconds: How long such a process takes when nobody kills it.
        kill: Kills it, or its connection.
    """

    process: ProcessId
    role: str | None
    typical_seconds: float
    kill: Callable[[], None]


def kill_sometime(world: World, victim: Victim, rng: Random) -> str:
    """Wait for a moment of the victim's life and kill it then; tells which moment it was."""
    deadline = time.monotonic() + max(2.0, 2 * victim.typical_seconds)

    def over() -> bool:
        return time.monotonic() > deadline or not victim.process.alive

    weights = (5, 4, 3, 3 * (victim.role is not None), 3)
    kind = rng.choices(("any", "call", "files", "inside", "after"), weights)[0]
    moment = "while the server was away"
    try:
        if kind == "inside":
            return _inside_transaction(world, victim, rng, over)
        if kind == "call":
            moment = _in_call(victim, rng, over)
        elif kind == "files":
            moment = _writing(world, rng, over)
        elif kind == "after":
            moment = _after_commit(world, rng, over)
        else:
            moment = "at any time"
            time.sleep(rng.random() * victim.typical_seconds)
    except (SQLAlchemyError, OSError):
        pass
    victim.kill()
    return moment


def _in_call(victim: Victim, rng: Random, over: Callable[[], bool]) -> str:
    name, numbers = rng.choice(sorted(_CALLS.items()))
    passed = rng.randrange(12)
    while not over():
        said = Path(f"/proc/{victim.process.pid}/syscall").read_text(encoding="ascii").split(" ", 1)[0].strip()
        if said.isdigit() and int(said) in numbers:
            if passed == 0:
                break
            passed -= 1
        time.sleep(_LOOK_SECONDS)
    return f"in a call {name}"


def _writing(world: World, rng: Random, over: Callable[[], bool]) -> str:
    """Somebody made a folder for an output just now."""
    before = _folders(world.store)
    while not over() and _folders(world.store) <= before:
        time.sleep(_ASK_SECONDS)
    time.sleep(rng.choice((0.0, rng.random() * 0.05)))
    return "while files were written"


def _folders(store: Path) -> set[str]:
    found: set[str] = set()
    for pipeline in os.scandir(store) if store.exists() else ():
        for component in os.scandir(pipeline.path):
            found |= {entry.path for entry in os.scandir(component.path)}
    return found


def _inside_transaction(world: World, victim: Victim, rng: Random, over: Callable[[], bool]) -> str:
    """A table is kept from it for a while, and it is killed waiting: after some statements, before its commit."""
    table = rng.choice(_TABLES)
    time.sleep(rng.random() * victim.typical_seconds)
    until = time.monotonic() + _HELD_SECONDS
    found = False
    with world.connected() as holding, world.connected() as looking:
        holding.execute(text(f"BEGIN; LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"))
        try:
            while not (found or over()) and time.monotonic() < until:
                time.sleep(_ASK_SECONDS)
                found = bool(looking.execute(_WAITING, {"role": victim.role}).scalar())
            victim.kill()
        finally:
            holding.execute(text("ROLLBACK"))
    return f"inside a transaction, before {table}" if found else "at any time"


def _after_commit(world: World, rng: Random, over: Callable[[], bool]) -> str:
    """Somebody committed just now, and has perhaps not heard of it."""
    passed = rng.randrange(3)
    with world.connected() as connection:
        last = connection.execute(_NEWEST).scalar()
        while not over():
            now = connection.execute(_NEWEST).scalar()
            if now != last:
                if passed == 0:
                    break
                last, passed = now, passed - 1
            time.sleep(_ASK_SECONDS)
    return "just after a commit"
