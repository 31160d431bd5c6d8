"""``mlcore up|down|status|logs|doctor|airflow``."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from mlcore.cli.context import console, notes, settings
from mlcore.cli.output import print_json

if TYPE_CHECKING:
    from mlcore.config.settings import Settings
    from mlcore.platform.control import Started

_COLOURS = {"healthy": "green", "ok": "green", "starting": "yellow", "warning": "yellow"}
_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def register(app: typer.Typer) -> None:
    for command in (up, down, status, logs, doctor):
        app.command()(command)
    app.command(context_settings=_PASS_ON)(airflow)


def up(
    port: Annotated[int, typer.Option(min=1, max=65535, help="For the UI; the next free one when it is taken.")] = 8080,
    database_url: Annotated[str | None, typer.Option(help="A PostgreSQL server instead of the embedded one.")] = None,
    detach: Annotated[bool, typer.Option("--detach/--foreground", help="Come back when it is ready, or stay.")] = True,
) -> None:
    """Start PostgreSQL and Airflow here; does nothing when they run."""
    from mlcore.platform import control
    from mlcore.platform.credentials import ADMIN, load_credentials
    from mlcore.platform.layout import Layout

    found = settings()
    found = replace(found, database_url=database_url or found.database_url)
    if not detach:
        control.become_supervisor(found, port, os.environ)
    try:
        started = _up_with_progress(found, port)
    except KeyboardInterrupt:
        notes.print("\nit goes on starting in the background; `mlcore down` stops it")
        raise typer.Exit(130) from None
    if not started.ours:
        notes.print(f"already running (process {started.state.supervisor.pid})")
    elif started.state.port != port:
        notes.print(f"port {port} is taken: using {started.state.port}", style="yellow")
    secrets = load_credentials(Layout.of(found.home))
    console.print(f"Airflow   {started.state.url}", soft_wrap=True, highlight=False)
    console.print(f"login     {ADMIN} / {secrets.admin_password}", soft_wrap=True, highlight=False, markup=False)
    console.print(f"          (kept in {secrets.password_file})", soft_wrap=True, highlight=False, markup=False)
    notes.print(f"ready after {started.state.ready_seconds:.0f} s; stop it with `mlcore down`")


def _up_with_progress(found: Settings, port: int) -> Started:
    from mlcore.platform import control

    began = time.monotonic()
    with notes.status("starting") as progress:

        def tell(doing: str) -> None:
            progress.update(doing)
            if not notes.is_terminal:
                notes.print(f"{time.monotonic() - began:5.1f} s  {escape(doing)}", highlight=False)

        return control.up(found, port, os.environ, tell)


def down() -> None:
    """Stop everything that `up` started, and what is left of it after a crash."""
    from mlcore.platform import control

    with notes.status("stopping"):
        stopped = control.down(settings())
    if stopped.leftovers:
        notes.print(f"ended {stopped.leftovers} leftover processes")
    notes.print("stopped" if stopped.was_running or stopped.leftovers else "nothing was running")
    if stopped.postgres_still_used:
        notes.print("PostgreSQL stays while another mlcore command uses it, and stops with the last one")


def status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show every service, and the disk that pipelines use. Exit code 0: healthy, 1: not all are, 3: not running."""
    from mlcore.platform.layout import Layout
    from mlcore.platform.status import report

    found, disk = report(Layout.of(settings().home)), _disk_use()
    if as_json:
        print_json({**found.to_dict(), "disk_bytes": disk})
        raise typer.Exit(int(found.verdict))
    table = Table("service", "health", "pid", "up", "restarts", "last exit", "memory", box=None)
    for item in found.services:
        table.add_row(
            item.name,
            _coloured(item.health),
            str(item.pid or "-"),
            _duration(item.uptime_seconds),
            str(item.restarts),
            "-" if item.last_exit_code is None else str(item.last_exit_code),
            f"{item.memory_bytes / 2**20:.0f} MB",
        )
    if found.services:
        console.print(table)
    if disk:
        used = Table("pipeline", "artifacts", box=None)
        for name, size_bytes in disk.items():
            used.add_row(name, f"{size_bytes / 2**20:,.1f} MB")
        console.print(used)
    console.print(f"{found.phase} {found.doing} {found.url}".strip(), highlight=False, soft_wrap=True, markup=False)
    if found.error:
        notes.print(found.error, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(int(found.verdict))


def _disk_use() -> dict[str, int]:
    """Bytes of artifacts by pipeline; nothing of a remote store, which would have to be listed at a price."""
    from mlcore.artifacts.store import ArtifactStore

    store = ArtifactStore(settings().artifacts)
    return store.usage() if store.local else {}


def logs(
    name: Annotated[str | None, typer.Argument(help="A service; all of them when left out.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines are written.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 50,
) -> None:
    """Show what the services wrote."""
    from mlcore.errors import PlatformError, quoted
    from mlcore.platform.control import log_files
    from mlcore.platform.layout import Layout

    files = log_files(Layout.of(settings().home))
    if name is not None and name not in files:
        known = ", ".join(files) or "none yet: `mlcore up` makes them"
        raise PlatformError(f"there is no log of {quoted(name)}", next_step=f"there are: {known}")
    chosen = files if name is None else {name: files[name]}
    ends = {path: _show_end(label, path, lines, len(chosen) > 1) for label, path in chosen.items()}
    with suppress(KeyboardInterrupt):
        while follow:
            time.sleep(0.3)
            for label, path in chosen.items():
                ends[path] = _show_new(label, path, ends[path], len(chosen) > 1)


def _show_end(label: str, path: Path, lines: int, labelled: bool) -> int:
    with path.open("rb") as file:
        for line in deque(file, maxlen=lines):
            _show(label, line, labelled)
        return file.tell()


def _show_new(label: str, path: Path, position: int, labelled: bool) -> int:
    with suppress(FileNotFoundError), path.open("rb") as file:
        file.seek(position if path.stat().st_size >= position else 0)
        for line in file:
            _show(label, line, labelled)
        return file.tell()
    return 0


def _show(label: str, line: bytes, labelled: bool) -> None:
    text = line.decode(errors="replace").rstrip("\n")
    typer.echo(f"{label:>15} | {text}" if labelled else text)


def doctor(port: Annotated[int, typer.Option(min=1, max=65535, help="The port `up` would use.")] = 8080) -> None:
    """Look for what could be wrong, and say what to do about it. Exit code 1 when something is."""
    from mlcore.platform.doctor import Outcome, examine

    failed = False
    for finding in examine(settings(), port):
        failed |= finding.outcome is Outcome.FAILED
        console.print(
            f"{_coloured(finding.outcome)} {finding.name:<11} {escape(finding.found)}",
            highlight=False,
            soft_wrap=True,
        )
        if finding.remedy:
            console.print(f"{'':8} {'':11} -> {escape(finding.remedy)}", highlight=False, soft_wrap=True)
    raise typer.Exit(int(failed))


def airflow(context: typer.Context) -> None:
    """Run Airflow's own command line on this platform: `mlcore airflow backfill create --help`."""
    from mlcore.platform.control import airflow_command_environment

    with airflow_command_environment(settings(), os.environ) as environ:
        command = [sys.executable, "-m", "airflow", *context.args]
        raise typer.Exit(subprocess.run(command, env=environ, check=False).returncode)


def _coloured(word: str) -> str:
    return f"[{_COLOURS.get(word, 'red')}]{word}[/]{' ' * max(0, 8 - len(word))}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    whole = int(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"
