"""Texts to weights of words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from mlcore.core.types import Json
from mlcore.transform.analyzers.document_frequencies import DocumentFrequencies
from mlcore.transform.mappers.bag_of_words import WordsMapper, WordsOptions, counts, known_words
from mlcore.transform.mappers.base import Column
from mlcore.transform.tokens import as_tokens


class TfIdfOptions(WordsOptions):
    """How weights are scaled."""

    norm: bool = Field(default=True, description="Whether each row's weights have the length 1")


class TfIdf(WordsMapper[TfIdfOptions]):
    """How often each word is in the text, times how rare it is among the training rows, as scikit-learn weighs it."""

    name = "tf_idf"
    options_model = TfIdfOptions
    constants = {"words": "those with a column, in order", "idf": "log((1 + rows) / (1 + rows with the word)) + 1"}
    formula = "times the word is in x * idf, divided by the row's Euclidean length"

    def fit(self, analyzer: DocumentFrequencies) -> dict[str, Json]:
        words = super().fit(analyzer)["words"]
        kept: Any = words
        frequencies = dict(zip(analyzer.words.categories.to_pylist(), analyzer.words.counts.tolist(), strict=True))
        return {"words": words, "idf": [math.log((1 + analyzer.rows) / (1 + frequencies[word])) + 1 for word in kept]}

    def prepare(self, constants: Mapping[str, Json], kinds: Sequence[str]) -> Any:
        del kinds
        return pa.array(constants["words"], pa.string()), np.array(constants["idf"], np.float64)

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        words, idf = prepared
        tokens = as_tokens(columns[0])
        row, code = known_words(tokens, words)
        weights = counts(len(tokens), len(words), row, code)
        weights *= idf
        if self.options.norm:
            squares = np.zeros(len(tokens))
            for place in range(
                len(words)
            ):  # in order of the columns, so that no row's length depends on its neighbours
                squares += weights[:, place] * weights[:, place]
            weights /= np.sqrt(np.where(squares > 0, squares, 1.0))[:, None]
        return weights
