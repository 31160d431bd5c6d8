"""Many spans in one Beam job: each span's examples are read once, and leave one state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa

from mlcore.beam.combine import Shard, accumulate
from mlcore.config.beam import Beam
from mlcore.transform.analysis import columns_analyzed
from mlcore.transform.state import FILE_NAME, AnalyzerState, analyze, merge_states, write_state
from mlcore.transform.steps import FeatureSpec


def analyze_spans(
    examples: Sequence[Path],
    outputs: Sequence[Path],
    specs: Sequence[FeatureSpec],
    *,
    engine: Beam | None = None,
) -> None:
    """Write ``analyzers.bin`` into every output folder.

    Args:
        examples: The Parquet file of each span.
        outputs: The folder of each span's state, in the same order.
        specs: What is to be analyzed.
        engine: Where it runs; by default in this process.

    Raises:
        DataError: A column is missing or of another type.
    """
    if not columns_analyzed(specs):
        for folder, path in zip(outputs, examples, strict=True):
            write_state(folder, AnalyzerState(rows=_rows(path)))
        return
    shards = [
        Shard(key=f"{index:06d}", path=str(path), target=str(folder / FILE_NAME))
        for index, (path, folder) in enumerate(zip(examples, outputs, strict=True))
    ]
    accumulate(
        shards,
        make=partial(_make, specs=tuple(specs)),
        fold=_fold,
        columns=list(columns_analyzed(specs)),
        engine=engine,
    )


def _make(batches: Iterable[pa.RecordBatch], specs: tuple[FeatureSpec, ...]) -> bytes:
    return merge_states([analyze(batch, specs) for batch in batches]).to_bytes()


def _fold(states: Sequence[bytes]) -> bytes:
    return merge_states([AnalyzerState.from_bytes(state) for state in states]).to_bytes()


def _rows(path: Path) -> int:
    import pyarrow.parquet as pq

    with path.open("rb") as file:
        return int(pq.read_metadata(file).num_rows)
