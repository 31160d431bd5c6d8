"""``mlcore schema infer|show|diff|accept|freeze``: what data should look like, owned by people."""

from __future__ import annotations

import difflib
import json
import os
import secrets
import socket
from collections.abc import Sequence
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from mlcore.cli.context import console, notes, session, settings
from mlcore.cli.data.bad_rows import MOST_BAD, MaxBadFraction
from mlcore.cli.data.exits import answering
from mlcore.cli.output import print_json
from mlcore.config.loader import find_pipeline, pipeline_names, schema_file
from mlcore.errors import ConfigError, quoted

if TYPE_CHECKING:
    from mlcore.config.pipeline import PipelineConfig
    from mlcore.schema.anomalies import Anomaly
    from mlcore.schema.infer import InferenceOptions
    from mlcore.schema.schema import Feature, Schema
    from mlcore.schema.summary import DatasetSummary

schema = typer.Typer(help="What data should look like, owned by people.", no_args_is_help=True)

Source = Annotated[str, typer.Argument(help="A data file, or a pipeline.")]
SchemaName = Annotated[str, typer.Argument(help="A schema file, or a pipeline that has one.")]
Out = Annotated[Path | None, typer.Option(help="Write here: .yaml, .json, or .pbtxt for TFX. Default: print YAML.")]
At = Annotated[str | None, typer.Option(help="Of a pipeline: the moment the run may know of, ISO 8601.")]
Ranges = Annotated[bool, typer.Option("--enforce-ranges", help="The least and the greatest number become bounds.")]
Tolerant = Annotated[bool, typer.Option("--tolerant", help="With the room a pipeline without its own schema has.")]


def register(app: typer.Typer) -> None:
    app.add_typer(schema, name="schema")


@schema.command()
def infer(
    source: Source,
    at: At = None,
    out: Out = None,
    tolerant: Tolerant = False,
    enforce_ranges: Ranges = False,
    max_bad_fraction: MaxBadFraction = MOST_BAD,
) -> None:
    """The schema that a file, or a pipeline's training window, meets; as TensorFlow Data Validation infers it.

    Exit code 0, or 2 where it could not be inferred.
    """
    with answering():
        found = _inferred(source, at, tolerant=tolerant, enforce_ranges=enforce_ranges, most_bad=max_bad_fraction)
        _put(found, out, header=f"Inferred from {source}{f' at {at}' if at else ''}.")


@schema.command()
def show(
    name: SchemaName, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False, out: Out = None
) -> None:
    """A schema as a table; with --out in another form, for instance as TFX's schema.pbtxt."""
    found = _read(name)
    if out is not None:
        _put(found, out, header="")
    elif as_json:
        print_json(found.to_json())
    else:
        table = Table("feature", "type", "presence", "values", "owner", "doc", box=None)
        for feature in found.features:
            cells = (feature.name, feature.type.value, _presence(feature), _values(feature), feature.owner, feature.doc)
            table.add_row(*(Text(cell) for cell in cells))
        console.print(table)


@schema.command()
def diff(before: SchemaName, after: SchemaName) -> None:
    """What changed between two schemas, key by key; exit code 1 when something did, 2 when it cannot be told."""
    from mlcore.schema.files import format_schema

    with answering():
        texts = [format_schema(_read(name), None) for name in (before, after)]
    lines = _difference(texts[0], texts[1], before, after)
    for line in lines:
        typer.echo(line)
    raise typer.Exit(1 if lines else 0)


