"""A graph, or what will become one, for people: every feature's columns, steps, constants and outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic.fields import FieldInfo

from mlcore.core.types import Json
from mlcore.transform.graph import TransformGraph
from mlcore.transform.mappers import Mapper, mappers
from mlcore.transform.steps import FeatureSpec

_SHOWN_VALUES = 6
_SHOWN_DIGITS = 6
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class DescribedStep:
    """One step.

    Attributes:
        mapper: Its name.
        doc: What it makes, in a line.
        formula: What it computes.
        options: As written.
        reads: Columns beside the feature's own.
        learns_from: Columns it is fitted on beside those.
        learns: What it learns, by name, with what that is; empty where it learns nothing.
        constants: What it learnt; ``None`` before it is fitted.
    """

    mapper: str
    doc: str
    formula: str
    options: Mapping[str, Json]
    reads: tuple[str, ...] = ()
    learns_from: tuple[str, ...] = ()
    learns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Json] | None = None

    def to_json(self) -> dict[str, Json]:
        """As JSON, with all constants."""
        return {
            "mapper": self.mapper,
            "doc": self.doc,
            "formula": self.formula,
            "options": dict(self.options),
            "reads": list(self.reads),
            "learns_from": list(self.learns_from),
            "learns": {**self.learns},
            "constants": None if self.constants is None else dict(self.constants),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class DescribedFeature:
    """One feature.

    Attributes:
        name: Of the feature.
        columns: Name and type of what its first step reads.
        steps: In order.
        outputs: Columns of the matrix; ``None`` where only fitting tells them.
        categorical: Whether those are codes of categories.
        owner: Who answers for it, where that is known.
        doc: What it is, where that is known.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    steps: tuple[DescribedStep, ...]
    outputs: tuple[str, ...] | None
    categorical: bool
    owner: str = ""
    doc: str = ""

    def to_json(self) -> dict[str, Json]:
        """As JSON."""
        return {
            "name": self.name,
            "columns": dict(self.columns),
            "steps": [step.to_json() for step in self.steps],
            "outputs": None if self.outputs is None else list(self.outputs),
            "categorical": self.categorical,
            "owner": self.owner,
            "doc": self.doc,
        }


People = Mapping[str, tuple[str, str]]
"""Owner and doc by feature: they are the pipeline file's, no part of a graph."""


def describe_specs(specs: Sequence[FeatureSpec], people: People) -> tuple[DescribedFeature, ...]:
    """Features before they are fitted."""
    return tuple(_described(spec, None, None, people) for spec in specs)


def describe_graph(graph: TransformGraph, people: People) -> tuple[DescribedFeature, ...]:
    """Features with what they learnt."""
    return tuple(
        _described(feature.spec, feature.constants, graph.outputs[feature.spec.name], people)
        for feature in graph.features
    )


def _described(
    spec: FeatureSpec,
    constants: Sequence[Mapping[str, Json]] | None,
    outputs: tuple[str, ...] | None,
    people: People,
) -> DescribedFeature:
    mappers = spec.mappers()
    kinds = spec.kinds(mappers)
    owner, doc = people.get(spec.name, ("", ""))
    if outputs is None and kinds[-1] != ("matrix",):
        extra = (name for mapper in mappers for name in mapper.extra_names(spec.name))
        outputs = (spec.name, *extra)
    return DescribedFeature(
        name=spec.name,
        columns=spec.columns,
        steps=tuple(
            DescribedStep(
                mapper=mapper.name,
                doc=summary(type(mapper)),
                formula=mapper.formula,
                options=step.options,
                reads=tuple(name for name, _ in step.further),
                learns_from=tuple(name for name, _ in step.learns_from),
                learns=mapper.constants if mapper.analyzer(given) is not None else {},
                constants=None if constants is None else constants[place],
            )
            for place, (step, mapper, given) in enumerate(zip(spec.steps, mappers, kinds, strict=False))
        ),
        outputs=outputs,
        categorical=mappers[-1].categorical,
        owner=owner,
        doc=doc,
    )


def summary(mapper: type[Mapper[Any]]) -> str:
    """The first paragraph of a mapper's docstring, on one line."""
    return _plain((mapper.__doc__ or "").strip().split("\n\n")[0])


def reference() -> str:
    """All mappers in Markdown: what ``docs/reference/transform.md`` says of them."""
    return "\n".join(_section(mapper) for _, mapper in sorted(mappers().items()))


def _section(mapper: type[Mapper[Any]]) -> str:
    paragraphs = [_plain(part) for part in (mapper.__doc__ or "").strip().split("\n\n")]
    several = "" if mapper.most == 1 else f", {mapper.fewest} to {mapper.most} of them" * (mapper.fewest != mapper.most)
    several = several or (f", {mapper.most} of them" if mapper.most > 1 else "")
    lines = [f"### `{mapper.name}`", "", *_apart(paragraphs), f"Reads {', '.join(mapper.types)}{several}.", ""]
    lines += [f"Formula: `{mapper.formula}`", ""]
    fields = mapper.options_model.model_fields
    if fields:
        lines += ["| option | meaning | default |", "|---|---|---|"]
        lines += [
            f"| `{name}` | {_cell(field.description or '')} | {_default(field)} |" for name, field in fields.items()
        ]
        lines.append("")
    if mapper.constants:
        lines += ["| learns | what it is |", "|---|---|"]
        lines += [f"| `{name}` | {_cell(meaning)} |" for name, meaning in mapper.constants.items()]
        lines.append("")
    return "\n".join(lines)


def _apart(paragraphs: Sequence[str]) -> list[str]:
    return [line for paragraph in paragraphs for line in (paragraph, "")]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default()
    if value is None or value == ():
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("``", "`")


def shown(value: Json) -> str:
    """A constant in few words: a long list by its beginning and length."""
    if isinstance(value, float):
        return f"{value:.{_SHOWN_DIGITS}g}"
    if isinstance(value, list):
        some = ", ".join(shown(one) for one in value[:_SHOWN_VALUES])
        return f"[{some}]" if len(value) <= _SHOWN_VALUES else f"[{some}, ...] ({len(value):,})"
    if isinstance(value, dict):
        some = ", ".join(f"{name}: {shown(one)}" for name, one in list(value.items())[:_SHOWN_VALUES])
        return f"{{{some}}}" if len(value) <= _SHOWN_VALUES else f"{{{some}, ...}} ({len(value):,})"
    text = str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."
