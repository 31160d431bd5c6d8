"""What a version was made from: the executions upstream of its model, those that read no other's output first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, select

from mlcore.components.trainer import Trainer
from mlcore.core.types import Artifact, ArtifactType, Execution
from mlcore.errors import MetadataError
from mlcore.metadata import tables
from mlcore.runtime.session import Session

Artifacts = Mapping[str, tuple[Artifact, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """One execution with what it read and what it made.

    Attributes:
        level: Longest way, in executions, from something that nothing upstream made.
    """

    execution: Execution
    inputs: Artifacts
    outputs: Artifacts
    level: int

    @property
    def node(self) -> str:
        """The node of the graph it was launched as; of a span's execution, that of its component's name."""
        return str(self.execution.origin.get("node", self.execution.component))


def trace(session: Session, artifact_id: int) -> tuple[Made, ...]:
    """Every execution that an artifact's making rests on, in an order in which each comes after what it reads.

    An earlier model that a trainer started from is taken as it is: what made that one is left out.
    """
    found: dict[int, Execution] = {}
    maker: dict[int, int] = {}
    inputs: dict[int, Artifacts] = {}
    wanted = {artifact_id}
    while wanted:
        producers = session.metadata.producers(sorted(wanted))
        maker |= {artifact: execution.id for artifact, execution in producers.items()}
        fresh = {execution.id: execution for execution in producers.values() if execution.id not in found}
        found |= fresh
        read = session.metadata.inputs_of(sorted(fresh))
        inputs |= read
        wanted = {
            artifact.id
            for id_, keys in read.items()
            for artifact in _followed(found[id_], keys)
            if artifact.id not in maker
        }
    levels = _levels(
        {id_: {maker[one.id] for one in _followed(found[id_], inputs[id_]) if one.id in maker} for id_ in found}
    )
    outputs = session.metadata.outputs_of(sorted(found))
    made = [
        Made(execution=found[id_], inputs=inputs[id_], outputs=outputs[id_], level=levels[id_]) for id_ in sorted(found)
    ]
    return tuple(sorted(made, key=lambda one: (one.level, one.execution.id)))


def made_from(made: Sequence[Made], type_: ArtifactType) -> tuple[Artifact, ...]:
    """What executions read of one type, each artifact once, by its id."""
    found = {
        artifact.id: artifact
        for one in made
        for artifacts in one.inputs.values()
        for artifact in artifacts
        if artifact.type is type_
    }
    return tuple(found[id_] for id_ in sorted(found))


def equals_of(session: Session, artifact_id: int) -> tuple[int, ...]:
    """The pipeline's other artifacts of one's type and digest, newest first; also those whose files were removed."""
    this, other = tables.artifact.alias(), tables.artifact.alias()
    same = [this.c[name] == other.c[name] for name in ("pipeline", "type", "digest")]
    query = select(other.c.id).join(this, and_(*same)).where(this.c.id == artifact_id, other.c.id != artifact_id)
    with session.metadata.begun() as connection:
        return tuple(connection.scalars(query.order_by(other.c.id.desc())))


def started_from(execution: Execution, inputs: Artifacts) -> tuple[Artifact, ...]:
    """The earlier models that a trainer went on from."""
    if execution.component != Trainer.__name__:
        return ()
    return tuple(one for found in inputs.values() for one in found if one.type is ArtifactType.MODEL)


def _followed(execution: Execution, inputs: Artifacts) -> Iterable[Artifact]:
    started = {artifact.id for artifact in started_from(execution, inputs)}
    for artifacts in inputs.values():
        for artifact in artifacts:
            if artifact.type is not ArtifactType.SOURCE_FILE and artifact.id not in started:
                yield artifact


def _levels(upstream: Mapping[int, set[int]]) -> dict[int, int]:
    """The longest way down to each, without recursion: a lineage may be deep."""
    levels: dict[int, int] = {}
    waiting = set(upstream)
    while waiting:
        ready = {id_ for id_ in waiting if upstream[id_] <= levels.keys()}
        if not ready:
            raise MetadataError("the lineage of the model is a circle", where=f"execution {min(waiting)}")
        levels |= {id_: 1 + max((levels[one] for one in upstream[id_]), default=0) for id_ in ready}
        waiting -= ready
    return levels