@schema.command()
def accept(
    name: SchemaName,
    feature: Annotated[str | None, typer.Option(help="Only anomalies of this feature.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only anomalies of this kind.")] = None,
    anomalies: Annotated[Path | None, typer.Option(help="What mlcore data validate --json wrote.")] = None,
    run: Annotated[str | None, typer.Option(help="Of a pipeline: what this run found; by default the newest.")] = None,
    data: Annotated[str | None, typer.Option(help="Or the data itself: it is checked now.")] = None,
    environment: Annotated[
        str | None, typer.Option(help="A missing feature is not expected there, and stays elsewhere.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write the change; otherwise it is only shown.")] = False,
) -> None:
    """The smallest change of a schema after which an anomaly is none, as a diff; --yes writes it, comments stay.

    Of a pipeline, the anomalies are those of its newest run, unless others are given.
    """
    from mlcore.schema.accept import accept as accept_one
    from mlcore.schema.yaml_file import read_text

    path = _path(name)
    changed = before = _read(str(path))
    found = _of_file(anomalies, data, path) if anomalies or data else _of_pipeline(name, run)
    for anomaly in _chosen(_named(feature, reason) if found is None else found, feature, reason):
        changed = accept_one(changed, anomaly, environment=environment)
    text = read_text(path)
    new = text if changed == before else _updated(path, text, changed)
    lines = _difference(text, new, str(path), str(path))
    if not lines:
        notes.print("nothing to change")
    for line in lines:
        typer.echo(line)
    if yes and lines:
        _write(path, new)
        notes.print(Text(f"written to {path}"))
    elif lines:
        notes.print("not written; add --yes to write it")


@schema.command()
def freeze(
    pipeline: Annotated[str, typer.Argument(help="The pipeline.")],
    at: Annotated[str, typer.Option(help="The moment the run may know of, ISO 8601.")],
    enforce_ranges: Ranges = False,
    strict: Annotated[bool, typer.Option("--strict", help="Without the room for what the next data is like.")] = False,
) -> None:
    """Make the inferred schema of a training window the pipeline's own: config/schemas/<pipeline>.yaml."""
    path = schema_file(settings().pipelines, pipeline)
    if path.exists():
        raise ConfigError(
            f"pipeline {pipeline} has a schema of its own already",
            where=str(path),
            next_step="change it by hand or by mlcore schema accept, or remove it first",
        )
    found = _inferred(pipeline, at, tolerant=not strict, enforce_ranges=enforce_ranges)
    header = f"What the data of pipeline {pipeline} should look like. docs/reference/schema.md lists every key."
    path.parent.mkdir(parents=True, exist_ok=True)
    _put(_described(found, find_pipeline(settings().pipelines, pipeline)), path, header=header)


def _inferred(
    source: str, at: str | None, *, tolerant: bool, enforce_ranges: bool, most_bad: float = MOST_BAD
) -> Schema:
    from dataclasses import replace

    from mlcore.schema.infer import TFDV, TOLERANT
    from mlcore.schema.infer import infer as infer_schema

    options: InferenceOptions = replace(TOLERANT if tolerant else TFDV, enforce_ranges=enforce_ranges)
    return infer_schema(_summary(source, at, most_bad), options)


def _summary(source: str, at: str | None, most_bad: float) -> DatasetSummary:
    """The statistics of a file, or of a pipeline's training window."""
    from mlcore.components.summaries import dataset_summary

    if source in pipeline_names(settings().pipelines) and not Path(source).exists():
        return _window_summary(source, at)
    from mlcore.ingest.tables import BadRows, open_table
    from mlcore.schema.summary import DatasetSummary
    from mlcore.statistics.accumulate import DatasetAccumulator

    name, bad = PurePosixPath(source).name, BadRows(most=most_bad)
    batches = open_table(source).batches(bad)
    first = next(batches, None)
    if first is None:
        return DatasetSummary(name=name, rows=0, features=())
    found = dataset_summary(name, DatasetAccumulator.of(chain([first], batches)))
    if bad.count:
        row = bad.first[0]
        notes.print(Text(f"{bad.count} of {bad.rows} rows are bad and left out, first {row.file}:{row.line}"))
    return found


