"""Blocks of merged spans: killed while one is written, and what the collector takes and leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from support.stores import digest, new_artifact, new_execution

from mlcore.artifacts.blocks import Blocks, Merging, Part, blocks_below
from mlcore.artifacts.store import ArtifactStore
from mlcore.components.merging import CODE
from mlcore.core.types import ArtifactType
from mlcore.metadata.store import MetadataStore, Publication
from mlcore.runtime.fingerprint import code_digest
from mlcore.runtime.gc import collect

TEXTS = Merging(kind="texts", read=Path.read_text, merge="".join, to_bytes=str.encode, from_bytes=bytes.decode)
KILLED = """
    import os, signal, sys
    from pathlib import Path
    from mlcore.artifacts.blocks import Blocks, Merging, Part
    from mlcore.artifacts.store import ArtifactStore

    def die(self, target):
        os.kill(os.getpid(), signal.SIGKILL)

    Path.replace = die  # all is written, under another name
    spans, store = Path(sys.argv[1]), ArtifactStore(sys.argv[2])
    texts = Merging(kind="texts", read=Path.read_text, merge="".join, to_bytes=str.encode, from_bytes=bytes.decode)
    parts = [Part(number=number, digest=f"{number}", folder=spans / str(number)) for number in range(8)]
    Blocks(store=store, pipeline="p", code="c").merged(parts, texts)
"""


@pytest.fixture
def spans(tmp_path: Path) -> Path:
    folder = tmp_path / "spans"
    folder.mkdir()
    for number in range(8):
        (folder / str(number)).write_text(f"{number} ", encoding="utf-8")
    return folder


def merge(spans: Path, store: ArtifactStore, digests: list[str], code: str) -> str:
    parts = [Part(number=number, digest=name, folder=spans / str(number)) for number, name in enumerate(digests)]
    return Blocks(store=store, pipeline="p", code=code).merged(parts, TEXTS)


def test_killed_while_a_block_is_written_the_next_run_makes_it(spans: Path, tmp_path: Path) -> None:
    """After kill -9 there is a file that counts as no block; whoever comes next merges, and keeps the block."""
    root = tmp_path / "store"
    command = [sys.executable, "-c", dedent(KILLED), str(spans), str(root)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    store = ArtifactStore(str(root))
    (left,) = blocks_below(store, ["p"])
    assert left.code is None
    assert merge(spans, store, [f"{number}" for number in range(8)], "c") == "0 1 2 3 4 5 6 7 "
    made = [block for block in blocks_below(store, ["p"]) if block.code == "c"]
    assert len(made) == 1


def test_the_collector_takes_blocks_that_nobody_will_ask_for(spans: Path, tmp_path: Path, database_url: str) -> None:
    """Those of spans that were given up, of other code, or never finished; not those of live or of unknown spans."""
    store, metadata = ArtifactStore(str(tmp_path / "store")), MetadataStore.open(database_url)
    try:
        kept, given_up = (published(metadata, store, name) for name in ("kept", "lost"))
        metadata.invalidate(given_up)
        live, gone, code = digest("/live/kept"), digest("/live/lost"), code_digest(CODE)
        assert {found.digest for found in metadata.find_artifacts(type=ArtifactType.STATISTICS)} == {live}
        assert kept
        merge(spans, store, [live] * 8, code)
        (wanted,) = blocks_below(store, ["p"])
        merge(spans, store, ["sha256:of another installation"] * 8, code)
        others = {block.uri for block in blocks_below(store, ["p"])}
        merge(spans, store, [live] * 7 + [gone], code)
        merge(spans, store, [live] * 8, "earlier code")
        unfinished = store.path(wanted.uri).with_name(".new-1")
        unfinished.write_bytes(b"half")
        assert len(list(blocks_below(store, ["p"]))) == 5
        young = collect(store, metadata, dry_run=True)
        assert str(unfinished.name) not in {Path(item.uri).name for item in young}
        os.utime(unfinished, (0, 0))
        planned = collect(store, metadata, dry_run=True)
        assert sorted(item.reason for item in planned if "_merged" in item.uri) == [
            "a span it was merged from is given up",
            "it was never finished, or is damaged",
            "other code merged it",
        ]
        assert len(list(blocks_below(store, ["p"]))) == 5
        collect(store, metadata, dry_run=False)
        assert {block.uri for block in blocks_below(store, ["p"])} == others
        assert merge(spans, store, [live] * 8, code) == "0 1 2 3 4 5 6 7 "
    finally:
        metadata.close()


def published(metadata: MetadataStore, store: ArtifactStore, name: str) -> int:
    """An execution that made statistics."""
    begun = metadata.begin(new_execution(name), {})
    uri = f"{store.fresh('p', 'Trainer', begun.id)}/live/{name}"
    (store.folder(uri) / "x").write_text(name, encoding="utf-8")
    artifact = new_artifact(f"/live/{name}", type_=ArtifactType.STATISTICS)
    metadata.publish([Publication(execution_id=begun.id, outputs={"spans": [artifact]})])
    return begun.id
