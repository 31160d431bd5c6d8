"""``mlcore data validate``: one file against a schema, with neither pipeline nor database.

Exit code 0: clean. 1: anomalies. 2: it could not be checked.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlcore.cli.data import data
from mlcore.cli.data.bad_rows import MOST_BAD, MaxBadFraction, bad_rows_anomalies
from mlcore.errors import ConfigError, MlcoreError, quoted

if TYPE_CHECKING:
    import pyarrow as pa

    from mlcore.ingest.tables import BadRows
    from mlcore.schema.anomalies import Anomaly
    from mlcore.schema.history import Expectations
    from mlcore.schema.schema import Schema
    from mlcore.schema.summary import DatasetSummary, FeatureSummary

_LOG = logging.getLogger(__name__)
CLEAN, ANOMALIES, NOT_CHECKED = 0, 1, 2


@data.command()
def validate(
    file: Annotated[str, typer.Argument(help="CSV, JSON Lines or Parquet: a file, glob, folder or URL.")],
    schema: Annotated[Path, typer.Option(help="A schema: ours (YAML or JSON) or TFX's schema.pbtxt.")],
    previous: Annotated[str | None, typer.Option(help="The data before: drift, and what it tells beyond.")] = None,
    serving: Annotated[str | None, typer.Option(help="The serving log of this training data: skew.")] = None,
    previous_version: Annotated[str | None, typer.Option(help="The same data as it was delivered before.")] = None,
    environment: Annotated[str | None, typer.Option(help="Environment of the schema, e.g. SERVING.")] = None,
    key: Annotated[str | None, typer.Option(help="Columns, by commas, that no two rows may share.")] = None,
    label: Annotated[str | None, typer.Option(help="Column to be predicted: others must not tell it.")] = None,
    event_timestamp: Annotated[str | None, typer.Option(help="Column that says when a row happened.")] = None,
    as_of: Annotated[str | None, typer.Option(help="The moment the data was to be known, ISO 8601.")] = None,
    max_age_hours: Annotated[float | None, typer.Option(help="How old the newest event may be at --as-of.")] = None,
    max_bad_fraction: MaxBadFraction = MOST_BAD,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for advice of severity WARNING too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list on stdout.")] = False,
) -> None:
    """Check a file against a schema: exit code 0 clean, 1 anomalies, 2 could not check."""
    try:
        expected = _expectations(key, label, event_timestamp, as_of, max_age_hours)
        others = {"previous": previous, "serving": serving, "previous_version": previous_version}
        found = check_file(
            file, schema, others, environment=environment, expected=expected, max_bad_fraction=max_bad_fraction
        )
    except MlcoreError as error:
        _give_up(str(error))
    except Exception as error:
        _LOG.exception("the check of %s broke", file)  # exit code 1 would say that the data was checked
        _give_up(f"the file could not be checked: {type(error).__name__}: {quoted(str(error))}")
    if as_json:
        typer.echo(json.dumps([anomaly.to_json() for anomaly in found], indent=2, ensure_ascii=False))
    else:
        _show(file, found)
    raise typer.Exit(ANOMALIES if any(strict or counts(anomaly) for anomaly in found) else CLEAN)


def counts(anomaly: Anomaly) -> bool:
    """Whether an anomaly makes data unclean: a breach of the schema, or an ERROR of any kind."""
    return anomaly.type.source == "tfdv" or anomaly.severity.value == "ERROR"


def check_file(
    file: str | Path,
    schema: Path,
    others: Mapping[str, str | Path | None],
    *,
    environment: str | None = None,
    expected: Expectations | None = None,
    max_bad_fraction: float = MOST_BAD,
) -> tuple[Anomaly, ...]:
    """The anomalies of a file, or of the files of a glob or a folder.

    Args:
        file: The data: a path or a URL.
        schema: Its schema.
        others: What it is compared with: ``previous``, ``serving`` and ``previous_version``.
        environment: Of the schema.
        expected: What else is known of the data.
        max_bad_fraction: So much of the rows of each file may be bad: they are left out, and an anomaly.

    Raises:
        MlcoreError: A file or the schema cannot be read, or something that was asked for is not in them.
    """
    from mlcore.ingest.tables import BadRows
    from mlcore.schema.comparators import Controls
    from mlcore.schema.files import is_pbtxt, read_schema_file
    from mlcore.schema.findings import findings
    from mlcore.schema.history import Expectations, History
    from mlcore.schema.remedies import remedy
    from mlcore.schema.rows import duplicate_keys, example_rows
    from mlcore.schema.validate import validate as validate_summary
    from mlcore.schema.validate import with_severities

    known = read_schema_file(schema)
    own = not is_pbtxt(schema)
    expected = expected or Expectations()
    bad = BadRows(most=max_bad_fraction)
    table = _read(str(file), known, own, bad, expected)
    summary = _summary(str(file), table, expected)
    compared = {name: str(path) for name, path in others.items() if path is not None}
    bad_of = {name: BadRows(most=max_bad_fraction) for name in compared}
    controls = {
        name: _summary(path, _read(path, known, own, bad_of[name]), Expectations()) for name, path in compared.items()
    }
    before = controls.get("previous")
    found = [
        *validate_summary(summary, known, environment=environment, controls=Controls(**controls)),
        *findings(
            summary,
            known,
            history=History(reference=before) if before is not None and before.rows else None,
            expected=replace(expected, duplicates=duplicate_keys(table, expected.key) if table.num_rows else 0),
        ),
    ]
    unread = with_severities(bad_rows_anomalies(bad, bad_of), known)
    batches = table.to_batches()
    return (
        *(replace(one, remedy=remedy(one, str(schema), data=str(file))) for one in unread),
        *(
            replace(
                anomaly,
                examples=example_rows(batches, anomaly, known, show=expected.key, end=expected.as_of),
                remedy=remedy(anomaly, str(schema), data=str(file)),
            )
            for anomaly in found
        ),
    )


def _read(path: str, schema: Schema, own: bool, bad: BadRows, expected: Expectations | None = None) -> pa.Table:
    """The table, its columns of the types the schema has for what text can be.

    TensorFlow Data Validation takes a CSV column of digits for whole numbers, whatever the schema says; a schema of our
    own may say that they are strings, or numbers that happen to be whole.
    """
    from mlcore.ingest.tables import open_table

    table = open_table(path, texts=_texts(schema) if own else ()).read(bad)
    asked_for = (*expected.key, expected.label, expected.event_timestamp) if expected else ()
    for asked in asked_for:
        if asked is not None and table.num_columns and asked not in table.column_names:
            raise ConfigError(
                f"there is no column {quoted(asked)}",
                where=path,
                next_step=f"choose one of {', '.join(table.column_names[:20])}",
            )
    return _as_told(table, schema, own, expected.event_timestamp if expected else None)


def _texts(schema: Schema) -> list[str]:
    """Features that may be strings of digits: without a domain, or with digits in it."""
    from mlcore.schema.summary import FeatureType

    strings = [feature for feature in schema.features if feature.type is FeatureType.STRING]
    return [
        feature.name
        for feature in strings
        if feature.string_domain is None or any(value.isdigit() for value in feature.string_domain.values)
    ]


def _as_told(table: pa.Table, schema: Schema, own: bool, event_timestamp: str | None) -> pa.Table:
    """Texts as moments, dates and truth values, whole numbers as numbers, where the schema says so and all can be."""
    import pyarrow as pa

    from mlcore.schema.summary import FeatureType

    wanted = {
        FeatureType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
        FeatureType.DATE: pa.date32(),
        FeatureType.BOOL: pa.bool_(),
    }
    types = {feature.name: wanted[feature.type] for feature in schema.features if feature.type in wanted}
    if event_timestamp is not None:
        types.setdefault(event_timestamp, wanted[FeatureType.TIMESTAMP])
    floats = {feature.name for feature in schema.features if feature.type is FeatureType.FLOAT} if own else set()
    for index, name in enumerate(table.column_names):
        if name in floats and pa.types.is_integer(table.schema.field(index).type):
            table = table.set_column(index, name, table.column(index).cast(pa.float64(), safe=False))
            continue
        if name in types and pa.types.is_string(table.schema.field(index).type):
            try:
                table = table.set_column(index, name, table.column(index).cast(types[name]))
            except pa.ArrowInvalid:
                continue
    return table


def _summary(path: str, table: pa.Table, expected: Expectations) -> DatasetSummary:
    from mlcore.components.summaries import dataset_summary
    from mlcore.schema.summary import DatasetSummary
    from mlcore.statistics.accumulate import DatasetAccumulator
    from mlcore.statistics.options import StatisticsOptions

    name = quoted(PurePosixPath(path).name)
    if not table.num_rows:
        return DatasetSummary(name=name, rows=0, features=())
    accumulated = DatasetAccumulator.of(table.to_batches(), StatisticsOptions(label=expected.label))
    found = dataset_summary(name, accumulated, end=expected.as_of)
    return replace(found, features=tuple(_signed(feature, table) for feature in found.features))


def _signed(feature: FeatureSummary, table: pa.Table) -> FeatureSummary:
    """With the sign of its infinities, which statistics do not keep."""
    import pyarrow.compute as pc

    if not feature.infinite:
        return feature
    column = table[feature.name]
    negative = pc.sum(pc.and_(pc.is_inf(column), pc.less(column, 0))).as_py()
    return replace(feature, negative_infinite=negative or 0)


def _expectations(
    key: str | None, label: str | None, event_timestamp: str | None, as_of: str | None, max_age_hours: float | None
) -> Expectations:
    from mlcore.core.window import parse_moment
    from mlcore.schema.history import Expectations

    if (as_of or max_age_hours) and not event_timestamp:
        raise ConfigError("--as-of needs the column of the moments", next_step="add --event-timestamp COLUMN")
    if max_age_hours and not as_of:
        raise ConfigError("--max-age-hours needs the moment to count from", next_step="add --as-of MOMENT")
    moment: datetime | None = parse_moment(as_of, name="--as-of") if as_of else None
    return Expectations(
        event_timestamp=event_timestamp,
        as_of=moment,
        max_age=timedelta(hours=max_age_hours) if max_age_hours else None,
        label=label,
        key=tuple(key.split(",")) if key else (),
    )


def _show(file: str, found: Sequence[Anomaly]) -> None:
    """A table for people: all from the data is shown as plain text."""
    from mlcore.cli.context import console

    if not found:
        console.print(Text(f"{file}: clean"))
        return
    table = Table("feature", "severity", "reason", "what", "what to do", title=f"{len(found)} anomalies", box=None)
    for anomaly in found:
        cells: tuple[Any, ...] = (
            anomaly.feature or "(dataset)",
            anomaly.severity.value,
            anomaly.type.value,
            anomaly.description,
            anomaly.remedy,
        )
        table.add_row(*(Text(str(cell)) for cell in cells))
    console.print(table)


def _give_up(message: str) -> NoReturn:
    Console(stderr=True, soft_wrap=True).print(f"error: {message}", style="red", markup=False, highlight=False)
    raise typer.Exit(NOT_CHECKED)
