"""The payload of an Evaluation artifact.

evaluation/
├── evaluation.json    metrics with intervals, by slice
├── comparison.json    differences from the champion on the same rows; only where there was one
├── dummy.json         differences from a constant prediction; only where there was no champion
├── candidates.json    which of several models this is, why, and how good all are; only where there were several
├── verdict.json       what each criterion says
├── curves.json        calibration, precision and recall by threshold, quantiles of residuals
├── importance.json    how much worse the model is without each feature; only where it was measured
└── fairness.json      gaps between groups; only where they are asked for
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mlcore.core.digests import canonical_json
from mlcore.core.payloads import read_payload
from mlcore.core.types import Json
from mlcore.errors import ArtifactCorrupt, quoted
from mlcore.evaluation import verdict as verdicts
from mlcore.evaluation.candidates import Candidates
from mlcore.evaluation.curves import Curves
from mlcore.evaluation.fairness import Gap
from mlcore.evaluation.gates import Verdict
from mlcore.evaluation.importance import Importances
from mlcore.evaluation.values import Comparison, Evaluation, Slices

EVALUATION_FILE = "evaluation.json"
COMPARISON_FILE = "comparison.json"
DUMMY_FILE = "dummy.json"
CANDIDATES_FILE = "candidates.json"
VERDICT_FILE = "verdict.json"
CURVES_FILE = "curves.json"
IMPORTANCE_FILE = "importance.json"
FAIRNESS_FILE = "fairness.json"

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """All that is written of a model's evaluation.

    Attributes:
        comparison: With the champion on the same rows; ``None`` where there was none.
        dummy: With a constant prediction; ``None`` where there was a champion.
        candidates: Those that the model was chosen from; ``None`` where it was the only one.
    """

    evaluation: Evaluation
    comparison: Comparison | None = None
    dummy: Comparison | None = None
    verdict: Verdict | None = None
    curves: Curves | None = None
    gaps: tuple[Gap, ...] = ()
    importances: Importances | None = None
    candidates: Candidates | None = None

    def to_document(self) -> dict[str, Json]:
        """All of it, for programs."""
        results = {"evaluation": self.evaluation, "comparison": self.comparison, "dummy": self.dummy}
        return {
            **{name: None if found is None else found.to_document() for name, found in results.items()},
            "verdict": None if self.verdict is None else verdicts.to_document(self.verdict),
            "curves": None if self.curves is None else self.curves.to_document(),
            "importance": None if self.importances is None else self.importances.to_document(),
            "fairness": [gap.to_document() for gap in self.gaps],
            "candidates": None if self.candidates is None else self.candidates.to_document(),
        }


def write(folder: Path, judgement: Judgement) -> None:
    """Write an evaluation folder; it exists and is empty."""
    (folder / EVALUATION_FILE).write_bytes(judgement.evaluation.to_json())
    if judgement.comparison is not None:
        (folder / COMPARISON_FILE).write_bytes(judgement.comparison.to_json())
    if judgement.dummy is not None:
        (folder / DUMMY_FILE).write_bytes(judgement.dummy.to_json())
    if judgement.verdict is not None:
        (folder / VERDICT_FILE).write_bytes(canonical_json(verdicts.to_document(judgement.verdict)))
    if judgement.curves is not None:
        (folder / CURVES_FILE).write_bytes(canonical_json(judgement.curves.to_document()))
    if judgement.importances is not None:
        (folder / IMPORTANCE_FILE).write_bytes(canonical_json(judgement.importances.to_document()))
    if judgement.gaps:
        (folder / FAIRNESS_FILE).write_bytes(canonical_json([gap.to_document() for gap in judgement.gaps]))
    if judgement.candidates is not None:
        (folder / CANDIDATES_FILE).write_bytes(canonical_json(judgement.candidates.to_document()))


def read(folder: Path) -> Evaluation:
    """The evaluation of a folder.

    Raises:
        ArtifactMissing: The file is not there.
        ArtifactCorrupt: The file is something else.
    """
    return Slices.from_json(read_payload(folder / EVALUATION_FILE, "an evaluation"))


def read_comparison(folder: Path) -> Comparison | None:
    """The comparison with the champion of a folder; ``None`` where there was no champion.

    Raises:
        ArtifactCorrupt: The file is something else.
    """
    return _optional(folder / COMPARISON_FILE, Slices.from_json)


def read_judgement(folder: Path) -> Judgement:
    """All that was written into a folder.

    Raises:
        ArtifactMissing: There is no evaluation.
        ArtifactCorrupt: A file is something else.
    """
    return Judgement(
        evaluation=read(folder),
        comparison=read_comparison(folder),
        dummy=_optional(folder / DUMMY_FILE, Slices.from_json),
        verdict=_optional(folder / VERDICT_FILE, lambda data: verdicts.from_document(json.loads(data))),
        curves=_optional(folder / CURVES_FILE, lambda data: Curves.from_document(json.loads(data))),
        importances=_optional(folder / IMPORTANCE_FILE, lambda data: Importances.from_document(json.loads(data))),
        gaps=_optional(folder / FAIRNESS_FILE, lambda data: tuple(map(Gap.from_document, json.loads(data)))) or (),
        candidates=_optional(folder / CANDIDATES_FILE, lambda data: Candidates.from_document(json.loads(data))),
    )


def _optional(path: Path, parse: Callable[[bytes], _T]) -> _T | None:
    if not path.exists():
        return None
    try:
        return parse(path.read_bytes())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactCorrupt(
            f"a part of an evaluation cannot be read: {quoted(str(error))}",
            where=str(path),
            next_step="evaluate the model again",
        ) from error