def _window_summary(pipeline: str, at: str | None) -> DatasetSummary:
    from mlcore.components.merging import merged_statistics
    from mlcore.components.summaries import dataset_summary
    from mlcore.core.request import RunRequest
    from mlcore.core.types import GraphKind
    from mlcore.core.window import iso, parse_moment
    from mlcore.runtime.graphs.data import EXAMPLE_GEN, STATISTICS_GEN
    from mlcore.runtime.graphs.graph import FromNode, Graph, Part
    from mlcore.runtime.launch import read_payloads
    from mlcore.runtime.local import run_graph
    from mlcore.runtime.resolve import Resolver

    if at is None:
        raise ConfigError(f"{pipeline} is a pipeline: say which window", next_step="add --at MOMENT")
    config = find_pipeline(settings().pipelines, pipeline)
    as_of = parse_moment(at, name="--at")
    request = RunRequest(
        pipeline=pipeline,
        run=f"schema__{iso(as_of)}__{secrets.token_hex(3)}",
        as_of=as_of,
        origin={"host": socket.gethostname(), "pid": os.getpid()},
    )
    graph = Graph(nodes=(EXAMPLE_GEN, STATISTICS_GEN))
    with session() as stores:
        results = run_graph(stores, config, graph, request=request, observer=_Quiet())
        resolver = Resolver(
            config=config,
            request=request,
            kind=GraphKind.RETRAINING,
            upstream={result.node: result.execution_id for result in results},
            session=stores,
        )
        statistics = resolver.resolve(FromNode(STATISTICS_GEN.name, part=Part.TRAIN))
        inputs = read_payloads(stores, {"statistics": statistics})
        return dataset_summary("train", merged_statistics(inputs, "statistics", config.data.span))


class _Quiet:
    """An observer of a run whose result is the schema, not its steps."""

    def started(self, node: str) -> None:
        notes.print(Text(f"{node} ..."))

    def finished(self, result: object) -> None:
        del result


def _described(found: Schema, config: PipelineConfig) -> Schema:
    """With the owners and docs of the pipeline file, without the label where the model serves, and in raw data without
    what is made of it.

    Keys and dates that count up have no range, for new rows have new ones.
    """
    from dataclasses import replace

    from mlcore.schema.validate import RAW, SERVING

    by_column = {column: given for name, given in config.features.items() for column in given.columns_of(name)}
    label = config.data.label
    features = []
    for feature in found.features:
        given = by_column.get(feature.name)
        if given is not None:
            feature = replace(feature, doc=given.doc, owner=given.owner)
        if feature.name in config.data.key:
            feature = replace(feature, int_domain=None, float_domain=None)
        unserved = (SERVING,) if feature.name in (label.name, label.column) else ()
        made = () if feature.name in config.data.columns else (RAW,)
        features.append(replace(feature, not_in_environment=(*unserved, *made)))
    return replace(found, features=tuple(features), default_environment=("TRAINING", SERVING, RAW))


def _path(name: str) -> Path:
    """The file of a schema: of that name, or of the pipeline of that name."""
    path = Path(name)
    if path.is_file():
        return path
    owned = schema_file(settings().pipelines, name)
    if owned.is_file():
        return owned
    if name in pipeline_names(settings().pipelines):
        raise ConfigError(
            f"pipeline {name} has no schema of its own",
            where=str(owned),
            next_step=f"make one: mlcore schema freeze {name} --at MOMENT",
        )
    raise ConfigError(f"there is no schema {quoted(name)}", next_step="give a file, or a pipeline that has a schema")


def _read(name: str) -> Schema:
    from mlcore.schema.files import read_schema_file

    return read_schema_file(_path(name))


def _of_file(anomalies: Path | None, data: str | None, schema_path: Path) -> Sequence[Anomaly]:
    """The anomalies that a file lists, or that data has which is checked now."""
    if anomalies is not None:
        return _read_anomalies(anomalies)
    from mlcore.cli.data.validate import check_file

    assert data is not None
    return check_file(data, schema_path, {})


def _of_pipeline(name: str, run: str | None) -> Sequence[Anomaly] | None:
    """What the newest, or the named, run of a pipeline found; ``None`` where the schema is no pipeline's."""
    from mlcore.core.types import ArtifactType
    from mlcore.schema.anomalies import read_anomalies

    if Path(name).is_file() or name not in pipeline_names(settings().pipelines):
        return None
    with session() as stores:
        newest = stores.metadata.find_artifacts(type=ArtifactType.ANOMALIES, pipeline=name, run=run, limit=1)
        if not newest:
            raise ConfigError(
                f"there are no anomalies of {f'run {quoted(run)}' if run else 'any run'} to accept",
                where=name,
                next_step=f"see mlcore runs list {name}; or give --anomalies FILE or --data FILE",
            )
        stores.artifacts.verify(newest[0])
        return read_anomalies(stores.artifacts.path(newest[0].uri))


