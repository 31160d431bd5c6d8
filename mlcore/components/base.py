"""What a component is: declared inputs and outputs, the code that decides them, and one ``run``.

The author of a component writes those; resolving inputs, caching, timing, recording and publishing are the
launcher's. ``run`` reads the payload folders of its inputs, calls one pure function and writes the payload folders
of its outputs. It never looks at a clock, the environment or a store.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from mlcore.artifacts.blocks import Blocks
from mlcore.config.data import Split, TimeSplit
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.request import RunRequest
from mlcore.core.types import Artifact, ArtifactType, Json, SplitName
from mlcore.core.window import Span
from mlcore.errors import MlcoreError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mlcore.components.challenger_evaluator import Trial
    from mlcore.ingest.divisions import Divisions
    from mlcore.registry.records import ModelVersion

SPANS = "spans"
"""Output name of every span component: one artifact a span."""


SPLIT = (ArtifactType.EXAMPLES, ArtifactType.STATISTICS)
"""Artifacts with one folder a split, where time does not split rows; an input's path is that of the split it takes."""


def split_folders(split: Split) -> tuple[str, ...]:
    """Where the splits lie in an Examples or a Statistics artifact; in itself where time splits rows."""
    return (".",) if isinstance(split, TimeSplit) else tuple(SplitName)


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """A recorded artifact and the folder (for a source file: the file) it lies in; of a split artifact the split's."""

    artifact: Artifact
    path: Path


class Inputs(Mapping[str, tuple[Payload, ...]]):
    """A component's resolved inputs, by the names it declared, each in span order.

    Attributes:
        blocks: Where spans that were merged before are kept, for whoever merges them again; see ``merging``.
    """

    def __init__(self, payloads: Mapping[str, Sequence[Payload]], blocks: Blocks | None = None) -> None:
        self._payloads = {key: tuple(value) for key, value in payloads.items()}
        self.blocks = blocks

    def __getitem__(self, key: str) -> tuple[Payload, ...]:
        return self._payloads[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._payloads)

    def __len__(self) -> int:
        return len(self._payloads)

    def one(self, key: str) -> Payload:
        """The only artifact of ``key``."""
        payloads = self._payloads[key]
        if len(payloads) != 1:
            raise MlcoreError(f"input {key!r} holds {len(payloads)} artifacts where one is expected")
        return payloads[0]

    def optional(self, key: str) -> Payload | None:
        """The only artifact of ``key``, or ``None`` where there is none."""
        return self.one(key) if self._payloads.get(key) else None

    def paths(self, key: str) -> tuple[Path, ...]:
        return tuple(payload.path for payload in self._payloads[key])


@dataclass(kw_only=True, slots=True)
class Output:
    """A fresh, empty folder to write one artifact into, and the properties to record with it."""

    path: Path
    properties: dict[str, Json] = field(default_factory=dict)


Outputs = Mapping[str, Output]


class Known(Protocol):
    """What the launcher knows of a run beside a component's inputs; each is looked up when it is asked for."""

    @property
    def divisions(self) -> Divisions:
        """What was read of files of many spans when their versions were told."""

    @property
    def baseline(self) -> ModelVersion | None:
        """The champion of the run's time."""

    @property
    def earlier_tests(self) -> int:
        """How many challengers of other windows were compared with the baseline before."""

    @property
    def trial(self) -> Trial | None:
        """What there is to look at of a challenge."""

    @property
    def challenger(self) -> ModelVersion | None:
        """Who is compared with the champion in this run, or asked beside it."""

    @property
    def project(self) -> Path:
        """Where relative paths start."""

    @property
    def variables(self) -> Mapping[str, str]:
        """What ``${NAME}`` in addresses stands for."""


class Component(ABC):
    """A step over a whole window.

    Attributes:
        inputs: Artifact type by input name.
        outputs: Artifact type by output name; one artifact each.
        code: Modules and packages below ``mlcore`` whose source decides the outputs, apart from the component's own.
        libraries: Distributions whose version decides the outputs.
        alone: Whether only one of a pipeline works at a time: it changes what lies outside of the stores.
        without: Names of the spans of its inputs' windows that are not there, and that the run does without.
        candidate: Of several models of the pipeline, the one that its configuration is of.
        scratch: A folder for what makes another attempt at the same work shorter; it is removed when one succeeded.
    """

    inputs: ClassVar[Mapping[str, ArtifactType]]
    outputs: ClassVar[Mapping[str, ArtifactType]]
    code: ClassVar[tuple[str, ...]] = ()
    libraries: ClassVar[tuple[str, ...]] = ()
    alone: ClassVar[bool] = False

    def __init__(self, config: PipelineConfig, request: RunRequest) -> None:
        self.config = config
        self.request = request
        self.without: tuple[str, ...] = ()
        self.candidate: str | None = None
        self.scratch: Path | None = None

    def learn(self, known: Known) -> None:  # noqa: B027 - most components need their inputs only
        """Take what it needs of what the launcher knows; called once, before its parameters are asked for."""

    @property
    def parameters(self) -> Mapping[str, Json]:
        """The part of the configuration and the request that decides the outputs: nothing else may change them."""
        return {}

    @property
    def cacheable(self) -> bool:
        """Whether equal inputs and parameters may reuse earlier outputs."""
        return True

    @abstractmethod
    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        """Read, call, write."""

    def check(self, outputs: Inputs) -> None:  # noqa: B027 - most components have nothing to check
        """Called with the published outputs, fresh or reused; raises when they must stop the run."""

    def summary(self, outputs: Inputs) -> str:
        """A few words on the outputs, for the progress display and the logs."""
        return ""

    def passed_on(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, Sequence[Artifact]]:
        """Of its inputs, those that nodes after it read as outputs of this one; whoever made them stays their maker."""
        del inputs, outputs
        return {}

    def commit(self, connection: Connection, inputs: Inputs) -> None:  # noqa: B027 - most have nothing to commit
        """Change what else must change with the outputs, inside the transaction that publishes them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SpanTask:
    """One span to be worked on: what to read and where to write.

    Attributes:
        past: Of the component's look-back, the spans before it that there are, in order.
        shared: By input name, what is the same for every span, such as a model.
    """

    span: Span
    source: Payload
    output: Output
    past: tuple[Payload, ...] = ()
    shared: Mapping[str, tuple[Payload, ...]] = field(default_factory=dict)


class SpanComponent(ABC):
    """A step that makes one artifact of each span, once for every content of the span.

    ``run`` gets only the spans that were never worked on before, all at once, so that a backfill is one job.
    """

    input: ClassVar[ArtifactType]
    output: ClassVar[ArtifactType]
    code: ClassVar[tuple[str, ...]] = ()
    libraries: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: PipelineConfig) -> None:
        self.config = config

    def learn(self, known: Known) -> None:  # noqa: B027 - most components need their inputs only
        """Take what it needs of what the launcher knows; called once, before its parameters are asked for."""

    @property
    def parameters(self) -> Mapping[str, Json]:
        """The part of the configuration that decides the output."""
        return {}

    @property
    def look_back(self) -> timedelta:
        """How far before a span's start it reads what else there is of its input, under the name ``past``."""
        return timedelta(0)

    def working(self, sources: Sequence[Payload]) -> AbstractContextManager[None]:
        """Entered around all calls of ``run`` of one launch, with the sources of all their tasks."""
        del sources
        return nullcontext()

    @abstractmethod
    def run(self, tasks: Sequence[SpanTask]) -> None:
        """Write every task's output, or raise. A launch of very many spans calls it for some of them at a time."""
