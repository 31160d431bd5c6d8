"""Registered models on an MLflow server: versions with their files, and aliases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlcore.artifacts.digests import digest_folder
from mlcore.core.temporary import temporary_folder
from mlcore.tracking.flavour import Ids
from mlcore.tracking.server import MlflowServer

DIGEST, VERSION, FILES, MOVES = "mlcore.digest", "mlcore.version", "mlcore.files", "mlcore.alias_moves"
_PAGE = 200
Write = Callable[[Path, Ids], None]
"""Writes a model in MLflow's format into an empty folder, for the ids that the server gave."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewVersion:
    """A version to register.

    Attributes:
        number: Ours; MLflow counts by itself, and registering all in order gives the same numbers.
        write: ``None`` of a model whose files were collected before they could be mirrored: the version is registered
            without them, so that those that follow have their numbers.
    """

    number: int
    digest: str
    run_id: str | None
    description: str
    tags: Mapping[str, str]
    write: Write | None


def registered(server: MlflowServer) -> dict[str, list[Any]]:
    """The server's versions of the model by digest, the oldest first; of each digest there should be one."""
    found: dict[str, list[Any]] = {}
    token = None
    while True:
        page = server.client.search_model_versions(
            f"name = '{server.names.model}'", max_results=_PAGE, page_token=token
        )
        for version in page:
            found.setdefault(version.tags.get(DIGEST, ""), []).append(version)
        token = page.token
        if not token:
            break
    return {digest: sorted(versions, key=lambda one: int(one.version)) for digest, versions in found.items()}


def ensure_model(server: MlflowServer, description: str) -> Any:
    """The registered model, made where it is not there."""
    from mlflow.exceptions import MlflowException

    try:
        return server.client.get_registered_model(server.names.model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    return server.client.create_registered_model(
        server.names.model, tags={"mlcore.pipeline": server.names.pipeline}, description=description
    )


def held_model(server: MlflowServer) -> Any | None:
    """The registered model, or nothing."""
    from mlflow.exceptions import MlflowException

    try:
        return server.client.get_registered_model(server.names.model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    return None


def register(server: MlflowServer, version: NewVersion) -> Any:
    """Upload a version's files, if that did not come to its end before, and register it."""
    tags = {DIGEST: version.digest, VERSION: str(version.number), **version.tags}
    if version.write is None:
        source, model_id = f"runs:/{version.run_id}/collected", None
        tags["mlcore.collected"] = "true"
    else:
        model = _logged(server, version)
        source, model_id = f"models:/{model.model_id}", model.model_id
        tags[FILES] = model.tags[FILES]
    return server.client.create_model_version(
        server.names.model,
        source=source,
        run_id=version.run_id,
        tags=tags,
        description=version.description,
        model_id=model_id,
    )


def _logged(server: MlflowServer, version: NewVersion) -> Any:
    """MLflow's logged model, whole: found by its digest, or made."""
    client = server.client
    found = client.search_logged_models([server.experiment_id], filter_string=f"tags.`{DIGEST}` = '{version.digest}'")
    model = next((one for one in found if one.status == "READY"), None) or next(iter(found), None)
    if model is None:
        model = client.create_logged_model(
            server.experiment_id,
            name=server.names.model,
            source_run_id=version.run_id,
            tags={DIGEST: version.digest, **version.tags},
        )
    if version.run_id is not None:
        _link(client, version.run_id, model.model_id)
    if model.status == "READY":
        return model
    assert version.write is not None
    with temporary_folder("tracking") as scratch:
        ids = Ids(model_id=model.model_id, run_id=version.run_id, location=model.artifact_location)
        version.write(scratch, ids)
        client.log_model_artifacts(model.model_id, str(scratch))
        client.set_logged_model_tags(model.model_id, {FILES: digest_folder(scratch)})
    return client.finalize_logged_model(model.model_id, "READY")


def _link(client: Any, run_id: str, model_id: str) -> None:
    """Note that a run made a model; MLflow refuses to be told twice."""
    from mlflow.entities import LoggedModelOutput

    outputs = client.get_run(run_id).outputs
    if model_id not in {one.model_id for one in (outputs.model_outputs if outputs else ())}:
        client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])


def move(server: MlflowServer, alias: str, number: str | None) -> None:
    """Let an alias name a version, or nothing any more."""
    if number is None:
        server.client.delete_registered_model_alias(server.names.model, alias)
    else:
        server.client.set_registered_model_alias(server.names.model, alias, number)


def moved(model: Any) -> int:
    """How many of the alias's moves the server was told."""
    text = str(model.tags.get(MOVES, ""))
    return int(text) if text.isdecimal() else 0


def note_moves(server: MlflowServer, count: int) -> None:
    """Note that all moves up to here were told."""
    server.client.set_registered_model_tag(server.names.model, MOVES, str(count))
