"""``mlcore models rollback|promote|pin|unpin|approve|reject`` and ``mlcore models alias set|remove``."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlcore.cli.context import console, notes, session, settings
from mlcore.cli.models.publish import publish_after
from mlcore.cli.output import print_json
from mlcore.config.files import pipeline_file
from mlcore.errors import ConfigError

if TYPE_CHECKING:
    from mlcore.registry.records import ModelVersion
    from mlcore.runtime.session import Session

PipelineName = Annotated[str, typer.Argument(help="Name of the pipeline.")]
Version = Annotated[int, typer.Argument(help="Number of the model version.", min=1)]
AliasName = Annotated[str, typer.Argument(help="challenger, or a name of your own.")]
VersionOrAlias = Annotated[str, typer.Argument(help="Number of the model version, or an alias: challenger.")]
Reason = Annotated[str, typer.Option(help="Why, for the history.")]
Expect = Annotated[
    int | None,
    typer.Option(min=0, help="Move it only if it is at this version now; 0: only if it is nowhere."),
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


def register(models: typer.Typer) -> None:
    for command in (rollback, promote, pin, unpin, approve, reject):
        models.command()(command)
    alias = typer.Typer(help="challenger, and aliases of your own.", no_args_is_help=True)
    alias.command("set")(set_alias)
    alias.command("remove")(remove_alias)
    models.add_typer(alias, name="alias")


def rollback(
    pipeline: PipelineName,
    to: Annotated[int | None, typer.Option(help="An earlier champion; by default the one before.", min=1)] = None,
    reason: Reason = "rolled back by hand",
    expect: Expect = None,
    as_json: AsJson = False,
) -> None:
    """Make the previous champion the champion again, at once; what is rolled back from does not return by itself."""
    with moving(pipeline) as stores:
        before, after = stores.registry.rollback(pipeline, to, actor=_actor(), reason=reason, expect=expect)
    _moved(pipeline, before, after, as_json=as_json)


def promote(
    pipeline: PipelineName,
    version: VersionOrAlias,
    reason: Reason,
    expect: Expect = None,
    as_json: AsJson = False,
) -> None:
    """Make a registered version the champion by name, also over one that was trained on newer data."""
    with moving(pipeline) as stores:
        number = stores.registry.find(pipeline, version).version
        before, after = stores.registry.promote(pipeline, number, actor=_actor(), reason=reason, expect=expect)
    _moved(pipeline, before, after, as_json=as_json)


def pin(pipeline: PipelineName, reason: Reason, expect: Expect = None, as_json: AsJson = False) -> None:
    """Keep the champion where it is: runs go on, their pushes are recorded and withheld."""
    with moving(pipeline) as stores:
        made = stores.registry.pin(pipeline, actor=_actor(), reason=reason, expect=expect)
    say = f"version {made.version} of {pipeline} stays champion until: mlcore models unpin {pipeline}"
    _say({"pipeline": pipeline, "pinned": made.version}, say, as_json=as_json)


def unpin(pipeline: PipelineName, reason: Reason = "unpinned by hand", as_json: AsJson = False) -> None:
    """Let the champion be replaced again; the next push may do so."""
    with moving(pipeline) as stores:
        was = stores.registry.unpin(pipeline, actor=_actor(), reason=reason)
    say = f"version {was.version} of {pipeline} is no longer pinned"
    _say({"pipeline": pipeline, "unpinned": was.version}, say, as_json=as_json)


def approve(pipeline: PipelineName, version: Version, reason: Reason, as_json: AsJson = False) -> None:
    """Say yes to a version that waits for approval, which becomes the champion."""
    _decide(pipeline, version, reason, approved=True, as_json=as_json)


def reject(pipeline: PipelineName, version: Version, reason: Reason, as_json: AsJson = False) -> None:
    """Say no to a version that waits for approval."""
    _decide(pipeline, version, reason, approved=False, as_json=as_json)


def _decide(pipeline: str, version: int, reason: str, *, approved: bool, as_json: bool) -> None:
    from mlcore.runtime.release.approval import decide

    with moving(pipeline) as stores:
        push = decide(stores, pipeline, version, approved=approved, actor=_actor(), reason=reason)
    document = {"pipeline": pipeline, "version": version, "approved": approved, "outcome": push.outcome.value}
    said = f"version {version} of {pipeline} is {'approved' if approved else 'rejected'}"
    _say({**document, "reason": push.reason}, f"{said}, {push.outcome.value}: {push.reason}", as_json=as_json)


def set_alias(
    pipeline: PipelineName,
    alias: AliasName,
    version: Version,
    reason: Reason = "set by hand",
    expect: Expect = None,
    as_json: AsJson = False,
) -> None:
    """Put an alias to a version; the champion is moved by promote and rollback."""
    with moving(pipeline) as stores:
        was = stores.registry.set_alias(pipeline, alias, version, actor=_actor(), reason=reason, expect=expect)
    at = "nowhere" if was is None else f"at version {was}"
    document = {"pipeline": pipeline, "alias": alias, "version": version, "was": was}
    _say(document, f"{alias} of {pipeline}: version {version}, was {at}", as_json=as_json)


def remove_alias(
    pipeline: PipelineName,
    alias: AliasName,
    reason: Reason = "removed by hand",
    expect: Expect = None,
    as_json: AsJson = False,
) -> None:
    """Take an alias away; its history stays."""
    with moving(pipeline) as stores:
        was = stores.registry.remove_alias(pipeline, alias, actor=_actor(), reason=reason, expect=expect)
    document = {"pipeline": pipeline, "alias": alias, "version": None, "was": was}
    _say(document, f"{alias} of {pipeline} is removed, was at version {was}", as_json=as_json)


@contextmanager
def moving(pipeline: str) -> Iterator[Session]:
    """The stores, for something that moves an alias of a pipeline; what follows the aliases is brought level then."""
    path = pipeline_file(settings().pipelines, pipeline)
    with session() as stores:
        yield stores
        publish_after(path, stores)
        _mirror(path)


def _mirror(path: Path) -> None:
    """Where a file speaks of MLflow or lineage: a file that is wrong keeps nobody from moving an alias."""
    platform = path.parent.parent / "platform.yaml"
    said = b"".join(file.read_bytes() for file in (path, platform) if file.is_file())
    if b"mlflow" not in said and b"lineage" not in said:
        return
    from mlcore.cli.lineage import tell_later
    from mlcore.cli.mlflow import mirror_later
    from mlcore.config.loader import load_pipeline

    try:
        config = load_pipeline(path)
    except ConfigError as error:
        notes.print(f"done, and not mirrored: {error}", markup=False, highlight=False, soft_wrap=True)
        return
    mirror_later(config, settings().home)
    tell_later(config, settings().home)


def _moved(pipeline: str, before: ModelVersion | None, after: ModelVersion, *, as_json: bool) -> None:
    was = "none" if before is None else f"version {before.version}"
    trained = f"trained on {after.train_start:%Y-%m-%d} to {after.train_end:%Y-%m-%d}"
    document = {
        "pipeline": pipeline,
        "champion": after.version,
        "digest": after.digest,
        "was": None if before is None else before.version,
    }
    _say(document, f"champion of {pipeline}: version {after.version} ({trained}), was {was}", as_json=as_json)


def _say(document: Mapping[str, object], text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        console.print(text, highlight=False, markup=False, soft_wrap=True)


def _actor() -> str:
    """Who moves it, as the history names them."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
