"""``data``: what a row is, when a span of rows is complete, and which rows are for what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from mlcore.config.fields import Delay, Duration, Length, Name, Pattern, Section
from mlcore.config.history import History
from mlcore.config.sources import CsvSource, Source
from mlcore.core.window import Grain, check_grain, in_words
from mlcore.errors import WindowError

Task = Literal["binary", "multiclass", "regression"]
"""What a model is asked for: the probability of 1, the probability of each class, or an amount."""

_PLAIN_TYPES = ("string", "int64", "float64", "bool", "date", "timestamp")
_DECIMAL = re.compile(r"decimal\( ?(\d{1,2}) ?, ?(\d{1,2}) ?\)")
_MOST_DIGITS = 76


def decimal_digits(kind: str) -> tuple[int, int] | None:
    """The digits of a decimal column, and how many of them are behind the point; ``None`` of any other type.

    >>> decimal_digits("decimal(10,2)"), decimal_digits("float64")
    ((10, 2), None)
    """
    found = _DECIMAL.fullmatch(kind)
    return (int(found[1]), int(found[2])) if found else None


def _column_type(value: str) -> str:
    if value in _PLAIN_TYPES:
        return value
    digits = decimal_digits(value)
    if digits is None or not (1 <= digits[0] <= _MOST_DIGITS and digits[1] <= digits[0]):
        raise ValueError(
            f"there is no type {value[:40]!r}; allowed: {', '.join(map(repr, _PLAIN_TYPES))}, or 'decimal(p,s)' of p"
            f" digits, at most {_MOST_DIGITS}, s of them behind the point"
        )
    return f"decimal({digits[0]},{digits[1]})"


ColumnType = Annotated[
    str,
    AfterValidator(_column_type),
    WithJsonSchema({"anyOf": [{"enum": [*_PLAIN_TYPES]}, {"type": "string", "pattern": f"^{_DECIMAL.pattern}$"}]}),
]


def _span_length(value: Grain) -> Grain:
    try:
        check_grain(value)
    except WindowError as error:
        raise ValueError(f"{error.what}; {error.next_step}") from error
    return value


class Label(Section):
    """What is predicted.

    ``column`` holds the raw outcome; with ``above`` the label is 1 where the outcome is greater and 0 where it is not.
    A row whose outcome is missing has no label: it is kept, and neither trained nor evaluated on.
    """

    name: str
    column: str
    above: float | None = None
    task: Task | None = Field(
        default=None,
        description="By default binary with above or for bools, multiclass for strings, regression for numbers",
    )
    delay: Delay = timedelta(0)


class Complete(Section):
    """When a span is complete: before, it is not there, and a run waits for it or does without it."""

    marker: Pattern | None = Field(default=None, description="A file that says so; a pattern as source.path")
    min_rows: int = Field(default=1, ge=1, description="A span of fewer rows is not complete")
    columns: tuple[str, ...] = Field(default=(), description="Columns without any value mean: not complete")
    wait: Duration | None = Field(
        default=None,
        description="A run waits for late spans until so long after its moment, then fails or does without",
    )


class Serving(Section):
    """The log of what the served model was asked: training data is compared with it, span by span (skew)."""

    source: Source
    columns: tuple[str, ...] | None = Field(
        default=None, description="Those of data.columns that the log has; by default what the features are made of"
    )
    event_timestamp: str | None = Field(default=None, description="By default data.event_timestamp")
    key: tuple[str, ...] | None = Field(
        default=None, description="What tells two requests apart: repeats are left out; by default data.key"
    )
    max_bad_fraction: float = Field(default=0.5, ge=0, lt=1, description="As data.max_bad_fraction")


class TimeSplit(Section):
    """Evaluation rows come after training rows."""

    by: Literal["time"] = "time"

    @property
    def reads(self) -> tuple[tuple[str, str], ...]:
        """The columns it reads, by the key that names them."""
        return ()


class HashSplit(Section):
    """A row is for evaluation when the hash of its key, or of what it is grouped by, is among the first ``evaluation``.

    Training and evaluation rows come from the same spans; one key is always on the same side.
    """

    by: Literal["hash"]
    evaluation: float = Field(gt=0, lt=1, description="About this share of the keys is for evaluation")
    split_by: tuple[str, ...] = Field(default=(), description="Columns whose rows stay together; data.key by default")

    @model_validator(mode="before")
    @classmethod
    def _one_column(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("split_by"), str):
            return {**data, "split_by": (data["split_by"],)}
        return data

    @property
    def reads(self) -> tuple[tuple[str, str], ...]:
        """The columns it reads, by the key that names them."""
        return tuple((f"split_by.{index}", column) for index, column in enumerate(self.split_by))


class ColumnSplit(Section):
    """A column says which rows are for what; rows with another value are for neither, and counted."""

    by: Literal["column"]
    column: str
    train: tuple[str, ...] = ("train",)
    evaluation: tuple[str, ...] = ("eval", "evaluation", "test", "validation")
    split_by: tuple[str, ...] = Field(
        default=(), description="Columns whose rows must be on one side; data.key by default"
    )

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {
            name: (value,) if name in ("train", "evaluation", "split_by") and isinstance(value, str) else value
            for name, value in data.items()
        }

    @model_validator(mode="after")
    def _apart(self) -> ColumnSplit:
        both = sorted(set(self.train) & set(self.evaluation))
        if both:
            raise ValueError(f"{both[0]!r} is named for training and for evaluation")
        return self

    @property
    def reads(self) -> tuple[tuple[str, str], ...]:
        """The columns it reads, by the key that names them."""
        return ("column", self.column), *((f"split_by.{index}", name) for index, name in enumerate(self.split_by))


Split = TimeSplit | HashSplit | ColumnSplit


class Data(Section):
    source: Source
    columns: dict[str, ColumnType] = Field(min_length=1)
    event_timestamp: str
    key: tuple[str, ...] = Field(min_length=1)
    span: Annotated[Length, AfterValidator(_span_length)]
    label: Label
    complete: Complete = Complete()
    serving: Serving | None = None
    split: Split = Field(default=TimeSplit(), discriminator="by")
    max_bad_fraction: float = Field(
        default=0.0, ge=0, lt=1, description="So much of a span's rows may be bad: they go to quarantine"
    )
    history: dict[Name, History] = Field(
        default_factory=dict, description="Columns made of earlier rows of the same key, by name"
    )

    @property
    def all_columns(self) -> dict[str, ColumnType]:
        """Types by name of the columns of the source, and of those that are made of a row's past."""
        return self.columns | {name: one.gives(self.columns) for name, one in self.history.items()}

    @property
    def known_history(self) -> dict[str, History]:
        """``history`` with the delay of each column written out."""
        label = self.label
        return {
            name: one.model_copy(update={"delay": one.known_after(outcome=label.column, label_delay=label.delay)})
            for name, one in self.history.items()
        }

    @property
    def look_back(self) -> timedelta:
        """How far before a row its past is looked at; zero where nothing is made of it."""
        return max((one.over for one in self.history.values()), default=timedelta(0))

    @property
    def task(self) -> Task:
        """What the label asks of a model."""
        label = self.label
        kind = self.columns[label.column]
        if label.task is not None:
            return label.task
        if label.above is not None or kind == "bool":
            return "binary"
        return "multiclass" if kind == "string" else "regression"

    @property
    def kept_apart(self) -> tuple[str, ...]:
        """Columns whose values might be on both sides of the split, so that every window must be checked for it.

        None where no such row can be: a key that holds the event timestamp is in one span, and a row's hash in one
        split.
        """
        match self.split:
            case TimeSplit():
                return () if self.event_timestamp in self.key else self.key
            case HashSplit(split_by=columns):
                return () if set(columns) <= set(self.key) or self.event_timestamp in self.key else self.key
            case ColumnSplit(split_by=columns, column=column):
                together = tuple(name for name in columns or self.key if name != column)
                return () if {*self.key, self.event_timestamp} <= set(together) else together

    @model_validator(mode="after")
    def _history_is_known(self) -> Data:
        """What is made of the past is made of columns that are there, and of values that were known."""
        label = self.label
        for name, one in self.history.items():
            if name in self.columns or name == label.name:
                raise ValueError(f"history.{name}: there is a column of this name already")
            if label.column in one.by:
                raise ValueError(f"history.{name}.by: {label.column!r} is the label's: a row's own is not known")
            try:
                one.gives(self.columns)
            except ValueError as error:
                raise ValueError(f"history.{name}.{error}") from None
            if isinstance(self.split, ColumnSplit) and self.split.column in (one.column, *one.by):
                raise ValueError(f"history.{name}: column {self.split.column!r} splits the rows: nothing is made of it")
            delay = one.known_after(outcome=label.column, label_delay=label.delay)
            if one.column == label.column and delay < label.delay:
                raise ValueError(
                    f"history.{name}.delay: {label.column!r} is the label's, and known after data.label.delay"
                    f" ({label.delay}), not after {delay}"
                )
            if one.over <= delay:
                raise ValueError(
                    f"history.{name}.over: nothing of the last {in_words(one.over)} is known: values are known after"
                    f" {in_words(delay)}"
                )
        return self

    @model_validator(mode="after")
    def _columns_exist(self) -> Data:
        for name, column in (
            *((f"complete.columns.{index}", column) for index, column in enumerate(self.complete.columns)),
            *((f"split.{name}", column) for name, column in self.split.reads),
            *self._of_serving(),
            ("event_timestamp", self.event_timestamp),
            ("label.column", self.label.column),
            *((f"key.{index}", column) for index, column in enumerate(self.key)),
        ):
            known = self.all_columns if name.startswith("serving.columns.") else self.columns
            if column not in known:
                raise ValueError(f"{name}: column {column!r} is not in data.columns ({', '.join(known)})")
        if self.columns[self.event_timestamp] != "timestamp":
            raise ValueError(f"event_timestamp: column {self.event_timestamp!r} must be of type timestamp")
        if self.serving is not None:
            self._check_serving(self.serving)
        return self

    @model_validator(mode="after")
    def _formats_are_of_moments(self) -> Data:
        for name, source in (("source", self.source), ("serving.source", self.serving and self.serving.source)):
            if isinstance(source, CsvSource):
                try:
                    source.check_formats(self.columns)
                except ValueError as error:
                    raise ValueError(f"{name}.{error}") from None
        return self

    def _of_serving(self) -> tuple[tuple[str, str], ...]:
        """The columns that the serving log's block names, by their keys."""
        if self.serving is None:
            return ()
        lists = (("columns", self.serving.columns), ("key", self.serving.key))
        named = [(f"serving.{name}.{index}", one) for name, found in lists for index, one in enumerate(found or ())]
        moment = self.serving.event_timestamp
        return (*named, *([("serving.event_timestamp", moment)] if moment is not None else []))

    def _check_serving(self, serving: Serving) -> None:
        if serving.source == self.source:
            raise ValueError("serving.source: it is data.source; name where the served model's requests are logged")
        moment = serving.event_timestamp or self.event_timestamp
        if self.columns[moment] != "timestamp":
            raise ValueError(f"serving.event_timestamp: column {moment!r} must be of type timestamp")
