"""``mlcore lineage sync``."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlcore.cli.context import configs, console, notes, session, settings
from mlcore.config.lineage import Lineage
from mlcore.config.pipeline import PipelineConfig
from mlcore.errors import ConfigError, TrackingError
from mlcore.tracking.process import start_mirror

if TYPE_CHECKING:
    from mlcore.runtime.session import Session
    from mlcore.tracking.openlineage.destinations import Destination

lineage = typer.Typer(help="OpenLineage events of runs and alias moves.", no_args_is_help=True)
_SHOWN = 50


def register(app: typer.Typer) -> None:
    app.add_typer(lineage, name="lineage")


@lineage.callback()
def of_lineage() -> None:
    """OpenLineage events of runs and alias moves."""


@lineage.command()
def sync(
    pipeline: Annotated[str | None, typer.Argument(help="Its name; by default all that have lineage.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Send nothing: tell every difference.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Send everything, also what was taken.")] = False,
    at_most: Annotated[float | None, typer.Option(help="Seconds after which the rest is put off.", min=0)] = None,
) -> None:
    """Deliver the lineage events that were not taken yet, of every execution there ever was; may be repeated."""
    if check and again:
        raise typer.BadParameter("--check sends nothing: leave out --again")
    wanted = [(config, config.lineage) for config in configs(pipeline) if config.lineage]
    if not wanted:
        raise ConfigError(
            "no pipeline has lineage" if pipeline is None else f"pipeline {pipeline} has no lineage",
            where="lineage",
            next_step="write lineage: {file: lineage/events.jsonl} into the pipeline's file or config/platform.yaml",
        )
    from mlcore.tracking.openlineage.destinations import destination_of

    told = [(config, given, destination_of(given, settings().home, os.environ)) for config, given in wanted]
    with session() as stores:
        done = [_check(stores, *one) if check else _deliver(stores, *one, again, at_most) for one in told]
    if not all(done):
        raise TrackingError(
            "lineage events are missing" if check else "lineage events could not all be delivered",
            next_step="see the lines above; mlcore lineage sync delivers what is missing",
        )


def _deliver(
    stores: Session,
    config: PipelineConfig,
    given: Lineage,
    destination: Destination,
    again: bool,
    at_most: float | None,
) -> bool:
    """Whether everything was taken."""
    from mlcore.runtime.interop.lineage import Within, deliver, forget

    if again:
        forget(stores, config, destination)

    def tell(step: str) -> None:
        if notes.is_terminal:
            notes.print(f"{config.name}: {step}", style="dim", markup=False, highlight=False)

    outcome = deliver(stores, config, given, destination, until=Within(at_most), tell=tell)
    console.print(f"{config.name}: {outcome}", markup=False, highlight=False, soft_wrap=True)
    if outcome.error is not None:
        notes.print(f"{config.name}: {outcome.error}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    return outcome.error is None and not outcome.refused


def _check(stores: Session, config: PipelineConfig, given: Lineage, destination: Destination) -> bool:
    """Whether there is no difference; the first of them are shown."""
    from mlcore.runtime.interop.lineage_check import check

    def tell(step: str) -> None:
        notes.print(f"{config.name}: {step}", style="dim", markup=False, highlight=False, soft_wrap=True)

    found = check(stores, config, given, destination, tell)
    for difference in found[:_SHOWN]:
        console.print(f"{config.name}: {difference}", markup=False, highlight=False, soft_wrap=True)
    if len(found) > _SHOWN:
        console.print(f"{config.name}: and {len(found) - _SHOWN} more", highlight=False)
    if not found:
        console.print(f"{config.name}: everything is delivered to {destination.shown}", markup=False, highlight=False)
    return not found


def tell_later(config: PipelineConfig, home: Path) -> None:
    """Have what a command changed told in a process of its own, not waited for: its words are in ``logs/lineage.log``.

    Call it when the change is committed: nothing that happens here can undo or fail it.
    """
    if config.lineage is None:
        return
    logs = home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / "lineage.log").open("ab") as log:
        start_mirror(
            config.name,
            noun="lineage",
            seconds=config.lineage.max_wait.total_seconds(),
            stdout=log,
            stderr=subprocess.STDOUT,
            detached=True,
        )
