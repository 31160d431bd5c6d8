"""A window's accumulators from those of its spans: neighbours that were merged before are not merged again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from mlcore.artifacts.blocks import Merging, Part
from mlcore.components.base import SPLIT, Inputs, Payload
from mlcore.core.digests import digest_json
from mlcore.core.window import Grain, span_number

if TYPE_CHECKING:
    import pyarrow as pa

    from mlcore.statistics.accumulate import DatasetAccumulator
    from mlcore.transform.state import AnalyzerState

CODE = ("accumulators", "statistics", "transform", "components.merging", "monitoring.sampling", "ingest.examples")
"""What decides the bytes of a block."""
_KIND_LENGTH = 16
_State = TypeVar("_State")


def merged_statistics(inputs: Inputs, key: str, grain: Grain) -> DatasetAccumulator:
    """The statistics of all spans of an input, without their slices, merged in span order.

    Args:
        inputs: A component's.
        key: The input's name; it has a span at least.
        grain: Of the pipeline's spans.

    Raises:
        ArtifactMissing: A span's file is not there.
        ArtifactCorrupt: It is something else.
        DataError: The spans cannot be merged: a column changed its type.
    """
    from mlcore.statistics.accumulate import DatasetAccumulator
    from mlcore.statistics.files import from_bytes, read, to_bytes

    merging = Merging(
        kind="statistics",
        read=partial(read, slices=False),
        merge=DatasetAccumulator.merge,
        to_bytes=to_bytes,
        from_bytes=from_bytes,
    )
    return _merged(inputs, key, grain, merging)


def merged_states(inputs: Inputs, key: str, grain: Grain) -> AnalyzerState:
    """The analyzer states of all spans of an input, merged in span order; with arguments and errors as above."""
    from mlcore.transform.state import AnalyzerState, merge_states, read_states

    merging = Merging(
        kind="states",
        read=lambda folder: read_states([folder]),
        merge=merge_states,
        to_bytes=AnalyzerState.to_bytes,
        from_bytes=AnalyzerState.from_bytes,
    )
    return _merged(inputs, key, grain, merging)


def merged_sample(
    inputs: Inputs, name: str, grain: Grain, *, key: Sequence[str], columns: Sequence[str], rows: int
) -> pa.Table:
    """The sample of the rows of all spans of an input: of spans that were sampled before no row is read.

    Args:
        inputs: A component's.
        name: The input's: Examples.
        grain: Of the pipeline's spans.
        key: Columns that together tell rows apart.
        columns: Columns of the sample.
        rows: Size of the sample.
    """
    import pyarrow as pa

    from mlcore.ingest.examples import iter_batches
    from mlcore.monitoring.sampling import sample

    held = list(dict.fromkeys([*columns, *key]))

    def sampled(batches: Iterable[pa.RecordBatch]) -> pa.Table:
        return sample(batches, key=key, columns=held, rows=rows)

    what = digest_json([[*held], [*key], rows]).rsplit(":", 1)[-1]
    merging = Merging(
        kind=f"samples-{what[:_KIND_LENGTH]}",
        read=lambda folder: sampled(iter_batches([folder], held)),
        merge=lambda parts: sampled(batch for part in parts for batch in part.to_batches()),
        to_bytes=_table_bytes,
        from_bytes=lambda content: pa.ipc.open_stream(content).read_all(),
    )
    found = _merged(inputs, name, grain, merging)
    return found.select([column for column in columns if column in found.column_names])


def _table_bytes(table: pa.Table) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table.combine_chunks())
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _merged(inputs: Inputs, key: str, grain: Grain, merging: Merging[_State]) -> _State:
    parts = _parts(inputs[key], grain)
    if inputs.blocks is None or not parts or len(parts) < len(inputs[key]):
        return merging.merge([merging.read(payload.path) for payload in inputs[key]])
    return inputs.blocks.merged(parts, merging)


def _parts(payloads: Sequence[Payload], grain: Grain) -> list[Part]:
    return [
        Part(
            number=span_number(payload.artifact.span.start, grain),
            digest=payload.artifact.digest,
            name=payload.path.name if _is_split(payload) else "",
            folder=payload.path,
        )
        for payload in payloads
        if payload.artifact.span is not None
    ]


def _is_split(payload: Payload) -> bool:
    return payload.artifact.type in SPLIT and payload.path.name != payload.artifact.uri.rsplit("/", 1)[-1]