def _named(feature: str | None, reason: str | None) -> Sequence[Anomaly]:
    """An anomaly of which nothing is known but its feature and kind."""
    from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity

    if reason is None:
        raise ConfigError(
            "which anomaly is not said", next_step="add --anomalies FILE or --data FILE, or --feature F --reason R"
        )
    if reason not in AnomalyType.__members__:
        raise ConfigError(f"there is no kind of anomaly {quoted(reason)}", next_step=", ".join(AnomalyType.__members__))
    return [Anomaly(type=AnomalyType(reason), severity=Severity.ERROR, description="", feature=feature)]


def _read_anomalies(path: Path) -> Sequence[Anomaly]:
    from mlcore.schema.anomalies import Anomaly
    from mlcore.schema.yaml_file import read_text

    try:
        document: Any = json.loads(read_text(path))
        items = document["anomalies"] if isinstance(document, dict) else document
        return [Anomaly.from_json({"examples": [], **item}) for item in items]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"this is no list of anomalies: {quoted(str(error))}",
            where=str(path),
            next_step="give what mlcore data validate --json wrote, or an artifact's anomalies.json",
        ) from error


def _chosen(found: Sequence[Anomaly], feature: str | None, reason: str | None) -> Sequence[Anomaly]:
    chosen = [
        anomaly
        for anomaly in found
        if (feature is None or anomaly.feature == feature) and (reason is None or anomaly.type.value == reason)
    ]
    if not chosen:
        names = ", ".join(f"{anomaly.feature or 'dataset'} {anomaly.type}" for anomaly in found[:20]) or "none"
        raise ConfigError("there is no such anomaly to accept", next_step=f"there are: {names}")
    return chosen


def _difference(before: str, after: str, name_before: str, name_after: str) -> list[str]:
    lines = before.splitlines(), after.splitlines()
    return list(difflib.unified_diff(lines[0], lines[1], name_before, name_after, lineterm="", n=2))


def _updated(path: Path, text: str, changed: Schema) -> str:
    from mlcore.schema.files import JSON, format_schema, is_pbtxt
    from mlcore.schema.yaml_file import update_yaml

    if is_pbtxt(path) or path.suffix == JSON:
        return format_schema(changed, path)
    return update_yaml(text, changed, where=str(path))


def _put(found: Schema, out: Path | None, *, header: str) -> None:
    from mlcore.schema.files import format_schema

    text = format_schema(found, out, header=header)
    if out is None:
        typer.echo(text, nl=False)
        return
    _write(out, text)
    notes.print(Text(f"{len(found.features)} features written to {out}"))


def _write(path: Path, text: str) -> None:
    """The whole file or nothing of it."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        beside.write_bytes(text.encode())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ConfigError(
            f"cannot write the schema: {error.strerror or error}", where=str(path), next_step="choose another place"
        ) from error


def _presence(feature: Feature) -> str:
    if not feature.validated:
        return str(feature.lifecycle_stage)
    presence = feature.presence
    parts = [f"{presence.min_fraction:.4g} of rows"] if presence.min_fraction else []
    parts += [f"{presence.min_count} rows"] if presence.min_count > 1 or (presence.min_count and not parts) else []
    return "at least " + ", ".join(parts) if parts else "optional"


def _values(feature: Feature) -> str:
    from mlcore.schema.schema import DOMAINS

    if feature.string_domain is not None:
        values = feature.string_domain.values
        return ", ".join(value[:30] for value in values[:5]) + (f", ... ({len(values)})" if len(values) > 5 else "")
    domain = next((getattr(feature, name) for name in DOMAINS if getattr(feature, name) is not None), None)
    return str(domain).partition("(")[2].removesuffix(")") if domain is not None else ""
