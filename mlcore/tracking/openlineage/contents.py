"""What artifacts say of themselves, read from their properties and files, as facets of the data sets they belong to."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.core.types import Artifact, ArtifactState, ArtifactType, Json
from mlcore.core.window import iso
from mlcore.errors import MlcoreError
from mlcore.tracking.openlineage.facets import FacetMaker, Facets, finite
from mlcore.tracking.openlineage.names import DatasetName, version_of

if TYPE_CHECKING:
    from mlcore.evaluation.values import MetricValue
    from mlcore.statistics.summary import ColumnSummary

_LOG = logging.getLogger(__name__)
_MOST_ARTIFACTS = 50
_MOST_WORDS = 50
_MOST_TEXT = 1_000
_WITH_ROWS = frozenset(
    {
        ArtifactType.EXAMPLES,
        ArtifactType.SERVING_EXAMPLES,
        ArtifactType.INFERENCE_EXAMPLES,
        ArtifactType.STATISTICS,
        ArtifactType.SERVING_STATISTICS,
        ArtifactType.PREDICTIONS,
        ArtifactType.CHALLENGER_PREDICTIONS,
    }
)
"""What holds rows or is of them; of others ``rows`` tells something else."""
_FORMATS = {
    ArtifactType.EXAMPLES: "parquet",
    ArtifactType.SERVING_EXAMPLES: "parquet",
    ArtifactType.INFERENCE_EXAMPLES: "parquet",
    ArtifactType.PREDICTIONS: "parquet",
    ArtifactType.CHALLENGER_PREDICTIONS: "parquet",
}


def about_artifacts(facet: FacetMaker, artifacts: Sequence[Artifact]) -> Facets:
    """Which artifacts a data set's version is made of: all of a few, and of many how many and of what time."""
    spans = [one.span for one in artifacts if one.span is not None]
    listed: list[Json] = [
        {"id": one.id, "digest": one.digest, **({"span": one.span.label} if one.span else {})}
        for one in artifacts[:_MOST_ARTIFACTS]
    ]
    return facet(
        "mlcore_artifacts",
        type=artifacts[0].type.value,
        count=len(artifacts),
        digest=version_of(list(artifacts)),
        start=iso(min(span.start for span in spans)) if spans else None,
        end=iso(max(span.end for span in spans)) if spans else None,
        rows=rows_of(artifacts),
        artifacts=listed,
    )


def rows_of(artifacts: Sequence[Artifact]) -> int | None:
    """Rows of all of them; ``None`` where one does not tell."""
    rows = [one.properties.get("rows") for one in artifacts if one.type in _WITH_ROWS]
    counts = [count for count in rows if isinstance(count, int)]
    return sum(counts) if counts and len(counts) == len(rows) else None


def schema_of(facet: FacetMaker, columns: Mapping[str, str], docs: Mapping[str, str] | None = None) -> Facets:
    """Columns with their types, and what they mean where somebody wrote it."""
    fields: list[Json] = [
        {"name": name, "type": kind, "ordinal_position": place, **_described((docs or {}).get(name, ""))}
        for place, (name, kind) in enumerate(columns.items(), start=1)
    ]
    return facet("schema", fields=fields)


def _described(text: str) -> dict[str, Json]:
    return {"description": bounded(text)} if text else {}


def bounded(text: object, limit: int = _MOST_TEXT) -> str:
    """A text of at most so many characters."""
    text = str(text)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def words(value: Json) -> list[Json]:
    """Reasons and the like, bounded in number and length."""
    return [bounded(one) for one in value[:_MOST_WORDS]] if isinstance(value, list) else []


def storage_of(facet: FacetMaker, name: DatasetName, kind: ArtifactType) -> Facets:
    """Where rows are kept, and in which format; nothing of what holds no rows."""
    if kind not in _FORMATS:
        return {}
    return facet("storage", storageLayer=name.namespace.partition(":")[0], fileFormat=_FORMATS[kind])


def about_content(facet: FacetMaker, artifact: Artifact, folder: Path, examples: DatasetName) -> Facets:
    """What one artifact holds. Where its files are gone, what was recorded of it is what can be told.

    Args:
        facet: Makes the facets.
        artifact: Of any type.
        folder: Where its files are.
        examples: The data set that features are made of.
    """
    properties = artifact.properties
    there = artifact.state is ArtifactState.LIVE
    try:
        match artifact.type:
            case ArtifactType.MODEL:
                return _model(facet, artifact, folder if there else None)
            case ArtifactType.EVALUATION:
                return _evaluation(facet, artifact, folder if there else None)
            case ArtifactType.TRANSFORM_GRAPH if there:
                return _features(facet, folder, examples)
    except (MlcoreError, OSError) as error:
        _LOG.info("%s %d is told by what was recorded of it: %s", artifact.type.value, artifact.id, error)
        return {}
    match artifact.type:
        case ArtifactType.BLESSING:
            return facet(
                "mlcore_blessing",
                gate=str(properties.get("gate", "")),
                blessed=properties.get("blessed") is True,
                reasons=words(properties.get("reasons")),
            )
        case ArtifactType.DRIFT_REPORT:
            return facet(
                "mlcore_drift",
                asOf=properties.get("as_of"),
                retrain=properties.get("retrain") is True,
                reasons=words(properties.get("reasons")),
                drifted=words(properties.get("drifted")),
            )
    return {}


