"""What is kept of candidates: the payload of a Selection artifact, and ``candidates.json`` of an Evaluation.

selection/
└── selection.json    which candidate was chosen and why, and every one's metrics on the rows it was chosen by
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlcore.core.digests import canonical_json
from mlcore.core.payloads import read_payload
from mlcore.core.types import Json
from mlcore.errors import ArtifactCorrupt, quoted
from mlcore.evaluation.gates import Finding, Outcome, Verdict
from mlcore.evaluation.selection import CandidateResult, Choice
from mlcore.evaluation.values import OVERALL, SliceResult, result_from_document, result_to_document

SELECTION_FILE = "selection.json"
OF_CHOICE = -1
"""In the place of a criterion's number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates:
    """The candidates of a run.

    Attributes:
        choice: Which was chosen, with every one's metrics on the rows held back, from fits that did not see them.
        evaluated: Every one's metrics on the evaluation rows, from the whole training window. They decide nothing.
    """

    choice: Choice
    evaluated: tuple[CandidateResult, ...]

    def to_document(self) -> dict[str, Json]:
        return {"choice": choice_document(self.choice), "evaluated": [*map(_dump, self.evaluated)]}

    @classmethod
    def from_document(cls, document: Any) -> Candidates:
        """What :meth:`to_document` made.

        Raises:
            KeyError, TypeError: It is something else.
        """
        return cls(choice=_choice(document["choice"]), evaluated=tuple(map(_load, document["evaluated"])))


def with_choice(verdict: Verdict, choice: Choice) -> Verdict:
    """The verdict on the chosen model with the choice before it; blocked where a constant prediction is as good."""
    outcome = Outcome.PASSED if choice.beats_dummy else Outcome.BLOCKED
    text = choice.reason if choice.beats_dummy else f"{choice.reason}: nothing is pushed"
    finding = Finding(criterion=OF_CHOICE, metric=choice.metric, outcome=outcome, slice=OVERALL, text=text)
    return Verdict(
        blessed=verdict.blessed and choice.beats_dummy,
        reasons=(f"{outcome}: {text}", *verdict.reasons),
        findings=(finding, *verdict.findings),
    )


def choice_document(choice: Choice) -> dict[str, Json]:
    """A choice for programs."""
    return {
        "metric": choice.metric,
        "chosen": choice.chosen,
        "beats_dummy": choice.beats_dummy,
        "reason": choice.reason,
        "candidates": [*map(_dump, choice.candidates)],
    }


def write_choice(folder: Path, choice: Choice) -> None:
    """Write ``selection.json`` into a folder that exists."""
    (folder / SELECTION_FILE).write_bytes(canonical_json(choice_document(choice)))


def read_choice(folder: Path) -> Choice:
    """The choice of a folder.

    Raises:
        ArtifactMissing: The file is not there.
        ArtifactCorrupt: It is something else.
    """
    data = read_payload(folder / SELECTION_FILE, "a selection")
    try:
        return _choice(json.loads(data))
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactCorrupt(
            f"a selection cannot be read: {quoted(str(error))}",
            where=str(folder / SELECTION_FILE),
            next_step="run the pipeline again",
        ) from error


def _choice(document: Any) -> Choice:
    return Choice(
        metric=document["metric"],
        chosen=document["chosen"],
        beats_dummy=document["beats_dummy"],
        reason=document["reason"],
        candidates=tuple(map(_load, document["candidates"])),
    )


def _dump(candidate: CandidateResult) -> Json:
    difference: SliceResult | None = candidate.difference
    return {
        "name": candidate.name,
        "metrics": result_to_document(candidate.metrics),
        "difference": None if difference is None else result_to_document(difference),
    }


def _load(entry: Any) -> CandidateResult:
    difference = entry["difference"]
    return CandidateResult(
        name=entry["name"],
        metrics=result_from_document(entry["metrics"]),
        difference=None if difference is None else result_from_document(difference),
    )
