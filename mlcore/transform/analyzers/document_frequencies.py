"""In how many rows every word occurs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from mlcore.core.types import Json
from mlcore.transform.analyzers.base import Analyzer
from mlcore.transform.analyzers.frequencies import Frequencies
from mlcore.transform.tokens import as_tokens, pairs
from mlcore.transform.values import Column


@dataclass(frozen=True, slots=True, eq=False)
class DocumentFrequencies(Analyzer):
    """Rows by word of texts or lists of words, each row once however often it has the word.

    Attributes:
        words: Rows by word.
        rows: Rows that have a text, empty ones too.
    """

    name = "document_frequencies"

    words: Frequencies
    rows: int = 0

    @classmethod
    def of(cls, *columns: Column) -> DocumentFrequencies:
        tokens = as_tokens(columns[0])
        row, words = pairs(tokens)
        encoded = words.dictionary_encode()
        size = max(len(encoded.dictionary), 1)
        once = np.unique(row * size + encoded.indices.to_numpy()) % size
        found = pa.DictionaryArray.from_arrays(pa.array(once.astype(np.int32)), encoded.dictionary)
        return cls(Frequencies.of(found.cast(pa.string())), len(tokens) - tokens.null_count)

    @classmethod
    def merge(cls, parts: Sequence[DocumentFrequencies]) -> DocumentFrequencies:
        return cls(Frequencies.merge([part.words for part in parts]), sum(part.rows for part in parts))

    def to_json(self) -> Json:
        return {"words": self.words.to_json(), "rows": self.rows}

    @classmethod
    def from_json(cls, state: Any) -> DocumentFrequencies:
        return cls(Frequencies.from_json(state["words"]), int(state["rows"]))
