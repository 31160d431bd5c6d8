"""``mlcore models reproduce``: a version made once more from its lineage, and compared.

Exit code 0: reproduced bit for bit. 1: it came out otherwise. 2: it could not be made.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlcore.cli.context import console, notes, session, settings
from mlcore.errors import MlcoreError
from mlcore.registry.names import CHAMPION

if TYPE_CHECKING:
    from mlcore.core.types import Json
    from mlcore.runtime.environment import Environment
    from mlcore.runtime.rebuilding.reproduce import Reproduction, Step
    from mlcore.runtime.session import Session

DIFFERS = 1
COULD_NOT = 2
_SHOWN = 12


def reproduce(
    pipeline: Annotated[str, typer.Argument(help="Name of the pipeline.")],
    version: Annotated[int | None, typer.Argument(help="Model version; the champion by default.", min=1)] = None,
    data: Annotated[
        str,
        typer.Option(
            help="auto: from the sources, and from stored Examples where those are gone; source: from the sources"
            " alone; examples: from stored Examples alone."
        ),
    ] = "auto",
    keep: Annotated[Path | None, typer.Option(help="Keep what is rebuilt in this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON document on stdout.")] = False,
) -> None:
    """Rebuild a version from its lineage and compare: exit code 0 equal, 1 another, 2 it could not be rebuilt."""
    from mlcore.runtime.rebuilding.reproduce import From

    if data not in list(From):
        raise typer.BadParameter(f"--data is one of {', '.join(From)}")
    try:
        found = _reproduced(pipeline, version, From(data), keep, _Progress(quiet=as_json))
    except MlcoreError as error:
        Console(stderr=True, soft_wrap=True).print(f"error: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(COULD_NOT) from error
    if as_json:
        typer.echo(json.dumps(found.to_document(), indent=2, ensure_ascii=False))
    else:
        _show(found)
    if not found.equal:
        raise typer.Exit(DIFFERS)


def _reproduced(pipeline: str, version: int | None, data: str, keep: Path | None, progress: _Progress) -> Reproduction:
    from mlcore.config.loader import find_pipeline
    from mlcore.runtime.rebuilding.reproduce import From, reproduce

    config = find_pipeline(settings().pipelines, pipeline)
    with session() as stores:
        chosen = stores.registry.find(pipeline, version or CHAMPION)
        return reproduce(stores, config, chosen, rows=From(data), keep=keep, observer=progress)


class _Progress:
    """A line for each component, when it is done."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def started(self, component: str, outputs: int) -> None:
        if not self._quiet and notes.is_terminal:
            notes.print(f"{component}: {outputs} to rebuild", style="dim", highlight=False)

    def finished(self, step: Step) -> None:
        from mlcore.cli.data.output import printable

        if self._quiet:
            return
        equal = step.outputs - len(step.different) - step.stored
        words = f"{equal:,} of {step.outputs:,} as recorded"
        if step.stored:
            words += f", {step.stored:,} taken as stored"
        if step.different:
            named = ", ".join(step.different[:_SHOWN]) + ", ..." * (len(step.different) > _SHOWN)
            words += f", otherwise: {named}"
        line = f"{step.node:<20} {step.seconds:6.1f} s  {printable(words, 400)}"
        console.print(Text(line, style="red" if step.different else ""), soft_wrap=True)


def _show(found: Reproduction) -> None:
    from mlcore.cli.data.output import printable

    name = f"version {found.version.version} of {found.version.pipeline}"
    if found.equal:
        console.print(Text(f"{name} is reproduced bit for bit: {found.version.digest}", style="green"), soft_wrap=True)
    else:
        console.print(Text(f"{name} is not reproduced", style="red"), soft_wrap=True)
        for reason in found.reasons:
            console.print(Text(f"  because {printable(reason, 400)}"), soft_wrap=True)
        for words in found.next_steps:
            console.print(Text(f"  next: {printable(words, 400)}"), soft_wrap=True)
    table = Table(box=None, show_header=False)
    for key, value in (
        ("recorded", found.version.digest),
        ("rebuilt", found.rebuilt),
        *(("caveat", words) for words in found.caveats[:_SHOWN]),
        *_environment(found),
    ):
        table.add_row(key, Text(printable(value, 600)))
    console.print(table)


def _environment(found: Reproduction) -> list[tuple[str, str]]:
    from mlcore.runtime.environment import shortened

    lines = list(_lines(found.environment).items())
    return lines if found.environment is None else [*lines, ("here", shortened(found.here) or "the same environment")]


def environment_lines(stores: Session, artifact_id: int) -> dict[str, Json]:
    """What a model was built with, as lines of a table."""
    from mlcore.runtime.environment import recorded_environment

    return dict(_lines(recorded_environment(stores, artifact_id)))


def _lines(lock: Environment | None) -> dict[str, str]:
    if lock is None:
        return {"built with": "its environment was not recorded"}
    built = f"mlcore {lock.mlcore}, {lock.python}, {lock.platform}, {len(lock.distributions)} distributions"
    code = {"commit": lock.commit} if lock.commit else {}
    processor = ", ".join([*lock.blas, *lock.simd])
    return {
        "built with": built,
        **code,
        "processor": processor,
        "lock": lock.lock or "the project had no requirements.lock",
    }
