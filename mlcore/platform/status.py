"""How the platform is: what `mlcore status` shows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from mlcore.platform.keeper import KeeperState
from mlcore.platform.layout import Layout
from mlcore.platform.processes import ProcessId, in_session, inside, memory_bytes
from mlcore.platform.state import Health, Phase, PlatformState, ServiceState, supervised


class Verdict(IntEnum):
    """The exit codes of `mlcore status`."""

    HEALTHY = 0
    DEGRADED = 1
    NOT_RUNNING = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceReport:
    """One line of the table."""

    name: str
    health: str
    pid: int | None
    uptime_seconds: float | None
    restarts: int
    last_exit_code: int | None
    memory_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformReport:
    """The whole answer. ``url`` is empty when nothing runs."""

    verdict: Verdict
    phase: str
    doing: str
    url: str
    ready_seconds: float
    error: str
    services: tuple[ServiceReport, ...]

    def to_dict(self) -> dict[str, Any]:
        services = [
            {name: getattr(item, name) for name in ServiceReport.__dataclass_fields__} for item in self.services
        ]
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**plain, "verdict": self.verdict.name.lower(), "services": services}


def report(layout: Layout) -> PlatformReport:
    """Reads the supervisor's state and looks at the processes it names."""
    state = PlatformState.read(layout)
    alive = supervised(layout) and state is not None and state.supervisor.alive
    services = (_postgres(layout), *(_service(item) for item in state.services)) if state and alive else ()
    error = "\n".join(part for part in state.error if part) if state else ""
    database = services[0] if services else None
    if not error and database is not None and database.health != Health.HEALTHY:
        error = KeeperState.read(layout).error
    killed = state is not None and not alive and state.phase is not Phase.FAILED
    return PlatformReport(
        verdict=_verdict(state, services) if alive else Verdict.NOT_RUNNING,
        phase=str(state.phase) if state and alive else "failed" if error else "killed" if killed else "stopped",
        doing=state.doing if state and alive else "",
        url=state.url if state and alive else "",
        ready_seconds=state.ready_seconds if state else 0.0,
        error=error,
        services=tuple(item for item in services if item),
    )


def _verdict(state: PlatformState | None, services: tuple[ServiceReport | None, ...]) -> Verdict:
    good = all(item is None or item.health == Health.HEALTHY for item in services)
    return Verdict.HEALTHY if good and state and state.phase is Phase.READY else Verdict.DEGRADED


def _service(state: ServiceState) -> ServiceReport:
    alive = state.process is not None and state.process.alive
    return ServiceReport(
        name=state.name,
        health=str(state.health if alive else Health.DEAD),
        pid=state.process.pid if state.process and alive else None,
        uptime_seconds=round(time.time() - state.started_at, 1) if alive else None,
        restarts=state.restarts,
        last_exit_code=state.last_exit_code,
        memory_bytes=memory_bytes(in_session(state.process.pid)) if state.process and alive else 0,
    )


def _postgres(layout: Layout) -> ServiceReport | None:
    """The embedded server; None when another takes its place."""
    if not layout.users_lock.with_name("postgres.json").exists():
        return None
    from mlcore.platform.postgres import EmbeddedPostgres

    state = KeeperState.read(layout)
    postmaster: ProcessId | None = state.postmaster if state.postmaster and state.postmaster.alive else None
    answers = postmaster is not None and EmbeddedPostgres(layout.home).is_running()
    return ServiceReport(
        name="postgres",
        health=str(Health.HEALTHY if answers else Health.UNHEALTHY if postmaster else Health.DEAD),
        pid=postmaster.pid if postmaster else None,
        uptime_seconds=round(time.time() - state.started_at, 1) if postmaster else None,
        restarts=state.restarts,
        last_exit_code=state.last_exit_code,
        memory_bytes=memory_bytes(inside(layout.postgres_data)),
    )
