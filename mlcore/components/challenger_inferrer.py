"""Examples to what the challenger predicts of them, beside the champion: kept to be compared, never delivered.

predictions/
├── part-00000.parquet    as BulkInferrer's
└── problem.json          instead of them, where the challenger cannot predict the span: why
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlcore.components.base import Known, SpanTask
from mlcore.components.bulk_inferrer import MODEL, BulkInferrer
from mlcore.core.digests import canonical_json
from mlcore.core.types import ArtifactType, Json
from mlcore.errors import DataError, MlcoreError, ModelError

PROBLEM_FILE = "problem.json"
PROBLEM = "problem"
"""Property of ChallengerPredictions: why there are none."""
_LOG = logging.getLogger(__name__)


class ChallengerInferrer(BulkInferrer):
    """Scores with the challenger what the champion predicts, of the spans that neither has seen.

    The champion's predictions are made and delivered before. Rows that the challenger refuses are a finding: it is
    recorded, and refuses the challenger at the next look; the run goes on. What can be mended, such as a full disk or a
    cluster that is away, fails the node, and is tried again.
    """

    output = ArtifactType.CHALLENGER_PREDICTIONS
    code = (*BulkInferrer.code, "components.bulk_inferrer")

    def learn(self, known: Known) -> None:
        if known.challenger is not None:
            self.version = known.challenger.version

    @property
    def parameters(self) -> Mapping[str, Json]:
        return {**super().parameters, "role": "challenger"}

    def run(self, tasks: Sequence[SpanTask]) -> None:
        try:
            super().run(tasks)
        except (DataError, ModelError):
            for task in tasks:  # one by one, so that those it can predict are
                self._run_one(task)

    def _run_one(self, task: SpanTask) -> None:
        _empty(task.output.path)
        try:
            super().run([task])
        except (DataError, ModelError) as error:
            self._record(task, error)

    def _record(self, task: SpanTask, error: MlcoreError) -> None:
        _LOG.warning("challenger %d cannot predict %s: %s", self.version, task.span.label, error)
        _empty(task.output.path)
        (model,) = task.shared[MODEL]
        problem: dict[str, Json] = {"what": error.what, "where": error.where, "next_step": error.next_step}
        (task.output.path / PROBLEM_FILE).write_bytes(canonical_json(problem))
        task.output.properties.update(
            rows=0,
            model=model.artifact.id,
            model_digest=model.artifact.digest,
            model_version=self.version,
            **{PROBLEM: error.what},
        )


def _empty(folder: Path) -> None:
    """Of what an attempt wrote before it failed; in a bucket a folder is there only where a file is."""
    for file in list(folder.iterdir()) if folder.exists() else ():
        file.unlink()
