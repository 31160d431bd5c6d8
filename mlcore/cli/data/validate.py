"""``mlcore data validate``: one file against a schema, with neither pipeline nor database.

Exit code 0: clean. 1: anomalies. 2: it could not be checked.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from mlcore.cli.data import data
from mlcore.cli.data.bad_rows import MOST_BAD, MaxBadFraction, bad_rows_anomalies
from mlcore.cli.data.exits import give_up
from mlcore.cli.output import print_json
from mlcore.errors import ConfigError, MlcoreError, quoted

if TYPE_CHECKING:
    from mlcore.schema.anomalies import Anomaly
    from mlcore.schema.history import Expectations

_LOG = logging.getLogger(__name__)
CLEAN, ANOMALIES = 0, 1


@data.command()
def validate(
    file: Annotated[str, typer.Argument(help="CSV, JSON Lines or Parquet: a file, glob, folder or URL.")],
    schema: Annotated[Path, typer.Option(help="A schema: ours (YAML or JSON) or TFX's schema.pbtxt.")],
    previous: Annotated[str | None, typer.Option(help="The data before: drift, and what it tells beyond.")] = None,
    serving: Annotated[str | None, typer.Option(help="The serving log of this training data: skew.")] = None,
    previous_version: Annotated[str | None, typer.Option(help="The same data as it was delivered before.")] = None,
    environment: Annotated[
        str | None, typer.Option(help="Environment of the schema, e.g. SERVING; RAW where the schema has that.")
    ] = None,
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
        give_up(str(error))
    except Exception as error:
        _LOG.exception("the check of %s broke", file)  # exit code 1 would say that the data was checked
        give_up(f"the file could not be checked: {type(error).__name__}: {quoted(str(error))}")
    if as_json:
        print_json([anomaly.to_json() for anomaly in found])
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
        environment: Of the schema; by default RAW, where it has that: the file is as it was delivered.
        expected: What else is known of the data.
        max_bad_fraction: So much of the rows of each file may be bad: they are left out, and an anomaly.

    Raises:
        MlcoreError: A file or the schema cannot be read, or something that was asked for is not in them.
    """
    from mlcore.cli.data.checked import read_checked
    from mlcore.ingest.tables import BadRows
    from mlcore.schema.comparators import Controls
    from mlcore.schema.files import is_pbtxt, read_schema_file
    from mlcore.schema.findings import findings
    from mlcore.schema.history import Expectations, History
    from mlcore.schema.remedies import remedy
    from mlcore.schema.rows import rows_of_each
    from mlcore.schema.validate import RAW, environments, with_severities
    from mlcore.schema.validate import validate as validate_summary

    known = read_schema_file(schema)
    own = not is_pbtxt(schema)
    if environment is None and RAW in environments(known):
        environment = RAW
    expected = expected or Expectations()
    bad = BadRows(most=max_bad_fraction)
    checked = read_checked(str(file), known, own, bad, expected)
    summary = checked.summary
    compared = {name: str(path) for name, path in others.items() if path is not None}
    bad_of = {name: BadRows(most=max_bad_fraction) for name in compared}
    controls = {
        name: read_checked(path, known, own, bad_of[name], Expectations()).summary for name, path in compared.items()
    }
    before = controls.get("previous")
    found = [
        *validate_summary(summary, known, environment=environment, controls=Controls(**controls)),
        *findings(
            summary,
            known,
            history=History(reference=before) if before is not None and before.rows else None,
            expected=replace(expected, duplicates=checked.duplicates),
        ),
    ]
    unread = with_severities(bad_rows_anomalies(bad, bad_of), known)
    rows = rows_of_each(checked.batches(), found, known, show=expected.key, end=expected.as_of)
    shown = [replace(anomaly, examples=examples) for anomaly, examples in zip(found, rows, strict=True)]
    return tuple(replace(one, remedy=remedy(one, str(schema), data=str(file))) for one in (*unread, *shown))


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
