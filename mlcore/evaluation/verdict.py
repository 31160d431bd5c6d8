"""A verdict as a document: what the Evaluation artifact keeps of the gates."""

from __future__ import annotations

from typing import Any

from mlcore.core.types import Json
from mlcore.evaluation.gates import Finding, Outcome, Verdict


def to_document(verdict: Verdict) -> dict[str, Json]:
    findings: list[Json] = [
        {
            "criterion": finding.criterion,
            "metric": finding.metric,
            "outcome": finding.outcome.name.lower(),
            "slice": [[column, value] for column, value in finding.slice],
            "text": finding.text,
        }
        for finding in verdict.findings
    ]
    return {"blessed": verdict.blessed, "reasons": list(verdict.reasons), "findings": findings}


def from_document(document: Any) -> Verdict:
    """The verdict of what :func:`to_document` made.

    Raises:
        KeyError, TypeError: It is something else.
    """
    return Verdict(
        blessed=document["blessed"],
        reasons=tuple(document["reasons"]),
        findings=tuple(
            Finding(
                criterion=entry["criterion"],
                metric=entry["metric"],
                outcome=Outcome[entry["outcome"].upper()],
                slice=tuple((column, value) for column, value in entry["slice"]),
                text=entry["text"],
            )
            for entry in document["findings"]
        ),
    )
