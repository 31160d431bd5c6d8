"""Every kind of anomaly that flat data can have, as a run records it: with all that a person needs to act on it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pyarrow as pa
from support.project import PIPELINE
from typer import Context
from typer.main import get_command

from mlcore.cli.main import app
from mlcore.components.base import Inputs, Output, Payload
from mlcore.components.example_validator import ExampleValidator
from mlcore.config.loader import load_pipeline
from mlcore.core.digests import digest_bytes
from mlcore.core.request import RunRequest
from mlcore.core.types import Artifact, ArtifactState, ArtifactType
from mlcore.core.window import Span, parse_moment
from mlcore.ingest.apart import write_hashes
from mlcore.ingest.examples import write_examples
from mlcore.ingest.keys import Keys
from mlcore.schema.anomalies import Anomaly, Severity, read_anomalies
from mlcore.schema.anomalies import AnomalyType as Kind
from mlcore.schema.constraints import (
    BoolDomain,
    DatasetConstraints,
    FeatureComparator,
    FloatDomain,
    IntDomain,
    NumericValueComparator,
    Presence,
    StringDomain,
    UniqueConstraints,
    ValueCount,
)
from mlcore.schema.schema import Feature, Schema, write_schema
from mlcore.schema.summary import FeatureType as Type
from mlcore.statistics.accumulate import DatasetAccumulator
from mlcore.statistics.files import FILE_NAME, to_bytes
from mlcore.statistics.options import StatisticsOptions

START, DAY = parse_moment("2024-01-01T00:00Z"), timedelta(days=1)
TRAINED, ROWS = 28, 200
Random = np.random.Generator
Values = Callable[[Random, int], object]


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A column of its own for a kind: what it should be like, what it was, and what it is on the last day."""

    kind: Kind
    feature: Feature | None
    good: Values
    bad: Values


def column(kind: Kind, type_: Type, good: Values, bad: Values, **constraints: object) -> Planted:
    feature = Feature(name=kind.value.lower(), type=type_, **constraints)  # type: ignore[arg-type]
    return Planted(kind=kind, feature=feature, good=good, bad=bad)


def numbers(random: Random, rows: int) -> object:
    return random.normal(50, 10, rows)


def integers(random: Random, rows: int) -> object:
    return random.integers(0, 2, rows)


def words(random: Random, rows: int) -> object:
    return random.choice(["red", "green", "Blue town"], rows)


def some(values: Sequence[object]) -> Values:
    """Mostly the first value, and the others now and then."""
    return lambda random, rows: [values[number % len(values)] for number in range(rows)]


