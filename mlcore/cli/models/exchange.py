"""``mlcore models export|import``: a version as one file."""

from __future__ import annotations

import getpass
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlcore.cli.context import console, notes, session, settings
from mlcore.config.files import pipeline_names
from mlcore.errors import ConfigError, quoted
from mlcore.registry.names import CHAMPION

if TYPE_CHECKING:
    from mlcore.config.pipeline import PipelineConfig

PipelineName = Annotated[str, typer.Argument(help="Name of the pipeline.")]
CARD = "card.md"


def register(models: typer.Typer) -> None:
    models.command()(export)
    models.command("import")(import_)


def export(
    pipeline: PipelineName,
    version: Annotated[str, typer.Argument(help="Number of the model version, or an alias.")],
    file: Annotated[Path, typer.Argument(help="The archive to write.", dir_okay=False)],
    sign: Annotated[
        Path | None, typer.Option(help="Sign it with this private key: Ed25519, PEM, without a password.")
    ] = None,
) -> None:
    """One archive with model, transform, schema, evaluation, card and environment lock; equal versions, equal bytes."""
    from mlcore.cli.model_card import card_of, find_evaluated
    from mlcore.deployment.signature import Signer
    from mlcore.evaluation.card.markdown import to_markdown
    from mlcore.evaluation.files import read_judgement
    from mlcore.runtime.kept import kept_folder
    from mlcore.runtime.release.exchange import export_version

    signer = Signer(sign) if sign is not None else None
    config = _config(pipeline)
    with session() as stores:
        chosen = stores.registry.find(pipeline, version)
        found = find_evaluated(stores, pipeline, chosen.version, None)
        card = card_of(config, found, read_judgement(kept_folder(stores, found.evaluation)))
        digest = export_version(stores, chosen, file, {CARD: to_markdown(card).encode()}, signer)
    size = file.stat().st_size
    console.print(f"wrote {file}, {size:,} bytes: {digest}", highlight=False, markup=False, soft_wrap=True)


def import_(
    file: Annotated[Path, typer.Argument(help="The archive to read.", exists=True, dir_okay=False)],
    expect: Annotated[
        str | None, typer.Option(help="Refuse it unless the archive, or its model, has this digest (sha256:...).")
    ] = None,
    max_bytes: Annotated[int, typer.Option(help="Refuse an archive of larger files.", min=1)] = 16 * 2**30,
    verify: Annotated[
        list[Path] | None,
        typer.Option(help="Refuse it unless it is signed by this public key (PEM), or one of a folder; repeatable."),
    ] = None,
) -> None:
    """Register the version of an archive; every byte is checked first, and it is no champion by itself.

    MLCORE_TRUSTED_KEYS names a public key, or a folder of them, that all archives must be signed by.
    """
    from mlcore.deployment.signature import trusted_keys
    from mlcore.runtime.release.exchange import import_version

    always = settings().trusted_keys
    # Keys that are named here narrow the choice: what the installation asks for holds all the same.
    asked = [trusted_keys(paths) for paths in (verify or [], [always] if always else []) if paths]
    trusted = [key for key in asked[0] if key.fingerprint in {one.fingerprint for one in asked[-1]}] if asked else []
    if asked and not trusted:
        raise ConfigError(
            "none of the keys named is trusted by this installation",
            where=f"--verify, and MLCORE_TRUSTED_KEYS={always}",
            next_step="name one that is, or have its public key put there",
        )
    with notes.status("checking the archive, and asking its model"), session() as stores:
        actor = f"{getpass.getuser()}@{socket.gethostname()}"
        found = import_version(stores, _find, file, actor=actor, expect=expect, most_bytes=max_bytes, trusted=trusted)
        is_champion = stores.registry.aliases(found.pipeline).get(CHAMPION) == found.version
    pipeline, what = found.pipeline, "is registered" if found.fresh else "was registered before"
    said = ", and is the champion" if is_champion else ""
    console.print(
        f"version {found.version} of {pipeline} {what}{said}: {found.digest}", highlight=False, soft_wrap=True
    )
    if not is_champion:
        console.print(f"make it champion with: mlcore models promote {pipeline} {found.version} --reason <why>")


def _find(name: str) -> PipelineConfig:
    """The pipeline that an archive names: of a name from outside no path is made."""
    from mlcore.deployment.archive import ArchiveRefused

    folder = settings().pipelines
    if name not in pipeline_names(folder):
        raise ArchiveRefused(
            f"the archive's model is of a pipeline that is not here: {quoted(name)}",
            where=str(folder),
            next_step="import it where there is such a pipeline, or copy its file first",
        )
    return _config(name)


def _config(name: str) -> PipelineConfig:
    from mlcore.config.loader import find_pipeline  # what only reads the registry waits for no parser

    return find_pipeline(settings().pipelines, name)
