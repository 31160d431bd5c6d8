"""A window's examples to the hyperparameters that do best on its later spans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlcore.components.base import Component, Inputs, Outputs, Payload
from mlcore.components.trainer import covered, estimator_libraries, read_training_rows, row_weights
from mlcore.config.tune import Range, Space, Tune
from mlcore.core.types import ArtifactType, Json
from mlcore.core.window import Span
from mlcore.errors import DataError, MlcoreError

if TYPE_CHECKING:
    from mlcore.training.tune import Between, Fold, Search

MEMO = "trials.jsonl"
_NOT_SEARCHED_WITH = {"calibration", "intervals", "max_memory", "epochs", "warm_start"}
"""Keys of ``model`` that the trials do without: each fits anew, on all rows of its fold at once."""


class Tuner(Component):
    """Searches ``model.tune.search`` by time-ordered cross-validation; each fold has a transform of its own."""

    inputs = {"examples": ArtifactType.EXAMPLES, "states": ArtifactType.ANALYZER_STATE}
    outputs = {"hyper_parameters": ArtifactType.HYPER_PARAMETERS}
    code = ("training", "transform", "accumulators", "ingest.examples")
    libraries = ("scikit-learn", "numpy", "scipy", "optuna")

    @property
    def parameters(self) -> Mapping[str, Json]:
        data = self.config.data
        return {
            "model": self.config.model.model_dump(mode="json", exclude=_NOT_SEARCHED_WITH),
            "features": {
                name: feature.model_dump(mode="json", exclude={"doc", "owner"})
                for name, feature in self.config.features.items()
            },
            "order": list(self.config.features),  # JSON keeps no order of keys, and neither does the search
            "search_order": list(self._tune.search),
            "label": data.label.model_dump(mode="json"),
            "event_timestamp": data.event_timestamp,
            "span": str(data.span),
            "task": data.task,
            "without": list(self.without),
            "libraries": estimator_libraries(self.config),
        }

    @property
    def _tune(self) -> Tune:
        if self.config.model.tune is None:
            raise MlcoreError(f"pipeline {self.config.name} has no model.tune")
        return self.config.model.tune

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        from mlcore.training.tune import Memo, tune, write_tuned

        folds = self._folds(inputs["examples"], inputs["states"])
        memo = Memo(self.scratch / MEMO if self.scratch else None)
        tuned = tune(self._search(folds), folds, memo)
        write_tuned(outputs["hyper_parameters"].path, tuned)
        outputs["hyper_parameters"].properties.update(
            objective=tuned.objective, value=tuned.value, trials=len(tuned.trials), params=dict(tuned.params)
        )

    def summary(self, outputs: Inputs) -> str:
        found = outputs.one("hyper_parameters").artifact.properties
        return f"{found['objective']} {found['value']:.4f} of {found['trials']} trials"

    def _search(self, folds: Sequence[Fold]) -> Search:
        import numpy as np

        from mlcore.training.losses import Objective
        from mlcore.training.tune import Search

        tuning, model = self._tune, self.config.model
        amounts = self.config.data.task == "regression"
        labels = [rows.labels for fold in folds for rows in (fold.fitted, fold.judged)]
        classes = () if amounts else tuple(np.unique(np.concatenate(labels)).tolist())
        return Search(
            estimator=model.estimator,
            params=model.params,
            space={name: _space(one) for name, one in tuning.search.items()},
            objective=Objective(tuning.metric or ("rmse" if amounts else "log_loss"), classes),
            trials=tuning.trials,
            seconds=tuning.max_duration.total_seconds() if tuning.max_duration else None,
            parallel=tuning.parallel,
        )

    def _folds(self, examples: Sequence[Payload], states: Sequence[Payload]) -> list[Fold]:
        from mlcore.training.tune import folds_of

        state_of = {payload.artifact.span: payload for payload in states}
        both = [payload for payload in examples if payload.artifact.span in state_of]
        divided = folds_of(len(both), self._tune.folds, self._embargo(both))
        return [
            self._fold(both[fitted.start : fitted.stop], both[judged.start : judged.stop], state_of)
            for fitted, judged in divided
        ]

    def _embargo(self, examples: Sequence[Payload]) -> int:
        """In spans, rounded up."""
        given = self._tune.embargo
        needed = self.config.data.label.delay if given is None else given
        spans = [payload.artifact.span for payload in examples if payload.artifact.span]
        if not spans:
            raise DataError("there are no spans to tune on", next_step="choose a longer window.train")
        return -(-needed // (spans[0].end - spans[0].start))

    def _fold(
        self, fitted: Sequence[Payload], judged: Sequence[Payload], by_span: Mapping[Span | None, Payload]
    ) -> Fold:
        from mlcore.training.train import judged_rows, labelled_rows
        from mlcore.training.tune import Fold
        from mlcore.transform.fitting import fit
        from mlcore.transform.specs import specs_of
        from mlcore.transform.state import read_states
        from mlcore.transform.transformer import GraphTransformer

        specs = specs_of(self.config)
        transformer = GraphTransformer.of(
            fit(specs, read_states([by_span[payload.artifact.span].path for payload in fitted]))
        )
        columns = list(transformer.graph.training_contract)
        label, weights = self.config.data.label.name, row_weights(self.config, covered(fitted))
        rows = [
            read_training_rows(self.config, [payload.path for payload in part], columns) for part in (fitted, judged)
        ]
        _, before = labelled_rows(rows[0], transformer.transform_training, label=label, weights=weights)
        return Fold(
            fitted=before,
            judged=judged_rows(rows[1], transformer.transform, label=label, weights=weights, fitted=before),
            mask=transformer.categorical_mask,
        )


def _space(space: Space) -> Between | tuple[Json, ...]:
    from mlcore.training.tune import Between

    if isinstance(space, Range):
        return Between(low=space.low, high=space.high, log=space.log, step=space.step)
    return space