STEP = FeatureComparator(infinity_norm=0.01)
PLANTED = (
    Planted(kind=Kind.SCHEMA_NEW_COLUMN, feature=None, good=numbers, bad=numbers),
    column(Kind.UNEXPECTED_DATA_TYPE, Type.INT, some(["1", "x"]), some(["1", "x"])),
    column(Kind.INVALID_FEATURE_SHAPE, Type.FLOAT, numbers, numbers, shape=(2,)),
    column(
        Kind.FEATURE_TYPE_LOW_FRACTION_PRESENT,
        Type.FLOAT,
        numbers,
        some([1.0, None]),
        presence=Presence(min_fraction=1.0),
    ),
    column(Kind.FEATURE_TYPE_LOW_NUMBER_PRESENT, Type.FLOAT, numbers, numbers, presence=Presence(min_count=10_000)),
    column(Kind.FEATURE_TYPE_LOW_NUMBER_VALUES, Type.FLOAT, numbers, numbers, value_count=ValueCount(min=2)),
    column(
        Kind.VALUE_NESTEDNESS_MISMATCH,
        Type.FLOAT,
        numbers,
        numbers,
        value_counts=(ValueCount(min=1), ValueCount(min=1)),
    ),
    column(Kind.FEATURE_TYPE_LOW_UNIQUE, Type.STRING, words, words, unique_constraints=UniqueConstraints(min=1_000)),
    column(
        Kind.FEATURE_TYPE_HIGH_UNIQUE, Type.STRING, words, words, unique_constraints=UniqueConstraints(min=1, max=1)
    ),
    column(Kind.FEATURE_TYPE_NO_UNIQUE, Type.FLOAT, numbers, numbers, unique_constraints=UniqueConstraints(min=1)),
    column(
        Kind.ENUM_TYPE_UNEXPECTED_STRING_VALUES,
        Type.STRING,
        words,
        some(["red", "pink"]),
        string_domain=StringDomain(values=("red", "green", "Blue town")),
    ),
    column(
        Kind.ENUM_TYPE_INVALID_UTF8,
        Type.STRING,
        some([b"a", b"b"]),
        some([b"a", b"\xff\xfe"]),
        string_domain=StringDomain(values=("a", "b")),
    ),
    column(Kind.FEATURE_TYPE_NOT_PRESENT, Type.STRING, some([None]), some([None]), presence=Presence(min_count=1)),
    column(Kind.INT_TYPE_SMALL_INT, Type.INT, integers, some([1, -7]), int_domain=IntDomain(min=0)),
    column(Kind.INT_TYPE_BIG_INT, Type.INT, integers, some([1, 70]), int_domain=IntDomain(max=9)),
    column(Kind.INT_TYPE_NOT_INT_STRING, Type.STRING, some(["1"]), some(["1", "x"]), int_domain=IntDomain(min=0)),
    column(Kind.FLOAT_TYPE_SMALL_FLOAT, Type.FLOAT, numbers, some([1.5, -900.5]), float_domain=FloatDomain(min=-100)),
    column(Kind.FLOAT_TYPE_BIG_FLOAT, Type.FLOAT, numbers, some([1.5, 900.5]), float_domain=FloatDomain(max=200)),
    column(
        Kind.FLOAT_TYPE_STRING_NOT_FLOAT,
        Type.STRING,
        some(["1.5"]),
        some(["1.5", "x"]),
        float_domain=FloatDomain(min=0),
    ),
    column(
        Kind.FLOAT_TYPE_HAS_NAN,
        Type.FLOAT,
        numbers,
        some([1.5, float("nan")]),
        float_domain=FloatDomain(disallow_nan=True),
    ),
    column(
        Kind.FLOAT_TYPE_HAS_INF,
        Type.FLOAT,
        numbers,
        some([1.5, float("inf")]),
        float_domain=FloatDomain(disallow_inf=True),
    ),
    column(Kind.BOOL_TYPE_SMALL_INT, Type.INT, integers, some([1, -7]), bool_domain=BoolDomain()),
    column(Kind.BOOL_TYPE_BIG_INT, Type.INT, integers, some([1, 7]), bool_domain=BoolDomain()),
    column(
        Kind.BOOL_TYPE_UNEXPECTED_STRING,
        Type.STRING,
        some(["yes", "no"]),
        some(["yes", "maybe"]),
        bool_domain=BoolDomain(true_value="yes", false_value="no"),
    ),
    column(Kind.BOOL_TYPE_UNEXPECTED_FLOAT, Type.FLOAT, some([0.0, 1.0]), some([0.0, 0.5]), bool_domain=BoolDomain()),
    column(Kind.COMPARATOR_L_INFTY_HIGH, Type.STRING, words, some(["red"]), drift_comparator=STEP),
    column(
        Kind.COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH,
        Type.FLOAT,
        numbers,
        lambda random, rows: random.normal(60, 10, rows),
        drift_comparator=FeatureComparator(jensen_shannon_divergence=0.01),
    ),
    column(
        Kind.COMPARATOR_NORMALIZED_ABSOLUTE_DIFFERENCE_HIGH,
        Type.STRING,
        words,
        some(["red"]),
        drift_comparator=FeatureComparator(normalized_abs_difference=0.01),
    ),
    column(Kind.CONSTANT_COLUMN, Type.FLOAT, numbers, some([50.0])),
    column(Kind.UNIT_CHANGE, Type.FLOAT, numbers, lambda random, rows: random.normal(50, 10, rows) * 1_000),
    column(Kind.ROUNDED_VALUES, Type.FLOAT, numbers, lambda random, rows: random.normal(50, 10, rows).round()),
    column(
        Kind.DAMAGED_ENCODING,
        Type.STRING,
        some(["Zürich", "Łódź", "São Paulo"]),
        some(["ZÃ¼rich", "Å\x81Ã³dÅº", "SÃ£o Paulo"]),
    ),
    column(Kind.RENAMED_CATEGORY, Type.STRING, words, some(["RED", "green", "Blue town"])),
)


