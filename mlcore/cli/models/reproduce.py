"""``mlcore models reproduce``: a version made once more from its lineage, and compared.

Exit code 0: reproduced bit for bit. 1: it came out otherwise. 2: it could not be made.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlcore.cli.context import console, notes, session, settings
from mlcore.cli.output import print_json, printable
from mlcore.errors import MlcoreError
from mlcore.registry.names import CHAMPION

if TYPE_CHECKING:
    from mlcore.core.types import Json
    from mlcore.registry.records import ModelVersion
    from mlcore.runtime.rebuilding.locks import Lock
    from mlcore.runtime.rebuilding.reproduce import From, Reproduction, Step
    from mlcore.runtime.session import Session

DIFFERS = 1
COULD_NOT = 2
_SHOWN = 12


def register(models: typer.Typer) -> None:
    models.command()(reproduce)
    models.command()(lock)


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
    found = _reproduced(pipeline, version, From(data), keep, _Progress(quiet=as_json), as_json=as_json)
    if as_json:
        print_json(found.to_document())
    else:
        _show(found)
    if not found.equal:
        raise typer.Exit(DIFFERS)


def lock(
    pipeline: Annotated[str, typer.Argument(help="Name of the pipeline.")],
    version: Annotated[int | None, typer.Argument(help="Model version; the champion by default.", min=1)] = None,
) -> None:
    """What a version was built with, as pip and uv install it: on stdout; what is otherwise here: beside it."""
    from mlcore.config.files import pipeline_file
    from mlcore.runtime.rebuilding.locks import find_lock

    pipeline_file(settings().pipelines, pipeline)
    with session() as stores:
        found = find_lock(stores, stores.registry.find(pipeline, version or CHAMPION))
        typer.echo(found.requirements(), nl=False)
    for key, value in _environment(found):
        notes.print(Text(f"{key:<10}  {value}"), soft_wrap=True)


def _reproduced(
    pipeline: str, version: int | None, data: From, keep: Path | None, progress: _Progress, *, as_json: bool
) -> Reproduction:
    """What came of it; where it could not be made, why, with what it was built with, and the end."""
    from mlcore.config.loader import find_pipeline
    from mlcore.runtime.rebuilding.locks import find_lock
    from mlcore.runtime.rebuilding.reproduce import reproduce

    lock: Lock | None = None
    try:
        config = find_pipeline(settings().pipelines, pipeline)
        with session() as stores:
            chosen = stores.registry.find(pipeline, version or CHAMPION)
            try:
                return reproduce(stores, config, chosen, rows=data, keep=keep, observer=progress)
            except MlcoreError:
                lock = find_lock(stores, chosen)
                raise
    except MlcoreError as error:
        _refuse(pipeline, version, error, lock, as_json=as_json)
        raise typer.Exit(COULD_NOT) from error


def _refuse(pipeline: str, version: int | None, error: MlcoreError, lock: Lock | None, *, as_json: bool) -> None:
    said = Console(stderr=True, soft_wrap=True)
    said.print(f"error: {error}", style="red", markup=False, highlight=False)
    if as_json:
        told: dict[str, Json] = {"what": error.what, "where": error.where, "next_step": error.next_step}
        number = version if lock is None else lock.version.version
        document: dict[str, Json] = {"pipeline": pipeline, "version": number, "reproduced": None, "error": told}
        print_json({**document, **(lock.to_document() if lock is not None else {})})
    elif lock is not None:
        said.print(_table(_environment(lock)))


class _Progress:
    """A line for each component, when it is done."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def started(self, component: str, outputs: int) -> None:
        if not self._quiet and notes.is_terminal:
            notes.print(f"{component}: {outputs} to rebuild", style="dim", highlight=False)

    def finished(self, step: Step) -> None:
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
    name = f"version {found.version.version} of {found.version.pipeline}"
    if found.equal:
        console.print(Text(f"{name} is reproduced bit for bit: {found.version.digest}", style="green"), soft_wrap=True)
    else:
        console.print(Text(f"{name} is not reproduced", style="red"), soft_wrap=True)
        for reason in found.reasons:
            console.print(Text(f"  because {printable(reason, 400)}"), soft_wrap=True)
        for words in found.next_steps:
            console.print(Text(f"  next: {printable(words, 400)}"), soft_wrap=True)
    rows = [
        ("recorded", found.version.digest),
        ("rebuilt", found.rebuilt),
        *(("caveat", words) for words in found.caveats[:_SHOWN]),
        *_environment(found.lock),
    ]
    console.print(_table(rows))


def _table(rows: Iterable[tuple[str, str]]) -> Table:
    table = Table(box=None, show_header=False)
    for key, value in rows:
        table.add_row(key, Text(printable(value, 600)))
    return table


def environment_lines(stores: Session, version: ModelVersion) -> dict[str, Json]:
    """What a model was built with, as lines of a table."""
    from mlcore.runtime.rebuilding.locks import find_lock

    return dict(_built(find_lock(stores, version)))


def _environment(lock: Lock) -> list[tuple[str, str]]:
    """With what is otherwise here."""
    from mlcore.runtime.environment import shortened

    if lock.environment is None:
        return _built(lock)
    return [
        *((key, lock.commit if key == "commit" else value) for key, value in _built(lock)),
        ("here", shortened(lock.differences) or "the same environment"),
    ]


def _built(lock: Lock) -> list[tuple[str, str]]:
    built = lock.environment
    if built is None:
        return [("built with", lock.missing)]
    return [
        (
            "built with",
            f"mlcore {built.mlcore}, {built.python}, {built.platform}, {len(built.distributions)} distributions",
        ),
        *([("commit", built.commit)] if built.commit else []),
        ("processor", ", ".join([*built.blas, *built.simd])),
        ("lock", lock.command),
    ]
