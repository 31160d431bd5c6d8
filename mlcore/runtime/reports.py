"""Drift reports as the web page, the command line and the monitor's DAG see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mlcore.core.types import Artifact, ArtifactType
from mlcore.core.window import parse_moment
from mlcore.errors import ArtifactMissing, MetadataError, MetadataUnavailable
from mlcore.runtime.session import Session


@dataclass(frozen=True, kw_only=True, slots=True)
class DriftReport:
    """One monitoring run's verdict; its pictures are rendered on demand.

    Attributes:
        retrain: Whether the policy asks for a new model.
        reasons: Why, or why not, in words.
    """

    artifact_id: int
    pipeline: str
    as_of: datetime
    created_at: datetime
    retrain: bool
    reasons: tuple[str, ...]


def list_reports(
    session: Session, *, pipeline: str | None = None, run: str | None = None, limit: int = 200
) -> tuple[DriftReport, ...]:
    """The reports of a pipeline, of one of its runs, or of all, newest first."""
    found = session.metadata.find_artifacts(type=ArtifactType.DRIFT_REPORT, pipeline=pipeline, run=run, limit=limit)
    return tuple(_report(artifact) for artifact in found)


def decision_of(session: Session, execution_id: int) -> DriftReport:
    """The report a DriftMonitor execution made or reused.

    Raises:
        MetadataError: The execution made none.
    """
    for artifacts in session.metadata.outputs(execution_id).values():
        for artifact in artifacts:
            if artifact.type is ArtifactType.DRIFT_REPORT:
                return _report(artifact)
    raise MetadataError(f"execution {execution_id} made no drift report", next_step="run the drift_monitor node again")


def find_report(session: Session, artifact_id: int, *, pipeline: str | None = None) -> tuple[Artifact, DriftReport]:
    """One report by its id.

    Raises:
        ArtifactMissing: There is no such report, or it is not of ``pipeline``.
    """
    of = pipeline or "this installation"
    try:
        (artifact,) = session.metadata.artifacts([artifact_id])
    except MetadataUnavailable:
        raise
    except MetadataError as error:
        raise ArtifactMissing(f"{of} has no drift report {artifact_id}") from error
    if artifact.type is not ArtifactType.DRIFT_REPORT or pipeline not in (None, artifact.pipeline):
        raise ArtifactMissing(f"{of} has no drift report {artifact_id}")
    return artifact, _report(artifact)


def report_html(session: Session, artifact_id: int) -> str:
    """The pictures of one report as a page. It shows values from data: only ever serve it sandboxed.

    Raises:
        ArtifactMissing: There is no such report, or its files are gone.
    """
    artifact, _ = find_report(session, artifact_id)
    from mlcore.monitoring.report import render_html

    session.artifacts.verify(artifact)
    return render_html(session.artifacts.path(artifact.uri))


def _report(artifact: Artifact) -> DriftReport:
    properties = artifact.properties
    reasons = properties.get("reasons")
    return DriftReport(
        artifact_id=artifact.id,
        pipeline=artifact.pipeline,
        as_of=parse_moment(str(properties.get("as_of"))),
        created_at=artifact.created_at,
        retrain=properties.get("retrain") is True,
        reasons=tuple(str(reason) for reason in reasons) if isinstance(reasons, list) else (),
    )
