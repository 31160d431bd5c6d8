"""Model versions between installations: one file out, and in again as a version of its own.

model/          the Model, its TransformGraph inside
evaluation/     what the gates judged it by
schema/         what its data was held against
environment/    its environment lock
card.md         for people
lineage.json    the data it was made from, by span and digest, and the components that made it
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sqlalchemy import Connection, select

from mlcore.artifacts.digests import digest_folder, files_below, relative_name
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.digests import canonical_json
from mlcore.core.temporary import temporary_folder
from mlcore.core.types import Artifact, ArtifactType, EventType, Execution, Json, NewArtifact, NewExecution
from mlcore.core.window import iso, parse_moment
from mlcore.deployment.archive import (
    MOST_BYTES,
    REFUSED_NEXT,
    ArchiveRefused,
    Manifest,
    archive_digest,
    check_nested,
    pack,
    unpack,
)
from mlcore.deployment.signature import SIGNATURE_BYTES, Signer, TrustedKey
from mlcore.errors import ArtifactError, UntrustedModel, WindowError, quoted
from mlcore.metadata.locks import with_lock
from mlcore.metadata.store import Publication
from mlcore.metadata.tables import event
from mlcore.registry.push import register_imported
from mlcore.registry.records import Candidate, ModelVersion
from mlcore.runtime.attempts import attempt
from mlcore.runtime.environment import ENVIRONMENT
from mlcore.runtime.fingerprint import MADE_BY
from mlcore.runtime.kept import kept_folder
from mlcore.runtime.release.provenance import Made, made_from, trace
from mlcore.runtime.session import Session

KIND = "mlcore model version"
IMPORTER = "ModelImporter"
MODEL, EVALUATION, SCHEMA = "model", "evaluation", "schema"
LINEAGE_FILE = "lineage.json"
_TYPES = {
    MODEL: ArtifactType.MODEL,
    EVALUATION: ArtifactType.EVALUATION,
    SCHEMA: ArtifactType.SCHEMA,
    ENVIRONMENT: ArtifactType.ENVIRONMENT,
}
_REQUIRED = (MODEL, EVALUATION)
_NUL = rb"\u0000"
"""As JSON has it; the database takes no such text."""
_LOCAL = ("baseline",)
"""Properties that are ids of this installation: they mean nothing elsewhere."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """What became of an archive.

    Attributes:
        fresh: Whether a version was registered; an equal model may have been one before.
    """

    pipeline: str
    version: int
    digest: str
    fresh: bool


def export_version(
    session: Session, version: ModelVersion, path: Path, extra: Mapping[str, bytes], signer: Signer | None = None
) -> str:
    """Write a version, and further files, into one archive; equal versions, signed by equal keys, give equal bytes.

    Returns:
        The digest of the archive.

    Raises:
        ArtifactError: Files of the version are gone, or are not those that were published.
        ArchiveRefused: The archive cannot be written.
    """
    about, files = contents(session, version)
    try:
        return pack(path, about, {**extra, **files}, signer.sign if signer is not None else None)
    except OSError as error:
        raise ArchiveRefused(
            f"the archive cannot be written: {error.strerror or error}", where=str(path), next_step="name another place"
        ) from error


def contents(session: Session, version: ModelVersion) -> tuple[dict[str, Json], dict[str, Path | bytes]]:
    """What a version is, and its files by name: all that another installation, or a server, needs of it.

    Raises:
        ArtifactError: Files of the version are gone, or are not those that were published.
    """
    model, evaluation = session.metadata.present([version.artifact_id, version.evaluation_id])
    made = trace(session, model.id)
    artifacts = {MODEL: model, EVALUATION: evaluation, **_beside(session, version, made)}
    files: dict[str, Path | bytes] = {LINEAGE_FILE: canonical_json(_lineage(made))}
    for name, artifact in artifacts.items():
        folder = kept_folder(session, artifact)
        files |= {f"{name}/{relative_name(file, folder)}": file for file in files_below(folder)}
    return _about(version, artifacts), files


def _beside(session: Session, version: ModelVersion, made: tuple[Made, ...]) -> dict[str, Artifact]:
    found = {}
    if version.schema_id is not None:
        (found[SCHEMA],) = session.metadata.present([version.schema_id])
    locks = made[-1].outputs.get(ENVIRONMENT) if made else None
    if locks:
        found[ENVIRONMENT] = locks[0]
    return found


def _about(version: ModelVersion, artifacts: Mapping[str, Artifact]) -> dict[str, Json]:
    described: dict[str, Json] = {
        name: {"type": artifact.type.value, "digest": artifact.digest, "properties": _portable(artifact)}
        for name, artifact in artifacts.items()
    }
    return {
        "kind": KIND,
        "pipeline": version.pipeline,
        "version": version.version,
        "digest": version.digest,
        "train_start": iso(version.train_start),
        "train_end": iso(version.train_end),
        "window_end": iso(version.window_end),
        "run": version.run,
        "registered": iso(version.created_at),
        "config": dict(version.config),
        "artifacts": described,
    }


def _portable(artifact: Artifact) -> dict[str, Json]:
    return {key: value for key, value in artifact.properties.items() if key not in _LOCAL}


def _lineage(made: tuple[Made, ...]) -> dict[str, Json]:
    sources: list[Json] = [
        {"span": artifact.span.label if artifact.span else None, "digest": artifact.digest}
        for artifact in made_from(made, ArtifactType.SOURCE_FILE)
    ]
    components: dict[str, Json] = {}
    for one in made:
        execution = one.execution
        components.setdefault(
            one.node, {"parameters": dict(execution.parameters), MADE_BY: execution.origin.get(MADE_BY)}
        )
    return {"sources": sources, "components": components}


def import_version(
    session: Session,
    find: Callable[[str], PipelineConfig],
    path: Path,
    *,
    actor: str,
    expect: str | None = None,
    most_bytes: int = MOST_BYTES,
    trusted: Sequence[TrustedKey] = (),
) -> Imported:
    """Register the version of an archive. It is no champion by itself.

    The archive is unpacked into a scratch folder, its every byte checked, and its model audited, built and asked in a
    process of its own, within the pipeline's ``push.infra.max_memory`` and ``timeout``, before anything is written
    into the artifact store or the database.

    Args:
        session: The stores.
        find: The pipeline of a name, or an error that there is none.
        path: The archive.
        actor: Who imports it, for the history.
        expect: The digest that the archive, or its model, must have.
        most_bytes: An archive of larger files is refused.
        trusted: One of these must have signed it; without any, a signature is not looked at.

    Raises:
        ArchiveRefused: It is no archive of a version, or holds what it must not, or a model that cannot be loaded.
        UntrustedModel: Its model holds types that are not on the allow-list.
    """
    digest = archive_digest(path)
    signed_by: list[str] = []

    def verify(manifest: bytes, signature: bytes | None) -> None:
        if trusted:
            signed_by.append(_signer(trusted, manifest, signature, path))

    session.scratch.mkdir(parents=True, exist_ok=True)
    with temporary_folder("import", within=session.scratch) as folder:
        manifest = unpack(path, folder, most_bytes=most_bytes, verify=verify)
        about = _checked(manifest, folder, path)
        config = find(about["pipeline"])
        if expect is not None and expect not in (digest, about["digest"]):
            raise ArchiveRefused(
                f"neither the archive nor its model has the digest {quoted(expect)}",
                where=f"archive {digest}, model {about['digest']}",
                next_step="ask whoever exported it which digest was told then",
            )
        _audit(folder / MODEL, config, path)
        known = _known(session, config.name, str(about["digest"]))
        if known is not None:
            return Imported(pipeline=config.name, version=known, digest=str(about["digest"]), fresh=False)
        origin: dict[str, Json] = {
            "archive": digest,
            "file": path.name,
            "actor": actor,
            **{key: about[key] for key in ("version", "run", "registered")},
            **({"signed_by": signed_by[0]} if signed_by else {}),
        }
        return _publish(session, config, folder, about, origin)


def _checked(manifest: Manifest, folder: Path, path: Path) -> dict[str, Any]:
    """What the archive says of itself, found true."""
    try:
        about: dict[str, Any] = dict(manifest.about)
        if about["kind"] != KIND:
            raise ArchiveRefused("the archive holds no model version", where=str(path))
        _check_artifacts(about["artifacts"], folder, path)
        if about["artifacts"][MODEL]["digest"] != about["digest"]:
            raise ArchiveRefused("the archive's model is not the one it names", where=str(path))
        start, end, judged = (parse_moment(str(about[key])) for key in ("train_start", "train_end", "window_end"))
        if not start < end <= judged:
            raise ValueError(f"a window from {iso(start)} to {iso(end)}, judged up to {iso(judged)}")
        about["pipeline"] = str(about["pipeline"])
        if _NUL in canonical_json(about):
            raise ValueError("a character that no name has")
        return {"version": None, "run": "", "registered": "", **about}
    except (KeyError, TypeError, AttributeError, ValueError, WindowError) as error:
        raise ArchiveRefused(
            f"the archive's manifest says nothing that makes sense: {quoted(str(error))}", where=str(path)
        ) from error


def _check_artifacts(artifacts: Mapping[str, Any], folder: Path, path: Path) -> None:
    for name in _REQUIRED:
        if name not in artifacts:
            raise ArchiveRefused(f"the archive holds no {name}", where=str(path))
    for name, entry in artifacts.items():
        if name not in _TYPES or entry["type"] != _TYPES[name].value or not isinstance(entry["properties"], dict):
            raise ArchiveRefused(f"the archive holds {quoted(name)}, which no version has", where=str(path))
        if not (folder / name).is_dir() or digest_folder(folder / name) != entry["digest"]:
            raise ArchiveRefused(f"the files of {name} are not those of its digest", where=str(path))


def _signer(trusted: Sequence[TrustedKey], manifest: bytes, signature: bytes | None, path: Path) -> str:
    """Fingerprint of the key that signed the archive."""
    if signature is None or len(signature) != SIGNATURE_BYTES:
        raise ArchiveRefused(
            "the archive is not signed",
            where=str(path),
            next_step="export it again with --sign, or ask whoever gave it to you to",
        )
    found = next((key.fingerprint for key in trusted if key.made(signature, manifest)), None)
    if found is None:
        raise ArchiveRefused(
            "the archive's signature is of none of the keys that are trusted here, or it was changed since",
            where=str(path),
            next_step="ask whoever gave it to you by which key it is signed",
        )
    return found


def _audit(folder: Path, config: PipelineConfig, path: Path) -> None:
    """Check a model's files as far as that needs no building of it, and have a process of its own do the rest."""
    from mlcore.deployment.infra import Limits, Subject, load_apart
    from mlcore.deployment.serving_only import needed_by
    from mlcore.inference.trial import LOAD_AND_ASK
    from mlcore.training.model import MODEL_FILE, distributions_of, read_metadata

    for file in files_below(folder):
        check_nested(file, f"{MODEL}/{relative_name(file, folder)}")
    try:
        needs = needed_by(distributions_of(read_metadata(folder).estimator))
    except ArtifactError as error:
        raise ArchiveRefused(error.what, where=f"{path}, {MODEL}", next_step=REFUSED_NEXT) from error
    infra = config.push.infra
    failed = load_apart(
        Subject(folder=folder, load=LOAD_AND_ASK, needs=needs),
        Limits(
            latency_p99_seconds=infra.max_latency_p99.total_seconds(),
            memory_bytes=infra.max_memory,
            timeout_seconds=infra.timeout.total_seconds(),
        ),
    )
    if failed is not None:
        kind = UntrustedModel if failed.error == UntrustedModel.__name__ else ArchiveRefused
        raise kind(failed.what, where=f"{path}, {MODEL}/{MODEL_FILE}", next_step=REFUSED_NEXT)


