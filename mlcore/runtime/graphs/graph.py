"""What a graph is made of: components, and what each input of one is in a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mlcore.components.base import SPANS, Component, SpanComponent
from mlcore.core.types import GraphKind, SplitName
from mlcore.errors import ConfigError, quoted


class Part(StrEnum):
    """Which spans of a run's window an input takes.

    ``PAST``: all, and those that ``data.history`` looks back on. ``TRIAL`` and ``BESIDE``: those that a challenger is
    compared on, or asked of beside the champion; none where nobody challenges.
    """

    ALL = "all"
    PAST = "past"
    TRAIN = "train"
    EVALUATION = "evaluation"
    REFERENCE = "reference"
    CURRENT = "current"
    LABELLED = "labelled"
    TRIAL = "trial"
    SCORED = "scored"
    BESIDE = "beside"
    TUNING = "tuning"
    FITTED = "fitted"

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of a window it stands for; none for all there are."""
        match self:
            case Part.ALL | Part.PAST:
                return ()
            case Part.FITTED:
                return (Part.TRAIN, Part.TUNING)
            case _:
                return (self,)

    @property
    def rows(self) -> SplitName | None:
        """Where time does not split rows: which of a span's rows an input takes, ``None`` for all."""
        match self:
            case Part.ALL | Part.PAST | Part.SCORED | Part.BESIDE:
                return None
            case Part.EVALUATION | Part.LABELLED | Part.TRIAL:
                return SplitName.EVALUATION
            case _:
                return SplitName.TRAIN


class Predictor(StrEnum):
    """Whose predictions; see :class:`Predicted`."""

    BASELINE = "baseline"
    CHALLENGER = "challenger"
    CHALLENGED = "challenged"


@dataclass(frozen=True, slots=True)
class Sources:
    """The source files of a part of the window; of the ``serving`` log those that are there, be it none."""

    part: Part = Part.ALL
    serving: bool = False


@dataclass(frozen=True, slots=True)
class FromNode:
    """An output of another node; of a span component's, the spans of one part of the window.

    Attributes:
        optional: Whether spans may be missing, all of them even: of the serving log, which starts when serving does.
    """

    node: str
    output: str = SPANS
    part: Part = Part.ALL
    optional: bool = False


@dataclass(frozen=True, slots=True)
class PreviousVersions:
    """The statistics of spans that were corrected, of the version before the one that ``node`` read in this run."""

    node: str
    part: Part = Part.ALL


@dataclass(frozen=True, slots=True)
class Baseline:
    """The model of the champion of the run's time; nothing where there was none, unless ``required``.

    Attributes:
        earlier: Only one whose window ended before this run's: what a run starts from is never what it made itself.
    """

    output: str = "model"
    required: bool = False
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a model predicted of the spans of a part before their labels were mature, if it did.

    Attributes:
        by: The run's champion; or, where one is challenged, the challenger or the champion it is compared with.
    """

    part: Part
    by: Predictor = Predictor.BASELINE


@dataclass(frozen=True, slots=True)
class Contender:
    """The challenger's model, or that of the champion it is compared with; nothing where nothing is to be compared."""

    champion: bool = False


@dataclass(frozen=True, slots=True)
class Approval:
    """What a person said of the run's model; nothing while nobody has."""


Binding = Sources | FromNode | PreviousVersions | Baseline | Predicted | Contender | Approval


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A component's place in a graph.

    Attributes:
        after: Nodes that may stop the run, and must have passed, though nothing of theirs is read.
        candidate: Of several models of the pipeline, the one it works for.
    """

    name: str
    component: type[Component] | type[SpanComponent]
    inputs: Mapping[str, Binding]
    after: tuple[str, ...] = ()
    candidate: str | None = None

    @property
    def upstream(self) -> tuple[str, ...]:
        """The nodes that must have run before this one."""
        read = (binding.node for binding in self.inputs.values() if isinstance(binding, FromNode | PreviousVersions))
        return tuple(dict.fromkeys((*read, *self.after)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """Nodes in an order in which each comes after all it reads from.

    Attributes:
        kind: Whether it ends in a push, in a decision to retrain, or in predictions.
    """

    nodes: tuple[Node, ...]
    kind: GraphKind = GraphKind.RETRAINING

    def __getitem__(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        known = ", ".join(node.name for node in self.nodes)
        raise ConfigError(f"there is no node {quoted(name)}", next_step=f"choose one of {known}")
