"""Records to fill stores with, where what they say does not matter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mlcore.core.types import ArtifactType, NewArtifact, NewExecution
from mlcore.metadata.store import MetadataStore, Publication
from mlcore.registry.push import promote
from mlcore.registry.records import Candidate, Push

FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)


def digest(name: str) -> str:
    return "sha256:" + name.encode().hex().rjust(64, "0")


def new_execution(fingerprint: str | None = None, *, run: str = "r", pipeline: str = "p") -> NewExecution:
    return NewExecution(component="Trainer", pipeline=pipeline, run=run, fingerprint=fingerprint)


def new_artifact(uri: str, *, pipeline: str = "p", type_: ArtifactType = ArtifactType.MODEL) -> NewArtifact:
    return NewArtifact(type=type_, uri=uri, digest=digest(uri[-20:]), pipeline=pipeline)


def push(
    store: MetadataStore,
    name: str,
    train_end: int,
    *,
    force: bool = False,
    challenges: bool = False,
    pipeline: str = "p",
    run: str | None = None,
) -> Push:
    """Publish a model, whose name decides its digest, and ask for the champion alias in the same transaction.

    Args:
        store: Where.
        name: Equal names have equal digests.
        train_end: Day on which its training data ended; it was evaluated on the seven days after.
        force: Take the alias by name.
        challenges: Be compared with the champion first.
        pipeline: Whose model.
        run: Who asks; named after the model by default.
    """
    made: list[Push] = []
    begun = store.begin(new_execution(pipeline=pipeline, run=run or f"run of {name}"), {})
    (published,) = store.publish(
        [
            Publication(
                execution_id=begun.id,
                outputs={
                    "model": [new_artifact(f"{begun.id}/model", pipeline=pipeline)],
                    "evaluation": [
                        new_artifact(f"{begun.id}/evaluation", pipeline=pipeline, type_=ArtifactType.EVALUATION)
                    ],
                },
            )
        ]
    )
    begun = store.begin(new_execution(pipeline=pipeline, run=run or f"run of {name}"), {})
    end = FIRST_DAY + timedelta(days=train_end)
    candidate = Candidate(
        pipeline=pipeline,
        artifact_id=published["model"][0].id,
        evaluation_id=published["evaluation"][0].id,
        digest=digest(name),
        train_start=end - timedelta(days=60),
        train_end=end,
        window_end=end + timedelta(days=7),
        run=run or f"run of {name}",
        reason="blessed",
        force=force,
        challenges=challenges,
    )
    store.publish(
        [Publication(execution_id=begun.id, outputs={"push": [new_artifact(f"{begun.id}/push", pipeline=pipeline)]})],
        on_commit=lambda connection: made.append(promote(connection, candidate)),
    )
    return made[0]
