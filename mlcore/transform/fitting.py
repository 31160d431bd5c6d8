"""The TransformGraph of features whose analyzers saw the training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlcore.core.types import Json
from mlcore.errors import DataError
from mlcore.transform.analysis import Need, derived, needs
from mlcore.transform.analyzers import ANALYZERS, Analyzer
from mlcore.transform.chain import bind
from mlcore.transform.graph import FittedFeature, TransformGraph
from mlcore.transform.state import AnalyzerState
from mlcore.transform.steps import FeatureSpec


def fit(specs: Sequence[FeatureSpec], state: AnalyzerState) -> TransformGraph:
    """The graph; no row is read again.

    Raises:
        DataError: The state is of other features, or of no rows.
        ConfigError: The features make too many columns, or two of one name.
    """
    if state.rows == 0:
        raise DataError(
            "there are no training rows to fit the features on",
            next_step="choose a longer window.train, or check that the source has rows in it",
        )
    graph = TransformGraph(tuple(_fitted(spec, state) for spec in specs))
    _ = graph.feature_names
    return graph


def _fitted(spec: FeatureSpec, state: AnalyzerState) -> FittedFeature:
    by_step = {need.step: need for need in needs(spec)}
    mappers = spec.mappers()
    constants: list[Mapping[str, Json]] = []
    for place, mapper in enumerate(mappers):
        need = by_step.get(place)
        constants.append({} if need is None else mapper.fit(_analyzer(spec, need, constants, state)))
    return FittedFeature(spec=spec, constants=tuple(constants))


def _analyzer(spec: FeatureSpec, need: Need, constants: Sequence[Mapping[str, Json]], state: AnalyzerState) -> Analyzer:
    analysis = need.analysis
    found = state.analyzers.get(analysis.key)
    if not isinstance(found, ANALYZERS[analysis.kind]):
        raise DataError(
            f"the analyzer state knows nothing of feature {spec.name}",
            where=f"{analysis.kind} of {analysis.key[1]}",
            next_step="analyze the spans with the same features",
        )
    if need.step == analysis.fixed:
        return found
    return derived(need, found, bind(spec, constants)[analysis.fixed :])
