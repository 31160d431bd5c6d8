"""``mlcore predict``: a released model on the rows of a file."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated

import typer

from mlcore.cli.context import console, notes, session, settings
from mlcore.cli.data.bad_rows import MOST_BAD, MaxBadFraction
from mlcore.config.loader import find_pipeline
from mlcore.core.window import iso
from mlcore.errors import ConfigError, quoted
from mlcore.masking import masked
from mlcore.registry.store import CHAMPION
from mlcore.runtime.predict import Asked, Write
from mlcore.runtime.predict import predict as predict_rows

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.status import Status


_OTHER_FORMATS = frozenset({".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".xlsx", ".gz", ".zst", ".zip"})


def register(app: typer.Typer) -> None:
    app.command()(predict)


def predict(
    pipeline: Annotated[str, typer.Argument(help="Name of the pipeline whose model predicts.")],
    source: Annotated[str, typer.Argument(help="Rows: a file, a glob, a folder or a URL; CSV, JSON Lines or Parquet.")],
    out: Annotated[
        str | None, typer.Option(help="A Parquet file, a path or a URL; it is replaced when all is there.")
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="PostgreSQL to write to: postgresql://user:${NAME}@host/db, or ${NAME}.")
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="The table there; its rows are replaced in one transaction.")
    ] = None,
    model: Annotated[str, typer.Option(help="Number of a version, or an alias.")] = CHAMPION,
    keep: Annotated[
        list[str] | None, typer.Option(help="A column to carry along, beside key and event timestamp.")
    ] = None,
    confidence: Annotated[
        float | None, typer.Option(help="Bounds around a regressor's predictions, trained with model.intervals: 0.9.")
    ] = None,
    max_bad_fraction: MaxBadFraction = MOST_BAD,
) -> None:
    """Predict the rows of a file with a released model, into a Parquet file or a table of PostgreSQL."""
    if (out is None) == (table is None) or (table is None) != (database is None):
        raise typer.BadParameter("say where predictions go: --out FILE, or --database URL with --table NAME")
    found = settings()
    config = find_pipeline(found.pipelines, pipeline)
    place, write = _file(out) if out is not None else _table(str(database), str(table), found.variables)
    asked = Asked(
        source=source,
        place=place,
        keep=tuple(keep or ()),
        max_bad_fraction=max_bad_fraction,
        confidence=confidence,
        run=f"predict__{iso(datetime.now(UTC))}__{secrets.token_hex(3)}",
        origin={"host": socket.gethostname(), "pid": os.getpid()},
    )
    with session() as stores, notes.status(f"reading {source}") as status:
        version = stores.registry.find(pipeline, model)

        def told(schema: pa.Schema, rows: Iterator[pa.RecordBatch]) -> str:
            return write(schema, _told(rows, status))

        done = predict_rows(stores, config, version, asked, told)
    if done.bad_rows:
        reasons = ", ".join(f"{count} {reason}" for reason, count in done.bad_rows.items())
        notes.print(f"{sum(done.bad_rows.values())} bad rows were left out: {reasons}", style="yellow", highlight=False)
    console.print(f"{done.rows:,} rows predicted by version {version.version} of {pipeline}: {place}", highlight=False)


def _file(out: str) -> tuple[str, Write]:
    from mlcore.inference.destinations.file import write_file

    if masked(out) != out:  # a file system would quote it in its errors, without the rest of the URL
        raise ConfigError(
            f"the URL to write to holds a password or a token: {quoted(masked(out))}",
            where="--out",
            next_step="leave it out, and give it to the environment of the process, such as AWS_SECRET_ACCESS_KEY",
        )
    if (ending := PurePath(out).suffix.lower()) in _OTHER_FORMATS:
        raise ConfigError(
            f"predictions are written as Parquet, which {ending} does not say: {quoted(out)}",
            where="--out",
            next_step="name the file .parquet, or write into a table with --database and --table",
        )
    path = out if "://" in out else str(Path(out).absolute())
    return path, partial(write_file, path)


def _table(database: str, table: str, variables: Mapping[str, str]) -> tuple[str, Write]:
    from mlcore.inference.destinations.postgres import write_table
    from mlcore.ingest.postgres.address import fill_address

    address = fill_address(database, variables, where="--database")
    return f"{address}#{table}", lambda schema, rows: write_table(address, table, schema, rows).digest


def _told(rows: Iterator[pa.RecordBatch], status: Status) -> Iterator[pa.RecordBatch]:
    count = 0
    for batch in rows:
        yield batch
        count += batch.num_rows
        status.update(f"{count:,} rows predicted")
