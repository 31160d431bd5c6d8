"""``mlcore transform show|mappers``: what a model's features are made of, and what they may be made of."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from mlcore.cli.context import console, session, settings
from mlcore.cli.output import print_json, printable
from mlcore.config.loader import find_pipeline, pipeline_names
from mlcore.errors import ConfigError, quoted

if TYPE_CHECKING:
    from mlcore.config.pipeline import PipelineConfig
    from mlcore.transform.describe import DescribedFeature, DescribedStep, People
    from mlcore.transform.graph import TransformGraph

transform = typer.Typer(help="Features: what they are made of, and what they learnt.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, with every constant in full.")]
_SHOWN_OUTPUTS = 8
_WIDE = 400


def register(app: typer.Typer) -> None:
    app.add_typer(transform, name="transform")


@transform.command()
def show(
    source: Annotated[str, typer.Argument(help="A pipeline, or the folder of a model or a transform graph.")],
    version: Annotated[int | None, typer.Option(help="Of a pipeline: a version of its model.", min=1)] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Of a pipeline: its file as it stands, not fitted.")] = False,
    feature: Annotated[list[str] | None, typer.Option(help="Only this feature; repeatable.")] = None,
    as_json: AsJson = False,
) -> None:
    """The graph of features: raw columns, steps, what they learnt, the matrix's columns.

    Of a pipeline that of its champion, or of another version of its model; before the first model, and with --plan,
    what its file says.
    """
    features = [one for one in _described(source, version, plan=plan) if not feature or one.name in feature]
    if not features:
        raise ConfigError(
            f"no such feature: {quoted(feature)}", where=source, next_step="leave --feature out to see all"
        )
    if as_json:
        print_json({"features": [one.to_json() for one in features]})
        return
    for one in features:
        console.print(_tree(one))


@transform.command("mappers")
def list_mappers(
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="As docs/reference/transform.md lists them.")] = False,
) -> None:
    """Every mapper there is: what it reads, makes and learns, and its options."""
    from mlcore.transform.describe import reference, summary
    from mlcore.transform.mappers import mappers

    if markdown:
        typer.echo(reference())
    elif as_json:
        listed = [
            {
                "name": name,
                "doc": summary(mapper),
                "reads": list(mapper.types),
                "formula": mapper.formula,
                "constants": dict(mapper.constants),
                "options": mapper.options_model.model_json_schema().get("properties", {}),
            }
            for name, mapper in mappers().items()
        ]
        print_json(listed)
    else:
        table = Table("mapper", "reads", "options", "what it makes", box=None)
        for name, mapper in mappers().items():
            options = ", ".join(mapper.options_model.model_fields)
            table.add_row(name, ", ".join(mapper.types), options, Text(summary(mapper)))
        console.print(table)


def _described(source: str, version: int | None, *, plan: bool) -> tuple[DescribedFeature, ...]:
    from mlcore.transform.describe import describe_graph, describe_specs
    from mlcore.transform.graph import FILE_NAME, read_graph
    from mlcore.transform.specs import specs_of

    names = pipeline_names(settings().pipelines)
    folder = Path(source)
    if source not in names and (folder / FILE_NAME).is_file():
        return describe_graph(read_graph(folder), {})
    if source not in names and folder.is_dir():
        raise ConfigError(
            "the folder holds no transform graph",
            where=str(folder),
            next_step=f"give the folder of a model or of a TransformGraph artifact: one with {FILE_NAME}",
        )
    config = find_pipeline(settings().pipelines, source)
    graph = None if plan else _graph(source, version)
    if graph is None:
        return describe_specs(specs_of(config), _people(config))
    return describe_graph(graph, _people(config))


def _graph(pipeline: str, version: int | None) -> TransformGraph | None:
    """The graph inside a registered model; ``None`` where there is no model yet and none was asked for."""
    from mlcore.runtime.kept import kept_folder
    from mlcore.transform.graph import read_graph

    with session() as stores:
        found = stores.registry.champion(pipeline) if version is None else None
        if version is not None:
            versions = {one.version: one for one in stores.registry.versions(pipeline)}
            if version not in versions:
                known = ", ".join(map(str, sorted(versions))) or "none"
                raise ConfigError(
                    f"{pipeline} has no model version {version}", where=pipeline, next_step=f"versions: {known}"
                )
            found = versions[version]
        if found is None:
            return None
        (artifact,) = stores.metadata.present([found.artifact_id])
        return read_graph(kept_folder(stores, artifact))


def _people(config: PipelineConfig) -> People:
    return {name: (feature.owner or config.owner, feature.doc) for name, feature in config.features.items()}


def _tree(feature: DescribedFeature) -> Tree:
    label = Text(printable(feature.name), style="bold")
    if feature.owner:
        label.append(f"  {printable(feature.owner)}", style="not bold cyan")
    if feature.doc:
        label.append(f"  {printable(feature.doc)}", style="not bold dim")
    tree = Tree(label)
    node = tree.add(Text(printable(", ".join(f"{name} ({kind})" for name, kind in feature.columns), _WIDE)))
    for step in feature.steps:
        node = node.add(Text(printable(step.mapper + _options(step), _WIDE)))
        for line in _lines(step):
            node.add(Text(printable(line, _WIDE), style="dim"))
    node.add(Text(printable(f"-> {_outputs(feature)}", _WIDE), style="green"))
    return tree


def _options(step: DescribedStep) -> str:
    from mlcore.transform.describe import shown

    return "".join(f" {name}={shown(value)}" for name, value in step.options.items())


def _lines(step: DescribedStep) -> Iterable[str]:
    from mlcore.transform.describe import shown

    yield f"y = {step.formula}"
    if step.learns_from:
        yield f"learns from {', '.join(step.learns_from)} of training rows"
    if step.constants is None:
        yield from (f"learns {name}: {meaning}" for name, meaning in step.learns.items())
    else:
        yield from (f"{name} = {shown(value)}" for name, value in step.constants.items())


def _outputs(feature: DescribedFeature) -> str:
    if feature.outputs is None:
        return "several columns, known when it is fitted"
    names = ", ".join(feature.outputs[:_SHOWN_OUTPUTS])
    more = f", ... ({len(feature.outputs):,})" if len(feature.outputs) > _SHOWN_OUTPUTS else ""
    return f"{names}{more}{', a category' if feature.categorical else ''}"