def _known(session: Session, pipeline: str, digest: str) -> int | None:
    return next((one.version for one in session.registry.versions(pipeline) if one.digest == digest), None)


def _publish(
    session: Session, config: PipelineConfig, folder: Path, about: Mapping[str, Any], origin: Mapping[str, Json]
) -> Imported:
    run = f"import__{str(origin['archive']).rsplit(':', 1)[-1][:12]}"
    new, lock = with_lock(
        NewExecution(component=IMPORTER, pipeline=config.name, run=run, fingerprint=None, origin=origin)
    )
    with session.metadata.exclusive([lock]):
        execution = session.metadata.begin(new, {})
        return _stored_and_registered(session, config, folder, about, origin, execution)


def _stored_and_registered(
    session: Session,
    config: PipelineConfig,
    folder: Path,
    about: Mapping[str, Any],
    origin: Mapping[str, Json],
    execution: Execution,
) -> Imported:
    with attempt(session, [execution.id]):
        prefix = session.artifacts.fresh(config.name, IMPORTER, execution.id)
        outputs = {
            name: [
                NewArtifact(
                    type=_TYPES[name],
                    uri=f"{prefix}/{name}",
                    digest=_stored(session, folder / name, f"{prefix}/{name}"),
                    pipeline=config.name,
                    properties=dict(about["artifacts"][name]["properties"]),
                )
            ]
            for name in about["artifacts"]
        }
        found: list[int] = []

        def commit(connection: Connection) -> None:
            candidate = _candidate(config, about, origin, execution.run, _ids(connection, execution.id))
            found.append(register_imported(connection, candidate))

        session.metadata.publish([Publication(execution_id=execution.id, outputs=outputs)], on_commit=commit)
    return Imported(pipeline=config.name, version=found[0], digest=str(about["digest"]), fresh=True)


