"""The reference is about the pipeline file as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlcore.config.pipeline import PipelineConfig

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
TEXT = "\n".join(
    (REFERENCE / f"{page}.md").read_text(encoding="utf-8") for page in ("pipeline", "transform", "evaluation")
)
BLOCKS = {"": PipelineConfig.model_json_schema(), **PipelineConfig.model_json_schema()["$defs"]}


@pytest.mark.parametrize("block", sorted(BLOCKS))
def test_every_key_of_a_block_is_in_the_reference(block: str) -> None:
    """No key of the pipeline file is left for its user to find in the code."""
    keys = BLOCKS[block].get("properties", {})
    assert [key for key in keys if not re.search(rf"[`{{. ]{re.escape(key)}[`:.,}} ]", TEXT)] == []
