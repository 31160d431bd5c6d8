"""``mlcore mlflow sync``."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from mlcore.cli.context import configs, console, notes, session
from mlcore.config.pipeline import PipelineConfig
from mlcore.errors import ConfigError, TrackingError
from mlcore.tracking.process import GRACE_SECONDS, start_mirror

if TYPE_CHECKING:
    from mlcore.runtime.session import Session
    from mlcore.tracking.server import Names

mlflow = typer.Typer(help="The mirror of runs and models in MLflow.", no_args_is_help=True)
_SHOWN = 50
_AGAIN_SECONDS = 2.0
"""Between attempts to end what takes too long: a library may swallow the first."""


def register(app: typer.Typer) -> None:
    app.add_typer(mlflow, name="mlflow")


@mlflow.callback()
def of_mlflow() -> None:
    """The mirror of runs and models in MLflow."""


@mlflow.command()
def sync(
    pipeline: Annotated[str | None, typer.Argument(help="Its name; by default all that are mirrored.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing: tell every difference.")] = False,
    at_most: Annotated[float | None, typer.Option(help="Seconds after which the rest is put off.", min=1)] = None,
) -> None:
    """Write to MLflow what it lacks of the runs, versions and aliases of pipelines; may be repeated at any time."""
    from mlcore.tracking.server import DEFAULTS, names_of

    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    wanted = [(config, names) for config in configs(pipeline) if (names := names_of(config, os.environ))]
    if not wanted:
        raise ConfigError(
            "no pipeline has tracking.mlflow" if pipeline is None else f"pipeline {pipeline} has no tracking.mlflow",
            where="tracking",
            next_step="write tracking: {mlflow: {uri: http://...}} into the pipeline's file or config/platform.yaml",
        )
    with _within(at_most), session() as stores:
        found = 0
        for config, names in wanted:
            if check:
                found += _check(stores, config, names)
            else:
                from mlcore.runtime.interop.mirror import sync as written

                console.print(f"{config.name}: {written(stores, config, names, _tell(config.name))}", highlight=False)
    if found:
        raise TrackingError(
            f"MLflow differs from our store in {found} places", next_step="mlcore mlflow sync writes what is missing"
        )


def _check(stores: Session, config: PipelineConfig, names: Names) -> int:
    """How many differences there are; the first of them are shown."""
    from mlcore.runtime.interop.mirror_check import check

    found = check(stores, config, names, _tell(config.name))
    for difference in found[:_SHOWN]:
        console.print(f"{config.name}: {difference}", markup=False, highlight=False, soft_wrap=True)
    if len(found) > _SHOWN:
        console.print(f"{config.name}: and {len(found) - _SHOWN} more", highlight=False)
    if not found:
        console.print(f"{config.name}: equal", highlight=False)
    return len(found)


def _tell(pipeline: str) -> Callable[[str], None]:
    """Says what is being written or compared, where somebody watches."""

    def tell(step: str) -> None:
        if notes.is_terminal:
            notes.print(f"{pipeline}: {step}", style="dim", markup=False, highlight=False)

    return tell


@contextmanager
def _within(seconds: float | None) -> Iterator[None]:
    """Ends what takes longer, wherever it waits.

    Raises:
        TrackingError: The time is over.
    """
    if seconds is None:
        yield
        return

    def over(number: int, frame: FrameType | None) -> None:
        raise TrackingError(
            f"MLflow took longer than {seconds:g} seconds; what was written stays",
            next_step="mlcore mlflow sync writes the rest; tracking.mlflow.max_wait sets the time",
        )

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def mirror_after(config: PipelineConfig) -> None:
    """Mirror what a command changed, in a process of its own and within ``max_wait``; a failure is a warning.

    Call it when the change is committed: nothing that happens here can undo or fail it.
    """
    if config.tracking is None or config.tracking.mlflow is None:
        return
    seconds = config.tracking.mlflow.max_wait.total_seconds()
    process = start_mirror(config.name, seconds=seconds, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    with process:
        try:
            _, said = process.communicate(timeout=seconds + GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            _, said = process.communicate()
    if process.returncode:
        why = said.decode(errors="replace").strip() or f"the mirror ended with exit code {process.returncode}"
        notes.print(f"not in MLflow yet, all else is done: {why}", style="yellow", markup=False, highlight=False)


def mirror_later(config: PipelineConfig, home: Path) -> None:
    """:func:`mirror_after`, not waited for: what it says is in ``logs/mlflow.log``."""
    if config.tracking is None or config.tracking.mlflow is None:
        return
    logs = home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / "mlflow.log").open("ab") as log:
        start_mirror(
            config.name, seconds=config.tracking.mlflow.max_wait.total_seconds(), stdout=log, stderr=log, detached=True
        )
