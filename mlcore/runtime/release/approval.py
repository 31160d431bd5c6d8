"""What a person says of a model: a Blessing as the gates give them, and a row of the registry's history.

    model, evaluation --Approval--> blessing (gate "approval")

One transaction makes the Blessing LIVE, records who said what, when and why, and moves the champion where the model
waited for that alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection, select

from mlcore.core.types import Artifact, ArtifactType, EventType, Json, NewArtifact, NewExecution
from mlcore.core.window import parse_moment
from mlcore.evaluation.blessing import Blessing, write_blessing
from mlcore.metadata.store import Publication
from mlcore.metadata.tables import event
from mlcore.registry import push
from mlcore.registry.records import Candidate, Push, Verdict
from mlcore.runtime.attempts import attempt
from mlcore.runtime.session import Session

GATE = "approval"
COMPONENT = "Approval"
_OUTPUT = "blessing"


def decide(
    session: Session,
    pipeline: str,
    version: int,
    *,
    approved: bool,
    actor: str,
    reason: str,
    origin: Mapping[str, Json] | None = None,
) -> Push:
    """Say yes or no to a version that waits for approval; one that is approved is pushed in the same transaction.

    Returns:
        What became of it: an approved one may still be withheld, for a pin or a newer champion.

    Raises:
        MetadataError: There is no such version, or it waits for no approval.
    """
    found = session.registry.find(pipeline, version)
    session.registry.check_pending(found)
    model, evaluation = session.metadata.present([found.artifact_id, found.evaluation_id])
    made: list[Push] = []

    def record(connection: Connection, artifact_id: int) -> None:
        made.append(
            push.decide(
                connection,
                pipeline,
                found,
                approved=approved,
                artifact_id=artifact_id,
                actor=actor,
                reason=reason,
            )
        )

    blessing = Blessing(model_digest=model.digest, gate=GATE, blessed=approved, reasons=(f"{actor}: {reason}",))
    _publish(session, model, evaluation, blessing, record, run=found.run, origin=origin or {})
    return made[0]


def answer(
    session: Session,
    model: Artifact,
    evaluation: Artifact,
    *,
    run: str,
    approved: bool,
    actor: str,
    reason: str,
    origin: Mapping[str, Json] | None = None,
) -> int:
    """Record what a person said of a model before it is pushed; the run's Pusher acts on it.

    Returns:
        Id of the Blessing.

    Raises:
        MetadataError: Somebody answered before.
    """

    def record(connection: Connection, artifact_id: int) -> None:
        push.answer(
            connection, model.pipeline, model.digest, approved=approved, artifact_id=artifact_id, actor=actor,
            reason=reason,
        )  # fmt: skip

    blessing = Blessing(model_digest=model.digest, gate=GATE, blessed=approved, reasons=(f"{actor}: {reason}",))
    return _publish(session, model, evaluation, blessing, record, run=run, origin=origin or {})


def needless(
    session: Session, model: Artifact, evaluation: Artifact, blessings: Sequence[Artifact], *, force: bool
) -> str:
    """Why nobody has to be asked about a model that a run is about to push; empty where somebody has to be.

    A gate said no, somebody answered, it is the champion, or something else than an answer keeps it from being that:
    a pin, a champion trained on newer data.
    """
    against = [one for one in blessings if one.properties.get("blessed") is not True]
    if against and not force:
        return f"{against[0].properties.get('gate')} did not bless it"
    said = session.registry.approval(model.pipeline, model.digest)
    if said is not None and said.verdict is not Verdict.REQUESTED:
        return f"{said.verdict.lower()} by {said.actor} before: {said.reason}"
    champion = session.registry.champion(model.pipeline)
    if champion is not None and champion.digest == model.digest:
        return "it is the champion already"
    candidate = Candidate(
        pipeline=model.pipeline,
        artifact_id=model.id,
        evaluation_id=evaluation.id,
        digest=model.digest,
        train_start=parse_moment(str(model.properties["train_start"])),
        train_end=parse_moment(str(model.properties["train_end"])),
        window_end=parse_moment(str(evaluation.properties["end"])),
        run="",
        reason="",
        force=force,
    )
    return session.registry.objection(candidate)


def _publish(
    session: Session,
    model: Artifact,
    evaluation: Artifact,
    blessing: Blessing,
    record: Callable[[Connection, int], None],
    *,
    run: str,
    origin: Mapping[str, Json],
) -> int:
    pipeline = model.pipeline
    execution = NewExecution(
        component=COMPONENT,
        pipeline=pipeline,
        run=run,
        fingerprint=None,  # an act, not a computation
        parameters={"approved": blessing.blessed, "reasons": list(blessing.reasons)},
        origin={**origin, "node": GATE},
    )
    begun = session.metadata.begin(execution, {"model": [model.id], "evaluation": [evaluation.id]})
    with attempt(session, [begun.id]):
        uri = f"{session.artifacts.fresh(pipeline, COMPONENT, begun.id)}/{_OUTPUT}"
        write_blessing(session.artifacts.folder(uri), blessing)
        made = NewArtifact(
            type=ArtifactType.BLESSING,
            uri=uri,
            digest=session.artifacts.seal(uri),
            pipeline=pipeline,
            properties={"gate": GATE, "blessed": blessing.blessed, "reasons": list(blessing.reasons)},
        )
        (published,) = session.metadata.publish(
            [Publication(execution_id=begun.id, outputs={_OUTPUT: [made]})],
            on_commit=lambda connection: record(connection, _made_by(connection, begun.id)),
        )
    return published[_OUTPUT][0].id


def _made_by(connection: Connection, execution_id: int) -> int:
    output = select(event.c.artifact_id).where(
        event.c.execution_id == execution_id, event.c.type == EventType.OUTPUT.value
    )
    return int(connection.scalars(output).one())
