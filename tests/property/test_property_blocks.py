from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlcore.accumulators import frequent, refinement, value_counts
from mlcore.artifacts.blocks import Blocks
from mlcore.artifacts.store import ArtifactStore
from mlcore.components.base import Inputs, Payload
from mlcore.components.merging import merged_sample, merged_states, merged_statistics
from mlcore.config.model import Feature
from mlcore.core.digests import digest_bytes
from mlcore.core.types import Artifact, ArtifactState, ArtifactType
from mlcore.core.window import EPOCH, Span
from mlcore.ingest.examples import iter_batches, write_examples
from mlcore.monitoring.sampling import sample
from mlcore.statistics.accumulate import DatasetAccumulator
from mlcore.statistics.files import FILE_NAME, read_merged, to_bytes
from mlcore.statistics.options import StatisticsOptions
from mlcore.transform.specs import specs_from_config
from mlcore.transform.state import analyze, read_states, write_state

DAY = timedelta(days=1)
FIRST, SPANS, VERSIONS = 60, 75, 2
SPECS = specs_from_config(
    {"text": Feature(transform="vocabulary"), "number": Feature(transform="scale_to_z_score")},
    {"text": "string", "number": "float64"},
)


def write(folder: Path, seed: int) -> None:
    """A span's statistics and analyzers; numbers and strings go beyond what is kept exactly of a few spans."""
    generator = np.random.default_rng(seed)
    table = pa.table(
        {
            "text": [f"text {value}" for value in generator.zipf(1.5, 20) % 5_000],
            "number": pa.array(generator.normal(size=20), mask=generator.random(20) < 0.2),
            "label": generator.integers(0, 2, 20),
            "id": generator.integers(0, 400, 20),
        }
    )
    folder.mkdir()
    write_examples(folder, table)
    made = DatasetAccumulator.of(table.to_batches(), StatisticsOptions(label="label"))
    (folder / FILE_NAME).write_bytes(to_bytes(made))
    write_state(folder, analyze(table, SPECS))


@pytest.fixture(scope="module")
def few() -> Iterator[None]:
    """Limits that a week of spans exceeds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(value_counts, "LIMIT", 60)
        patch.setattr(value_counts, "KEPT", 30)
        patch.setattr(frequent, "BUCKETS", 16)
        patch.setattr(frequent, "SAMPLED", 10)
        patch.setattr(refinement, "BUCKETS", 4)
        yield


@pytest.fixture(scope="module")
def spans(few: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spans")
    for number in range(FIRST, FIRST + SPANS):
        for version in range(VERSIONS):
            write(folder / f"{number}.{version}", VERSIONS * number + version)
    return folder


def payload(spans: Path, number: int, version: int) -> Payload:
    folder, start = spans / f"{number}.{version}", EPOCH + number * DAY
    artifact = Artifact(
        id=number,
        type=ArtifactType.STATISTICS,
        uri=str(folder),
        digest=digest_bytes((folder / FILE_NAME).read_bytes()),
        pipeline="p",
        state=ArtifactState.LIVE,
        created_at=datetime(2024, 1, 1, tzinfo=UTC),
        span=Span(start=start, end=start + DAY),
    )
    return Payload(artifact=artifact, path=folder)


def windows() -> st.SearchStrategy[Sequence[tuple[int, int]]]:
    """Neighbouring spans, some of them missing, some in their second version."""
    numbers = st.tuples(st.integers(0, SPANS - 1), st.integers(1, SPANS))
    changes = st.dictionaries(st.integers(FIRST, FIRST + SPANS - 1), st.sampled_from([1, None]), max_size=4)

    def window(drawn: tuple[tuple[int, int], dict[int, int | None]]) -> Sequence[tuple[int, int]]:
        (start, length), changed = drawn
        every = range(FIRST + start, min(FIRST + start + length, FIRST + SPANS))
        versions = [(number, changed.get(number, 0)) for number in every]
        return [(number, version) for number, version in versions if version is not None] or [(FIRST, 0)]

    return st.tuples(numbers, changes).map(window)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(window=windows())
def test_a_window_of_blocks_is_the_window_of_its_spans(
    spans: Path, tmp_path_factory: pytest.TempPathFactory, window: Sequence[tuple[int, int]]
) -> None:
    """Byte for byte, whatever blocks earlier windows left, with gaps, and with spans that were corrected."""
    store = ArtifactStore(str(tmp_path_factory.getbasetemp() / "blocks"))
    payloads = [payload(spans, number, version) for number, version in window]
    inputs = Inputs({"x": payloads}, Blocks(store=store, pipeline="p", code="c"))
    folders = [each.path for each in payloads]
    for _ in range(2):
        assert to_bytes(merged_statistics(inputs, "x", DAY)) == to_bytes(read_merged(folders, slices=False))
        assert merged_states(inputs, "x", DAY).to_bytes() == read_states(folders).to_bytes()
        drawn = merged_sample(inputs, "x", DAY, key=["id"], columns=["number", "text"], rows=50)
        rows = sample(iter_batches(folders), key=["id"], columns=["number", "text"], rows=50)
        assert drawn.equals(rows)
