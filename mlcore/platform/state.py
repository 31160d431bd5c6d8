"""What the supervisor writes down while it runs, and the other commands read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from mlcore.platform.layout import Layout
from mlcore.platform.locks import FileLock
from mlcore.platform.processes import ProcessId


class Phase(StrEnum):
    """How far the platform is."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    FAILED = "failed"


class Health(StrEnum):
    """How one service is."""

    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"  # its process lives and does not do its work
    DEAD = "dead"  # waiting to be started again


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceState:
    """One supervised service."""

    name: str
    health: Health
    process: ProcessId | None
    started_at: float = 0.0
    restarts: int = 0
    last_exit_code: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformState:
    """The whole platform. ``doing`` says in a few words what the start is busy with."""

    supervisor: ProcessId
    phase: Phase = Phase.STARTING
    doing: str = ""
    port: int = 0
    started_at: float = 0.0
    ready_seconds: float = 0.0
    error: tuple[str, str, str] = ("", "", "")
    services: tuple[ServiceState, ...] = field(default=())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def write(self, layout: Layout) -> None:
        new = layout.state.with_suffix(".new")
        new.write_text(json.dumps(asdict(self)))
        new.replace(layout.state)

    @classmethod
    def read(cls, layout: Layout) -> PlatformState | None:
        """The last state written, also by a supervisor that was killed since; None when there is none."""
        try:
            values = json.loads(layout.state.read_text())
            services = tuple(_service(item) for item in values.pop("services"))
            return cls(
                supervisor=ProcessId(**values.pop("supervisor")),
                phase=Phase(values.pop("phase")),
                error=tuple(values.pop("error")),
                services=services,
                **values,
            )
        except (OSError, ValueError, TypeError, KeyError):
            return None


def _service(values: dict[str, Any]) -> ServiceState:
    process = values.pop("process")
    health = Health(values.pop("health"))
    return ServiceState(process=ProcessId(**process) if process else None, health=health, **values)


def supervised(layout: Layout) -> bool:
    """Whether a supervisor of this home lives; unlike its state file, its lock cannot be stale."""
    if not layout.supervisor_lock.exists():
        return False
    lock = FileLock(layout.supervisor_lock)
    free = lock.try_acquire()
    lock.release()
    return not free
