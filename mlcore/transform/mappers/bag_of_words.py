"""Texts to a column a word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from mlcore.core.types import Json
from mlcore.transform.analyzers.document_frequencies import DocumentFrequencies
from mlcore.transform.mappers.base import Column, Mapper, Options
from mlcore.transform.tokens import as_tokens, pairs
from mlcore.transform.values import Floats, Integers


class WordsOptions(Options):
    """Which words get a column."""

    top_k: int = Field(default=1000, ge=1, le=10_000, description="At most so many, those of the most rows first")
    min_count: int = Field(default=1, ge=1, description="Only words of so many training rows")


class BagOptions(WordsOptions):
    """What is counted."""

    binary: bool = Field(default=False, description="1 where the word is there, however often")


Given = TypeVar("Given", bound=WordsOptions)


class WordsMapper(Mapper[Given]):
    """One with a column for each of the most widespread words: ``<feature>=<word>``."""

    types = ("string", "tokens")

    def analyzer(self, kinds: Sequence[str]) -> str | None:
        del kinds
        return "document_frequencies"

    def gives(self, kinds: Sequence[str]) -> str:
        del kinds
        return "matrix"

    def fit(self, analyzer: DocumentFrequencies) -> dict[str, Json]:
        return {"words": analyzer.words.top(self.options.top_k, min_count=self.options.min_count)}

    def prepare(self, constants: Mapping[str, Json], kinds: Sequence[str]) -> Any:
        del kinds
        return pa.array(constants["words"], pa.string())

    def names(self, feature: str, constants: Mapping[str, Json]) -> tuple[str, ...]:
        words: Any = constants["words"]
        return tuple(f"{feature}={word}" for word in words)


class BagOfWords(WordsMapper[BagOptions]):
    """How often each word is in the text; a text without a known word, and none at all, is 0 everywhere."""

    name = "bag_of_words"
    options_model = BagOptions
    constants = {"words": "those with a column, in order"}
    formula = "times the word is in x"

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        tokens = as_tokens(columns[0])
        row, code = known_words(tokens, prepared)
        matrix = counts(len(tokens), len(prepared), row, code)
        return (matrix > 0).astype(np.float64) if self.options.binary else matrix


def known_words(tokens: pa.Array, known: pa.Array) -> tuple[Integers, Integers]:
    """Row and place of every word that has a place."""
    row, words = pairs(tokens)
    found = pc.index_in(words, value_set=known)
    some = found.is_valid().to_numpy(zero_copy_only=False)
    return row[some], found.drop_null().to_numpy(zero_copy_only=False).astype(np.int64)


def counts(rows: int, width: int, row: Integers, code: Integers) -> Floats:
    """A matrix of how often each place comes in each row."""
    matrix: Floats = np.bincount(row * width + code, minlength=rows * width).astype(np.float64).reshape(rows, width)
    return matrix
