"""What the mappers of a pipeline need to know of the rows of one span, or of many.

The payload of an AnalyzerState artifact:

    analyzer_state/
    └── analyzers.bin    canonical JSON: a state for every analyzer and what it is of
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from mlcore.core.digests import canonical_json
from mlcore.core.payloads import read_payload
from mlcore.core.types import Json
from mlcore.errors import ArtifactCorrupt, quoted
from mlcore.transform.analysis import analyzers_of
from mlcore.transform.analyzers import ANALYZERS, Analyzer
from mlcore.transform.steps import FeatureSpec

FILE_NAME = "analyzers.bin"
_FORMAT = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class AnalyzerState:
    """Analyzers by (name of the analyzer, what it is of), and how many rows they saw."""

    rows: int = 0
    analyzers: Mapping[tuple[str, str], Analyzer] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Equal states have equal bytes."""
        states: list[Json] = [
            [kind, column, self.analyzers[kind, column].to_json()] for kind, column in sorted(self.analyzers)
        ]
        return canonical_json({"format": _FORMAT, "rows": self.rows, "analyzers": states})

    @classmethod
    def from_bytes(cls, data: bytes) -> AnalyzerState:
        """Parse what :meth:`to_bytes` wrote.

        Raises:
            ArtifactCorrupt: It is something else.
        """
        try:
            document = json.loads(data)
            if document["format"] != _FORMAT:
                raise ValueError(f"format {document['format']}")
            analyzers = {
                (kind, column): ANALYZERS[kind].from_json(state) for kind, column, state in document["analyzers"]
            }
            return cls(rows=document["rows"], analyzers=analyzers)
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactCorrupt(
                f"an analyzer state cannot be read: {quoted(str(error))}",
                next_step="delete it and run the pipeline again: it is made again from the span's examples",
            ) from error


def analyze(batch: pa.Table | pa.RecordBatch, specs: Sequence[FeatureSpec]) -> AnalyzerState:
    """The state of some rows.

    Raises:
        DataError: A column is missing or of another type.
    """
    return AnalyzerState(rows=batch.num_rows, analyzers=analyzers_of(batch, specs))


def merge_states(states: Sequence[AnalyzerState]) -> AnalyzerState:
    """The state of all rows of the states together; with none, the state of no rows."""
    keys = dict.fromkeys(key for state in states for key in state.analyzers)
    merged = {
        (kind, column): ANALYZERS[kind].merge(
            [state.analyzers[kind, column] for state in states if (kind, column) in state.analyzers]
        )
        for kind, column in keys
    }
    return AnalyzerState(rows=sum(state.rows for state in states), analyzers=merged)


def write_state(folder: Path, state: AnalyzerState) -> None:
    """Write ``analyzers.bin`` into a folder that exists."""
    (folder / FILE_NAME).write_bytes(state.to_bytes())


def read_states(folders: Sequence[Path]) -> AnalyzerState:
    """The merged state of many spans, in their order.

    Raises:
        ArtifactMissing: A file is not there.
        ArtifactCorrupt: A file is something else.
    """
    return merge_states(
        [AnalyzerState.from_bytes(read_payload(folder / FILE_NAME, "an analyzer state")) for folder in folders]
    )