def _stored(session: Session, source: Path, uri: str) -> str:
    """Copy a folder into the store; returns its digest there."""
    target = session.artifacts.folder(uri)
    with session.artifacts.writing(uri):
        for file in files_below(source):
            copy = target.joinpath(*PurePosixPath(relative_name(file, source)).parts)
            copy.parent.mkdir(parents=True, exist_ok=True)
            with file.open("rb") as read, copy.open("wb") as written:
                shutil.copyfileobj(read, written)
    return session.artifacts.seal(uri)


def _ids(connection: Connection, execution_id: int) -> dict[str, int]:
    made = select(event.c.key, event.c.artifact_id).where(
        event.c.execution_id == execution_id, event.c.type == EventType.OUTPUT.value
    )
    return {row.key: row.artifact_id for row in connection.execute(made)}


def _candidate(
    config: PipelineConfig, about: Mapping[str, Any], origin: Mapping[str, Json], run: str, ids: Mapping[str, int]
) -> Candidate:
    start, end, judged = (parse_moment(str(about[key])) for key in ("train_start", "train_end", "window_end"))
    return Candidate(
        pipeline=config.name,
        artifact_id=ids[MODEL],
        evaluation_id=ids[EVALUATION],
        schema_id=ids.get(SCHEMA),
        config=config.model_dump(mode="json", exclude={"alerts"}, exclude_unset=True),  # thresholds are those of here
        digest=str(about["digest"]),
        train_start=start,
        train_end=end,
        window_end=judged,
        run=run,
        reason=(
            f"withheld: {origin['actor']} imported it from {quoted(origin['file'], 80)} ({origin['archive']}),"
            f" version {quoted(about['version'], 20)} of run {quoted(about['run'], 80)} there"
            + (f", signed by {origin['signed_by']}" if "signed_by" in origin else "")
        ),
        evidence=origin,
    )