OF_THE_DATASET = {
    Kind.COMPARATOR_HIGH_NUM_EXAMPLES,
    Kind.DATASET_LOW_NUM_EXAMPLES,
    Kind.UNUSUAL_VOLUME,
}
"""No row shows that there are too few, or too many."""
FURTHER = {
    Kind.SCHEMA_MISSING_COLUMN,
    Kind.SHIFTED_COLUMN,
    Kind.LABEL_LEAKAGE,
    Kind.STALE_EVENTS,
    Kind.FUTURE_EVENTS,
    Kind.DUPLICATE_KEYS,
    Kind.KEYS_IN_BOTH_SPLITS,
    *OF_THE_DATASET,
}


def test_every_kind_is_told_with_what_it_takes_to_act_on_it(tmp_path: Path) -> None:
    """Reason, severity, feature, observed, expected, since, rows that show it where rows can, and a command."""
    found = check(tmp_path)
    assert {planted.kind for planted in PLANTED} | FURTHER <= {one.type for one in found}
    for planted in PLANTED:
        assert any((one.type, one.feature) == (planted.kind, planted.kind.value.lower()) for one in found), planted.kind
    for one in found:
        assert one.observed is not None, one
        assert one.expected is not None, one
        assert one.since in ("2024-01-29", "2024-01-30"), one
        shown = one.type not in {*OF_THE_DATASET, Kind.SCHEMA_MISSING_COLUMN}
        assert bool(one.examples) == shown, one
        if one.feature is not None and shown:
            assert all(one.feature in row for row in one.examples), one
        assert parsed(one.remedy) == ("tiny", one.feature, one.type.value)
    by_kind = {one.type: one for one in found}
    assert by_kind[Kind.DUPLICATE_KEYS].examples == ({"id": "29000"},)
    assert by_kind[Kind.KEYS_IN_BOTH_SPLITS].examples == ({"id": "1000"},)
    assert by_kind[Kind.ENUM_TYPE_INVALID_UTF8].examples[0]["enum_type_invalid_utf8"] == r"b'\xff\xfe'"
    stale = by_kind[Kind.STALE_EVENTS]
    assert datetime.fromisoformat(str(stale.examples[0]["at"])) == datetime.fromisoformat(str(stale.observed))


def test_no_rows_at_all_are_told(tmp_path: Path) -> None:
    """The one kind that leaves nothing else to tell."""
    (empty,) = (one for one in check(tmp_path, last_rows=0) if one.type is Kind.DATASET_EMPTY)
    assert (empty.severity, empty.observed, empty.since) == (Severity.ERROR, 0, "2024-01-29")
    assert parsed(empty.remedy) == ("tiny", None, "DATASET_EMPTY")


def parsed(remedy: str) -> tuple[object, object, object]:
    """The schema, the feature and the reason that the remedy's command is of, as the command line reads it."""
    command: Any = get_command(app)
    words = shlex.split(remedy[remedy.index("mlcore schema accept") :])[1:]
    context = Context(command)
    while hasattr(command, "resolve_command"):
        name, command, words = command.resolve_command(context, words)
        context = Context(command, info_name=name, parent=context)
    given = command.make_context("accept", words).params
    return given["name"], given["feature"], given["reason"]


