"""The pipeline file: every key a user may write, what it means and what it may hold.

``extra="forbid"`` everywhere: a misspelt key is an error that names it, never a silent default.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import ConfigDict, Field, PrivateAttr, model_validator

from mlcore.config.beam import Beam
from mlcore.config.candidates import Candidates, Selection
from mlcore.config.data import ColumnSplit, Complete, Data, TimeSplit
from mlcore.config.evaluation import ChampionCriterion, Evaluation
from mlcore.config.fields import Length, Name, Schedule, Section, Share, as_iso
from mlcore.config.inference import Inference
from mlcore.config.lineage import Lineage
from mlcore.config.model import Feature, Model
from mlcore.config.monitor import Monitor
from mlcore.config.push import Push
from mlcore.config.retention import Retention
from mlcore.config.statistics import Statistics
from mlcore.config.tracking import Tracking
from mlcore.config.tune import AMOUNT_METRICS
from mlcore.core.window import is_whole
from mlcore.errors import ConfigError, quoted


class MinSpans(Section):
    """How many spans of a window must be there: a number, or a fraction such as 0.9; by default all."""

    train: Share = 1.0
    eval: Share = 1.0


class Window(Section):
    """How much to train and evaluate on; ``eval`` is left out where ``data.split`` is not by time."""

    train: Length
    eval: Length | None = None
    min_spans: MinSpans = MinSpans()

    @model_validator(mode="before")
    @classmethod
    def _one_for_both(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("min_spans"), int | float):
            return {**data, "min_spans": {"train": data["min_spans"], "eval": data["min_spans"]}}
        return data


class Alerts(Section):
    """Apprise URLs; ``${NAME}`` is replaced by the environment variable, so that no secret stands in the file."""

    urls: tuple[str, ...] = ()


class PipelineConfig(Section):
    """One model's continuous training: ``config/pipelines/<name>.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)

    name: Name
    description: str = ""
    owner: str = ""
    schedule: Schedule
    start_date: date
    end_date: date | None = Field(default=None, description="No scheduled run starts after this day")
    data: Data
    statistics: Statistics = Statistics()
    window: Window
    features: dict[str, Feature] = Field(min_length=1)
    single_model: Model | None = Field(default=None, alias="model", description="What is trained; or models")
    models: Candidates = Field(default={}, description="By name, several of which each run chooses one")
    selection: Selection = Selection()
    evaluation: Evaluation = Evaluation()
    push: Push = Push()
    monitor: Monitor | None = None
    inference: Inference | None = None
    alerts: Alerts = Alerts()
    tracking: Tracking | None = Field(default=None, description="By default what config/platform.yaml says")
    lineage: Lineage | None = Field(default=None, description="By default what config/platform.yaml says, if it does")
    beam: Beam | None = Field(default=None, description="By default what config/platform.yaml says")
    retention: Retention | None = Field(
        default=None, description="By default what config/platform.yaml says, if it does"
    )

    _owned_schema: str | None = PrivateAttr(default=None)

    @property
    def owned_schema(self) -> str | None:
        """The text of ``config/schemas/<name>.yaml``, where people own the schema; the loader reads it."""
        return self._owned_schema

    @property
    def model(self) -> Model:
        """What is trained.

        Raises:
            ConfigError: The pipeline has several models; :meth:`of_candidate` says which is meant.
        """
        if self.single_model is None:
            raise ConfigError(
                f"pipeline {self.name} has several models, and none is named",
                where="models",
                next_step=f"choose one of {', '.join(self.models)}",
            )
        return self.single_model

    @property
    def alternatives(self) -> Mapping[str, PipelineConfig]:
        """The pipeline with each of its models alone, by name; where it has one, itself by no name."""
        return {name: self.of_candidate(name) for name in self.models} or {"": self}

    def of_candidate(self, name: str) -> PipelineConfig:
        """The pipeline with one of its several models alone, and the features that one sees.

        Raises:
            ConfigError: It has no such model.
        """
        if name not in self.models:
            raise ConfigError(
                f"pipeline {self.name} has no model {quoted(name)}",
                where="models",
                next_step=f"choose one of {', '.join(self.models) or 'none: it has one, without a name'}",
            )
        found = self.models[name]
        seen = self.features if found.features is None else {each: self.features[each] for each in found.features}
        return self.model_copy(update={"single_model": found.alone, "models": {}, "features": seen})

    @property
    def feature_columns(self) -> tuple[str, ...]:
        """The columns that features are made of, in the data's order, those made of a row's past last."""
        used = {column for name, feature in self.features.items() for column in feature.columns_of(name)}
        return tuple(name for name in self.data.all_columns if name in used)

    @property
    def serving(self) -> PipelineConfig | None:
        """The pipeline with the serving log in the place of its data; its label's column is not there.

        What is made of a row's past is logged as the model was given it.
        """
        log = self.data.serving
        if log is None:
            return None
        moment, key = log.event_timestamp or self.data.event_timestamp, log.key or self.data.key
        kept = {*(log.columns or self.feature_columns), moment, *key}
        data = self.data.model_copy(
            update={
                "source": log.source,
                "columns": {name: kind for name, kind in self.data.all_columns.items() if name in kept},
                "history": {},
                "event_timestamp": moment,
                "key": key,
                "complete": Complete(),
                "serving": None,
                "split": TimeSplit(),
                "max_bad_fraction": log.max_bad_fraction,
            }
        )
        return self.model_copy(update={"data": data})

    @property
    def inferring(self) -> PipelineConfig:
        """The pipeline as inference runs read it, which need no outcome.

        Its data is that of ``inference.source`` where there is one, without the label's column and the one that splits
        rows; what is made of a row's past is given there as the model is to see it.
        """
        asked = self.inference
        if asked is None:
            return self
        data, outcome = self.data, self.data.label.column
        seen = tuple(name for name in data.complete.columns if name != outcome)
        update: dict[str, object] = {"columns": seen} if asked.source is None else {"columns": seen, "marker": None}
        own: dict[str, object] = {"complete": asked.complete or data.complete.model_copy(update=update)}
        if asked.source is not None:
            splits = data.split.column if isinstance(data.split, ColumnSplit) else None
            own |= {
                "source": asked.source,
                "columns": {name: kind for name, kind in data.all_columns.items() if name not in (outcome, splits)},
                "history": {},
                "serving": None,
                "split": TimeSplit(),
            }
        least = MinSpans(train=asked.min_spans, eval=asked.min_spans)
        window = self.window.model_copy(update={"min_spans": least})
        return self.model_copy(update={"data": data.model_copy(update=own), "window": window})

    @model_validator(mode="before")
    @classmethod
    def _decay_of_the_first_metric(cls, data: Any) -> Any:
        """``monitor.performance.metric`` is by default the first of ``evaluation.metrics``."""
        evaluation, monitor = (
            (data.get("evaluation"), data.get("monitor")) if isinstance(data, Mapping) else (None, None)
        )
        if not isinstance(evaluation, Mapping) or not isinstance(monitor, Mapping):
            return data
        metrics, performance = evaluation.get("metrics"), monitor.get("performance", {})
        if not isinstance(metrics, list | tuple) or not metrics or not isinstance(performance, Mapping):
            return data
        return {**data, "monitor": {**monitor, "performance": {"metric": metrics[0], **performance}}}

    @model_validator(mode="after")
    def _references_exist(self) -> PipelineConfig:
        columns = self.data.all_columns
        for name, feature in self.features.items():
            for column in feature.columns_of(name):
                self._check_column(name, column)
        self.statistics.check(columns)
        for name, column in self.evaluation.columns:
            if column not in columns:
                raise ValueError(f"evaluation.{name}: column {column!r} is not in data.columns")
        self._check_monitor()
        if self.inference is not None:
            self.inference.check(self.data, self.inferring.data)
        self._check_window()
        self._check_models()
        self._check_rollout()
        return self

    def _check_rollout(self) -> None:
        rollout = self.push.rollout
        if rollout is None:
            return
        if self.monitor is None:
            raise ValueError("push.rollout: challengers are compared by the monitor; add a monitor block")
        criteria = rollout.criteria_or(self.evaluation.validation_criteria)
        if not any(isinstance(one, ChampionCriterion) and one.mode == "enabled" for one in criteria):
            raise ValueError(
                "push.rollout.criteria: nothing is to be proven of a challenger; write at least one criterion with"
                " against: champion, here or among evaluation.validation_criteria"
            )

    def _check_models(self) -> None:
        if (self.single_model is None) == (not self.models):
            raise ValueError("model: write either model, or models with a name for each")
        if self.single_model is not None:
            self._check_model("model", self.single_model)
            if self.selection != Selection():
                raise ValueError("selection: there is one model, and nothing to select; write models")
        for name, candidate in self.models.items():
            self._check_model(f"models.{name}", candidate)
            for feature in candidate.features or ():
                if feature not in self.features:
                    raise ValueError(f"models.{name}.features: {feature!r} is no feature ({', '.join(self.features)})")

    def _check_model(self, where: str, model: Model) -> None:
        weights, task = model.weights, self.data.task
        if weights and weights.column is not None and weights.column not in self.data.columns:
            raise ValueError(f"{where}.weights.column: column {weights.column!r} is not in data.columns")
        if weights and weights.classes is not None and task == "regression":
            raise ValueError(f"{where}.weights.classes: the label is an amount (data.label.task: regression), no class")
        metric = model.tune.metric if model.tune else None
        if metric is not None and (metric in AMOUNT_METRICS) != (task == "regression"):
            raise ValueError(f"{where}.tune.metric: {metric} is no metric of a {task} label")
        if model.calibration and task == "regression":
            raise ValueError(f"{where}.calibration: the label is an amount (data.label.task: regression), no class")
        if model.intervals and task != "regression":
            raise ValueError(f"{where}.intervals: the label is a class (data.label.task: {task}), no amount")

    def _check_column(self, name: str, column: str) -> None:
        columns = self.data.all_columns
        if column not in columns:
            raise ValueError(f"features.{name}: column {column!r} is not in data.columns ({', '.join(columns)})")
        if column == self.data.label.column:
            raise ValueError(f"features.{name}: column {column!r} is the label's: a model must not see it")
        if isinstance(self.data.split, ColumnSplit) and column == self.data.split.column:
            raise ValueError(f"features.{name}: column {column!r} splits the rows: it is no feature")

    def _check_monitor(self) -> None:
        for name in self.monitor.drift.without if self.monitor else ():
            if name not in self.features:
                raise ValueError(f"monitor.drift.without: {name!r} is no feature ({', '.join(self.features)})")

    def _check_window(self) -> None:
        by_time = isinstance(self.data.split, TimeSplit)
        if by_time and self.window.eval is None:
            raise ValueError("window.eval: missing; write how much of the newest data to evaluate on, for instance P7D")
        if not by_time and self.window.eval is not None:
            raise ValueError(
                f"window.eval: rows are split by {self.data.split.by} within window.train; leave window.eval out"
            )
        for name, length in (("train", self.window.train), ("eval", self.window.eval)):
            if length is not None and not is_whole(length, self.data.span):
                raise ValueError(
                    f"window.{name}: {as_iso(length)} is not a whole number of data.span ({as_iso(self.data.span)})"
                )
