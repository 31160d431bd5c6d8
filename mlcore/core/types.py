"""The closed sets and the records of the metadata store, in the words of ML Metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias, Union

from mlcore.core.window import Span

Json: TypeAlias = Union[str, int, float, bool, None, "list[Json]", "dict[str, Json]"]


SPAN_FRAGMENT = "#span="
"""Before the name of a span in the place of a source file that holds several."""


class ArtifactType(StrEnum):
    """What an artifact is. A ``SOURCE_FILE`` is the user's: it is recorded, never written, never collected.

    What comes from the serving log, or has no outcome, has types of its own: it is never trained on. So has what a
    challenger predicts: it is never delivered.
    """

    SOURCE_FILE = "SourceFile"
    EXAMPLES = "Examples"
    STATISTICS = "Statistics"
    SERVING_EXAMPLES = "ServingExamples"
    SERVING_STATISTICS = "ServingStatistics"
    INFERENCE_EXAMPLES = "InferenceExamples"
    SCHEMA = "Schema"
    ANOMALIES = "Anomalies"
    ANALYZER_STATE = "AnalyzerState"
    TRANSFORM_GRAPH = "TransformGraph"
    HYPER_PARAMETERS = "HyperParameters"
    MODEL = "Model"
    PREDICTIONS = "Predictions"
    CHALLENGER_PREDICTIONS = "ChallengerPredictions"
    PUSHED_PREDICTIONS = "PushedPredictions"
    SELECTION = "Selection"
    ENVIRONMENT = "Environment"
    EVALUATION = "Evaluation"
    BLESSING = "Blessing"
    CHALLENGE = "Challenge"
    PUSHED_MODEL = "PushedModel"
    DRIFT_REPORT = "DriftReport"


class ArtifactState(StrEnum):
    PENDING = "PENDING"
    LIVE = "LIVE"
    ABANDONED = "ABANDONED"
    DELETED = "DELETED"


class ExecutionState(StrEnum):
    NEW = "NEW"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    CACHED = "CACHED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class EventType(StrEnum):
    """How an execution touched an artifact. Only ``OUTPUT`` says who made it; ``CACHED_OUTPUT`` says who reused it."""

    INPUT = "INPUT"
    OUTPUT = "OUTPUT"
    CACHED_OUTPUT = "CACHED_OUTPUT"


class SplitName(StrEnum):
    """What rows are for, where both kinds come from the same spans; also their folders in an artifact."""

    TRAIN = "train"
    EVALUATION = "evaluation"


class GraphKind(StrEnum):
    """What the runs of a graph of a pipeline are for; each kind has windows of its own."""

    RETRAINING = "retraining"
    MONITORING = "monitoring"
    INFERENCE = "inference"


@dataclass(frozen=True, kw_only=True, slots=True)
class NewArtifact:
    """An artifact before the store knows it."""

    type: ArtifactType
    uri: str
    digest: str
    pipeline: str
    span: Span | None = None
    properties: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """One recorded, immutable output."""

    id: int
    type: ArtifactType
    uri: str
    digest: str
    pipeline: str
    state: ArtifactState
    created_at: datetime
    span: Span | None = None
    properties: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class NewExecution:
    """An execution before the store knows it.

    Attributes:
        fingerprint: Hash of code, parameters and inputs' digests; ``None`` for one that only gathers spans.
        origin: Where it ran: Airflow's DAG id, run id and try, or the command line's host and pid; and the lock that
            tells it from a dead one where there is no fingerprint.
    """

    component: str
    pipeline: str
    run: str
    fingerprint: str | None
    parameters: Mapping[str, Json] = field(default_factory=dict)
    origin: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """One run of a component."""

    id: int
    component: str
    pipeline: str
    run: str
    fingerprint: str | None
    state: ExecutionState
    started_at: datetime
    finished_at: datetime | None = None
    error: str | None = None
    parameters: Mapping[str, Json] = field(default_factory=dict)
    origin: Mapping[str, Json] = field(default_factory=dict)