def day(number: int) -> pa.Table:
    """The rows of a day: on the last one every column is what its kind is about."""
    random, start = np.random.default_rng(number), START + number * DAY
    last = number == TRAINED + 1
    rows = 3 * ROWS if last else ROWS
    hours = 12 if number == TRAINED else 24
    seconds = np.sort(random.uniform(0, hours * 3_599, rows))
    outcome = random.normal(0, 1, rows)
    columns: dict[str, object] = {
        "id": np.arange(rows) + 1_000 * number,
        "at": pa.array([start + timedelta(seconds=float(second)) for second in seconds], pa.timestamp("us", tz="UTC")),
        "colour": random.choice(["red", "green", "blue"], rows),
        "size": outcome * 2,
        "outcome": outcome,
        "big": (outcome > 0).astype(np.int64),
    }
    left, right = random.choice(["a", "b", "c"], rows), random.choice(["x", "y", "z"], rows)
    columns["left"], columns["right"] = (right, left) if last else (left, right)
    for planted in PLANTED:
        name = planted.kind.value.lower()
        columns[name] = (planted.bad if last else planted.good)(random, rows)
    if last:
        columns["id"] = np.concatenate([np.arange(rows - 2) + 1_000 * number, [1_000 * number, 1_000]])
        columns["at"] = pa.array([*columns["at"].to_pylist()[:-1], start + DAY], pa.timestamp("us", tz="UTC"))  # type: ignore[attr-defined]
    columns["comparator_control_data_missing"] = pa.array(words(random, rows) if last else [None] * rows, pa.string())
    return pa.table(columns)


def schema() -> Schema:
    plain = {"id": Type.INT, "at": Type.TIMESTAMP, "colour": Type.STRING, "size": Type.FLOAT, "outcome": Type.FLOAT,
             "big": Type.INT, "left": Type.STRING, "right": Type.STRING}  # fmt: skip
    features = [Feature(name=name, type=type_) for name, type_ in plain.items()]
    features += [planted.feature for planted in PLANTED if planted.feature is not None]
    features += [
        Feature(name="gone", type=Type.INT, presence=Presence(min_fraction=1.0)),
        Feature(name="comparator_control_data_missing", type=Type.STRING, drift_comparator=STEP),
    ]
    return Schema(
        features=tuple(features),
        dataset_constraints=DatasetConstraints(
            min_examples_count=10_000,
            num_examples_drift_comparator=NumericValueComparator(max_fraction_threshold=2.0),
        ),
    )


def payload(folder: Path, type_: ArtifactType, number: int) -> Payload:
    start = START + number * DAY
    artifact = Artifact(
        id=number + 1,
        type=type_,
        uri=str(folder),
        digest=digest_bytes(str(folder).encode()),
        pipeline="tiny",
        state=ArtifactState.LIVE,
        created_at=start,
        span=Span(start=start, end=start + DAY),
    )
    return Payload(artifact=artifact, path=folder)


def check(folder: Path, *, last_rows: int | None = None) -> tuple[Anomaly, ...]:
    """What ExampleValidator records; of the days that are judged only the first rows are there."""
    examples, statistics = [], []
    for number in range(TRAINED + 2):
        table, place = day(number), folder / str(number)
        table = table if last_rows is None or number < TRAINED else table.slice(0, last_rows)
        place.mkdir()
        write_examples(place, table)
        with Keys() as keys:
            for batch in table.to_batches():
                keys.add(batch, ["id"])
            write_hashes(place, keys)
        batches = table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
        options = StatisticsOptions(label="big", end=START + (number + 1) * DAY)
        (place / FILE_NAME).write_bytes(to_bytes(DatasetAccumulator.of(batches, options)))
        examples.append(payload(place, ArtifactType.EXAMPLES, number))
        statistics.append(payload(place, ArtifactType.STATISTICS, number))
    (folder / "schema").mkdir()
    write_schema(folder / "schema", schema())
    (folder / "out").mkdir()
    (folder / "tiny.yaml").write_text(dedent(PIPELINE), encoding="utf-8")
    config = load_pipeline(folder / "tiny.yaml")
    component = ExampleValidator(config, RunRequest(pipeline="tiny", run="r", as_of=START + (TRAINED + 3) * DAY))
    given = {
        "statistics": statistics[TRAINED:],
        "reference": statistics[:TRAINED],
        "examples": examples[TRAINED:],
        "train_examples": examples[:TRAINED],
        "schema": [payload(folder / "schema", ArtifactType.SCHEMA, 0)],
    }
    output = Output(path=folder / "out")
    component.run(Inputs(given), {"anomalies": output})
    return read_anomalies(folder / "out")
