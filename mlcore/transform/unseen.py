"""The transform of rows whose labels it must not have seen, though it was fitted on the whole window."""

from __future__ import annotations

import pyarrow as pa

from mlcore.transform.fitting import fit
from mlcore.transform.graph import TransformGraph
from mlcore.transform.state import analyze


def learnt_from(graph: TransformGraph, rows: pa.Table) -> TransformGraph:
    """The graph with features that learn from the label fitted on these rows alone; every other one stays as it is.

    Raises:
        DataError: There are no rows, or a column is missing or of another type.
    """
    specs = [feature.spec for feature in graph.features if feature.spec.columns_learnt_from]
    if not specs:
        return graph
    again = {feature.spec.name: feature for feature in fit(specs, analyze(rows, specs)).features}
    return TransformGraph(tuple(again.get(feature.spec.name, feature) for feature in graph.features))
