"""What the steps of all features must know of the training rows, and the one pass over rows that finds it.

A step that is fitted learns from what the steps before it make of the rows. Where all of them are fixed functions they
are run over the rows. Where one is itself fitted its constants are not known yet when rows are read; then counts of the
values that come out of the last fixed step are kept, and when the earlier constants are known the steps between are run
over the different values. That is exact as long as the counts are, and never reads a row twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mlcore.core.digests import canonical_json
from mlcore.core.types import Json
from mlcore.errors import ConfigError
from mlcore.transform.analyzers import ANALYZERS, Analyzer
from mlcore.transform.chain import BoundStep, Rows, bind, run
from mlcore.transform.contract import conform
from mlcore.transform.mappers import Mapper
from mlcore.transform.steps import FeatureSpec, Typed

Key = tuple[str, str]
"""Name of an analyzer, and what it is of: a column, or JSON of columns and steps."""
_COUNTS = {"string": "frequencies", "bool": "frequencies", "code": "frequencies"}
_COUNTS_OF_NUMBERS = {"int64": "quantiles", "float64": "quantiles"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Analysis:
    """One analyzer over the result of a feature's first steps.

    Attributes:
        kind: Name of the analyzer.
        spec: The feature.
        fixed: How many of its steps are run over the rows.
        beside: Columns the analyzer reads beside their result.
    """

    kind: str
    spec: FeatureSpec
    fixed: int
    beside: Typed = ()

    @property
    def key(self) -> Key:
        """The same for all features that need the same."""
        if not self.fixed and not self.beside and len(self.spec.columns) == 1:
            return self.kind, self.spec.columns[0][0]
        steps: list[Json] = [[step.mapper, dict(step.options), step.code] for step in self.spec.steps[: self.fixed]]
        further: list[Json] = [name for step in self.spec.steps[: self.fixed] for name, _ in step.further]
        subject: dict[str, Json] = {
            "columns": [name for name, _ in self.spec.columns],
            "steps": steps,
            "further": further,
            "beside": [name for name, _ in self.beside],
        }
        return self.kind, canonical_json(subject).decode()

    @property
    def columns(self) -> Typed:
        """All it reads."""
        steps = self.spec.steps[: self.fixed]
        return (*self.spec.columns, *(column for step in steps for column in step.further), *self.beside)


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """How a step is fitted: from an analysis, by running the steps between over its values where there are some."""

    step: int
    analyzer: str
    analysis: Analysis


def needs(spec: FeatureSpec) -> tuple[Need, ...]:
    """What the fitted steps of a feature need, in order.

    Raises:
        ConfigError: A step would learn from what an earlier fitted step makes, and that cannot be had from counts.
    """
    mappers = spec.mappers()
    kinds = spec.kinds(mappers)
    found: list[Need] = []
    fixed: int | None = None
    for place, (mapper, step) in enumerate(zip(mappers, spec.steps, strict=True)):
        analyzer = mapper.analyzer(kinds[place])
        if analyzer is None:
            continue
        if fixed is None:
            fixed = place
            analysis = Analysis(kind=analyzer, spec=spec, fixed=fixed, beside=(*step.further, *step.learns_from))
        else:
            _check_counted(spec, mappers, fixed, place, analyzer)
            analysis = Analysis(kind=_counts_of(kinds[fixed], analyzer), spec=spec, fixed=fixed)
        found.append(Need(step=place, analyzer=analyzer, analysis=analysis))
    return tuple(found)


def analyses(specs: Sequence[FeatureSpec]) -> dict[Key, Analysis]:
    """All that must be known of the training rows, each once, in order of the keys."""
    found = {need.analysis.key: need.analysis for spec in specs for need in needs(spec)}
    return dict(sorted(found.items()))


def columns_analyzed(specs: Sequence[FeatureSpec]) -> dict[str, str]:
    """Type by name of the columns that are read to know it, in order of the names."""
    return dict(sorted(column for analysis in analyses(specs).values() for column in analysis.columns))


def analyzers_of(batch: pa.Table | pa.RecordBatch, specs: Sequence[FeatureSpec]) -> dict[Key, Analyzer]:
    """Every analyzer over some rows.

    Raises:
        DataError: A column is missing or of another type.
    """
    wanted = analyses(specs)
    rows = conform(batch, dict(sorted(column for one in wanted.values() for column in one.columns)))
    results: dict[str, list[Any]] = {}
    found: dict[Key, Analyzer] = {}
    for key, analysis in wanted.items():
        chain = canonical_json([list(map(list, analysis.spec.columns)), *_written(analysis)]).decode()
        if chain not in results:
            results[chain] = _results(analysis, rows)
        beside = [rows[name] for name, _ in analysis.beside]
        found[key] = ANALYZERS[analysis.kind].of(*results[chain], *beside)
    return found


def derived(need: Need, counted: Analyzer, between: Sequence[BoundStep]) -> Analyzer:
    """The analyzer of a step from counts of what the last fixed step makes.

    Args:
        need: Of the step.
        counted: The analyzer that was kept.
        between: The steps from there to the step, with their constants.
    """
    if not hasattr(counted, "values"):
        raise TypeError(f"{counted.name} keeps no values")
    values, counts = counted.values()
    (result,) = run(between, [values], {})
    return ANALYZERS[need.analyzer].of_counted(result, counts)


def _results(analysis: Analysis, rows: Rows) -> list[Any]:
    steps = bind(analysis.spec, [{}] * analysis.fixed)
    return run(steps, [rows[name] for name, _ in analysis.spec.columns], rows)


def _written(analysis: Analysis) -> Iterator[list[Json]]:
    for step in analysis.spec.steps[: analysis.fixed]:
        options: Mapping[str, Json] = step.options
        yield [step.mapper, dict(options), [name for name, _ in step.further]]


def _counts_of(kinds: Sequence[str], analyzer: str) -> str:
    """The analyzer that counts values of this kind: numbers by value where categories are asked for."""
    (kind,) = kinds
    if kind == "int64" and analyzer == "frequencies":
        return "frequencies"
    return {**_COUNTS, **_COUNTS_OF_NUMBERS}[kind]


def _check_counted(spec: FeatureSpec, mappers: Sequence[Mapper[Any]], fixed: int, place: int, analyzer: str) -> None:
    between, step = mappers[fixed:place], mappers[place]
    kinds = spec.kinds(mappers)[fixed]
    plain = (
        len(kinds) == 1
        and kinds[0] in (*_COUNTS, *_COUNTS_OF_NUMBERS)
        and all(mapper.elementwise for mapper in between)
        and not any(one.further for one in spec.steps[fixed : place + 1])
    )
    if plain and ANALYZERS[analyzer].counted:
        return
    raise ConfigError(
        f"features.{spec.name}.transform.{place}: {step.name} cannot learn from the result of {between[0].name}, which "
        "is itself fitted",
        where=f"features.{spec.name}.transform.{place}",
        next_step=f"put {step.name} before {between[0].name}, or make {between[0].name} fixed by giving its constants",
    )
