"""Facets with the schemas that say what they hold: OpenLineage's own by their published versions, and ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mlcore import __version__
from mlcore.config.lineage import SCHEMAS
from mlcore.core.types import Json

Facet = dict[str, Json]
Facets = dict[str, Json]

_SPEC = "https://openlineage.io/spec"
EVENT_SCHEMA = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
PRODUCER = f"pkg:generic/mlcore@{__version__}"
"""A package URL: there is no address that this software is published under."""
STANDARD: Mapping[str, str] = {
    "columnLineage": "1-2-0/ColumnLineageDatasetFacet",
    "dataQualityMetrics": "1-0-3/DataQualityMetricsInputDatasetFacet",
    "documentation": "1-1-0/DocumentationJobFacet",
    "errorMessage": "1-0-1/ErrorMessageRunFacet",
    "jobType": "2-0-4/JobTypeJobFacet",
    "lifecycleStateChange": "1-0-1/LifecycleStateChangeDatasetFacet",
    "nominalTime": "1-0-1/NominalTimeRunFacet",
    "outputStatistics": "1-0-2/OutputStatisticsOutputDatasetFacet",
    "ownership": "1-0-1/OwnershipJobFacet",
    "parent": "1-2-0/ParentRunFacet",
    "processing_engine": "1-1-1/ProcessingEngineRunFacet",
    "schema": "1-2-0/SchemaDatasetFacet",
    "storage": "1-0-1/StorageDatasetFacet",
    "version": "1-0-1/DatasetVersionDatasetFacet",
}
"""Version and name of the published schema by the key a facet has in an event."""
OWN: Mapping[str, str] = {
    "mlcore_alias": "1-0-0/MlcoreAliasRunFacet",
    "mlcore_artifacts": "1-0-0/MlcoreArtifactsDatasetFacet",
    "mlcore_blessing": "1-0-0/MlcoreBlessingDatasetFacet",
    "mlcore_drift": "1-0-0/MlcoreDriftDatasetFacet",
    "mlcore_evaluation": "1-0-0/MlcoreEvaluationDatasetFacet",
    "mlcore_execution": "1-0-0/MlcoreExecutionRunFacet",
    "mlcore_model": "1-0-0/MlcoreModelDatasetFacet",
    "mlcore_push": "1-0-0/MlcorePushDatasetFacet",
}
"""Ours likewise: files below ``docs/reference/openlineage``."""


@dataclass(frozen=True, slots=True)
class FacetMaker:
    """Makes facets by their keys.

    Attributes:
        schemas: What the address of the schema of one of ours begins with.
    """

    schemas: str = SCHEMAS

    def __call__(self, key: str, **fields: Json) -> Facets:
        """A facet under its key; fields that are ``None`` are left out."""
        return {
            key: {
                "_producer": PRODUCER,
                "_schemaURL": self._schema(key),
                **{name: value for name, value in fields.items() if value is not None},
            }
        }

    def _schema(self, key: str) -> str:
        base, path = (self.schemas.rstrip("/"), OWN[key]) if key in OWN else (f"{_SPEC}/facets", STANDARD[key])
        return f"{base}/{path}.json#/$defs/{path.rpartition('/')[2]}"


def finite(value: float | None) -> float | None:
    """A number that JSON has; ``None`` of others."""
    return value if value is not None and math.isfinite(value) else None