def _model(facet: FacetMaker, artifact: Artifact, folder: Path | None) -> Facets:
    properties = artifact.properties
    found: dict[str, Json] = {
        "digest": artifact.digest,
        "rows": properties.get("rows"),
        "trainStart": properties.get("train_start"),
        "trainEnd": properties.get("train_end"),
    }
    if folder is not None:
        from mlcore.training.model import read_metadata

        about = read_metadata(folder)
        found |= {
            "estimator": about.estimator,
            "label": about.label,
            "features": list(about.feature_names),
            "libraries": dict(about.libraries),
            "startedFrom": about.started_from or None,
        }
    return facet("mlcore_model", **found)


def _features(facet: FacetMaker, folder: Path, examples: DatasetName) -> Facets:
    """The features as columns, each with the columns it is computed from and those it learnt from."""
    from mlcore.transform.graph import read_graph

    graph = read_graph(folder)
    kinds = dict.fromkeys(graph.feature_names, "float64")
    lineage: dict[str, Json] = {}
    for feature in graph.features:
        read = [name for name, _ in feature.spec.columns_read]
        learnt = [name for name, _ in feature.spec.columns_learnt_from]
        steps = ", ".join(step.mapper for step in feature.spec.steps)
        inputs: list[Json] = [
            *(_input(examples, name, "TRANSFORMATION", steps) for name in dict.fromkeys(read)),
            *(_input(examples, name, "AGGREGATION", steps) for name in dict.fromkeys(learnt) if name not in read),
        ]
        for output in graph.outputs[feature.spec.name]:
            lineage[output] = {"inputFields": inputs}
    return schema_of(facet, kinds) | facet("columnLineage", fields=lineage)


def _input(examples: DatasetName, column: str, subtype: str, steps: str) -> Json:
    transformation: dict[str, Json] = {"type": "DIRECT", "subtype": subtype, "description": bounded(steps)}
    return {
        "namespace": examples.namespace,
        "name": examples.name,
        "field": column,
        "transformations": [transformation],
    }


def _evaluation(facet: FacetMaker, artifact: Artifact, folder: Path | None) -> Facets:
    properties = artifact.properties
    found: dict[str, Json] = {
        "headline": bounded(properties.get("headline", "")),
        "rows": properties.get("rows"),
        "start": properties.get("start"),
        "end": properties.get("end"),
        "baseline": properties.get("baseline"),
    }
    if folder is not None:
        from mlcore.evaluation.files import read_judgement

        judgement = read_judgement(folder)
        found["metrics"] = _metrics(judgement.evaluation.overall.metrics)
        found["slices"] = len(judgement.evaluation.results) - 1
        if judgement.comparison is not None:
            found["difference"] = _metrics(judgement.comparison.overall.metrics)
        if judgement.verdict is not None:
            findings: list[Json] = [
                {"metric": one.metric, "outcome": one.outcome.value, "text": bounded(one.text)}
                for one in judgement.verdict.findings[:_MOST_WORDS]
            ]
            found |= {"blessed": judgement.verdict.blessed, "criteria": findings}
    return facet("mlcore_evaluation", **found)


def _metrics(metrics: Mapping[str, MetricValue]) -> list[Json]:
    return [
        {
            "name": name,
            "value": value.value,
            **{key: bound for key, bound in _interval(value).items() if bound is not None},
            "confidence": value.confidence,
            "rows": value.rows,
        }
        for name, value in sorted(metrics.items())
        if finite(value.value) is not None
    ]


def _interval(value: MetricValue) -> dict[str, float | None]:
    return {"lower": finite(value.lower), "upper": finite(value.upper)}


def statistics_of(facet: FacetMaker, statistics: Artifact, folder: Path) -> Facets:
    """The statistics of the rows that were profiled: as a facet of those, where the files are there."""
    from mlcore.statistics.extract import summarise
    from mlcore.statistics.files import FILE_NAME, read_merged

    if statistics.state is not ArtifactState.LIVE:
        return {}
    try:
        parts = [folder] if (folder / FILE_NAME).exists() else sorted(folder.iterdir(), key=lambda one: one.name)
        dataset = read_merged([part for part in parts if (part / FILE_NAME).exists()], slices=False)
        columns = {column.name: _column(column) for column in summarise(dataset)}
    except (MlcoreError, OSError, ValueError) as error:
        _LOG.info("statistics %d are not told: %s", statistics.id, error)
        return {}
    return facet("dataQualityMetrics", rowCount=dataset.rows, columnMetrics=dict(columns))


def _column(column: ColumnSummary) -> Json:
    found: dict[str, Json] = {
        "nullCount": column.missing,
        "distinctCount": column.distinct,
        "count": column.count,
    }
    if column.numeric is not None:
        number = column.numeric
        quantiles: dict[str, Json] = {f"{step / 10:g}": value for step, value in enumerate(number.quantiles)}
        found |= {"min": number.minimum, "max": number.maximum, "quantiles": quantiles}
    elif column.time is not None:
        found |= {"min": _seconds(column.time.minimum), "max": _seconds(column.time.maximum)}
    return found


def _seconds(moment: datetime) -> float:
    """Since 1970: the schema has numbers only."""
    return moment.timestamp()
